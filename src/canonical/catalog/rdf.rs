use std::collections::{HashMap, HashSet};

use oxigraph::model::vocab::rdf;
use oxigraph::model::{
    BlankNode, Graph, GraphName, NamedNode, NamedNodeRef, NamedOrBlankNode, NamedOrBlankNodeRef,
    Quad, Term, TermRef, Triple,
};
use serde_json::Value;

use super::jsonld::{Expanded, expand};
use super::reference::iri_of;

/// The terms that are looked for.
pub(super) mod term {
    macro_rules! terms {
        ($($name:ident = $iri:literal;)*) => {
            $(pub(in super::super) const $name: &str = $iri;)*
        };
    }
    terms! {
        TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type";
        DATASET = "http://www.w3.org/ns/dcat#Dataset";
        DISTRIBUTION = "http://www.w3.org/ns/dcat#distribution";
        DOWNLOAD_URL = "http://www.w3.org/ns/dcat#downloadURL";
        ACCESS_URL = "http://www.w3.org/ns/dcat#accessURL";
        MEDIA_TYPE = "http://www.w3.org/ns/dcat#mediaType";
        BYTE_SIZE = "http://www.w3.org/ns/dcat#byteSize";
        TITLE = "http://purl.org/dc/terms/title";
        DESCRIPTION = "http://purl.org/dc/terms/description";
        LICENSE = "http://purl.org/dc/terms/license";
        CHECKSUM = "http://spdx.org/rdf/terms#checksum";
        ALGORITHM = "http://spdx.org/rdf/terms#algorithm";
        CHECKSUM_VALUE = "http://spdx.org/rdf/terms#checksumValue";
        ACTIVITY = "http://www.w3.org/ns/prov#Activity";
        GENERATED_BY = "http://www.w3.org/ns/prov#wasGeneratedBy";
    }
}

/// The triples of one JSON-LD document. It has no blank nodes: each is named by the document and
/// the order in which it first appears, so that the same bytes always give the same names.
#[derive(Debug, Clone)]
pub(super) struct Rdf {
    graph: Graph,
}

impl Rdf {
    /// Reads a document, and says what in it means nothing. Relative references are resolved
    /// against its key; the order of members does not matter. The error says why nothing of it can
    /// be read.
    pub(super) fn read(key: &str, document: Value) -> Result<(Self, Vec<String>), String> {
        let iri = iri_of(key);
        let Expanded { quads, problems } = expand(&iri, document)?;
        let mut skolem = Names { iri, known: HashMap::new() };
        let mut graph = Graph::new();
        for quad in quads {
            let subject = match quad.subject {
                NamedOrBlankNode::BlankNode(node) => skolem.name(node).into(),
                named @ NamedOrBlankNode::NamedNode(_) => named,
            };
            let object = match quad.object {
                Term::BlankNode(node) => skolem.name(node).into(),
                other => other,
            };
            graph.insert(&Triple::new(subject, quad.predicate, object));
        }
        Ok((Self { graph }, problems))
    }

    /// The triples as quads of one graph.
    pub(super) fn quads(&self, graph: &NamedNode) -> impl Iterator<Item = Quad> {
        self.graph
            .iter()
            .map(|triple| triple.into_owned().in_graph(GraphName::NamedNode(graph.clone())))
    }

    /// The IRIs of this type, sorted.
    pub(super) fn of_type(&self, class: &str) -> Vec<String> {
        self.subjects(term::TYPE, class)
    }

    fn subjects(&self, predicate: &str, object: &str) -> Vec<String> {
        let (predicate, object) =
            (NamedNodeRef::new_unchecked(predicate), NamedNodeRef::new_unchecked(object));
        let subjects = self.graph.subjects_for_predicate_object(predicate, object);
        let mut subjects: Vec<String> = subjects.filter_map(name_of).collect();
        subjects.sort();
        subjects
    }

    /// The subjects of a predicate, sorted, each once.
    pub(super) fn subjects_with(&self, predicate: &str) -> Vec<String> {
        let triples = self.graph.triples_for_predicate(NamedNodeRef::new_unchecked(predicate));
        let mut subjects: Vec<String> =
            triples.filter_map(|triple| name_of(triple.subject)).collect();
        subjects.sort();
        subjects.dedup();
        subjects
    }

    /// The objects of a subject and predicate as text, sorted: an IRI or a literal's value. Those
    /// of a list are its elements.
    pub(super) fn objects(&self, subject: &str, predicate: &str) -> Vec<String> {
        let (subject, predicate) =
            (NamedNodeRef::new_unchecked(subject), NamedNodeRef::new_unchecked(predicate));
        let objects = self.graph.objects_for_subject_predicate(subject, predicate);
        let mut objects: Vec<String> =
            objects.flat_map(|object| self.elements(object)).filter_map(text_of).collect();
        objects.sort();
        objects
    }

    /// The subjects and objects of a predicate as text, sorted.
    pub(super) fn pairs(&self, predicate: &str) -> Vec<(String, String)> {
        let triples = self.graph.triples_for_predicate(NamedNodeRef::new_unchecked(predicate));
        let mut pairs: Vec<(String, String)> = triples
            .filter_map(|triple| Some((name_of(triple.subject)?, triple.object)))
            .flat_map(|(subject, object)| {
                let objects = self.elements(object).into_iter().filter_map(text_of);
                objects.map(move |object| (subject.clone(), object)).collect::<Vec<_>>()
            })
            .collect();
        pairs.sort();
        pairs
    }

    /// A list's elements, or the one that is no list.
    fn elements<'a>(&'a self, object: TermRef<'a>) -> Vec<TermRef<'a>> {
        let (mut elements, mut met) = (Vec::new(), HashSet::new());
        let mut at = object;
        while let TermRef::NamedNode(node) = at
            && met.insert(node)
            && let Some(first) = self.graph.object_for_subject_predicate(node, rdf::FIRST)
        {
            elements.push(first);
            let rest = self.graph.object_for_subject_predicate(node, rdf::REST);
            at = rest.unwrap_or(TermRef::NamedNode(rdf::NIL));
        }
        match object {
            TermRef::NamedNode(rdf::NIL) => elements,
            _ if elements.is_empty() => vec![object],
            _ => elements,
        }
    }

    /// The first of the objects.
    pub(super) fn object(&self, subject: &str, predicate: &str) -> Option<String> {
        self.objects(subject, predicate).into_iter().next()
    }

    /// The first object of a term of the platform's own.
    pub(super) fn own_term(&self, subject: &str, names: &[&str]) -> Option<String> {
        let mut objects = self.own_terms(names).into_iter();
        objects.find(|(of, _)| of == subject).map(|(_, object)| object)
    }

    /// Who has a term of the platform's own, and what it says, sorted. The term may have any
    /// namespace: it goes by the name behind the last `#`, `/` or `:`.
    pub(super) fn own_terms(&self, names: &[&str]) -> Vec<(String, String)> {
        let is_own = |triple: &oxigraph::model::TripleRef<'_>| {
            let local = triple.predicate.as_str().rsplit(['#', '/', ':']).next();
            local.is_some_and(|local| names.contains(&local))
        };
        let triples = self.graph.iter().filter(is_own);
        let mut found: Vec<(String, String)> = triples
            .filter_map(|triple| Some((name_of(triple.subject)?, text_of(triple.object)?)))
            .collect();
        found.sort();
        found
    }
}

fn name_of(subject: NamedOrBlankNodeRef<'_>) -> Option<String> {
    match subject {
        NamedOrBlankNodeRef::NamedNode(node) => Some(node.as_str().to_owned()),
        NamedOrBlankNodeRef::BlankNode(_) => None,
    }
}

fn text_of(term: TermRef<'_>) -> Option<String> {
    match term {
        TermRef::NamedNode(node) => Some(node.as_str().to_owned()),
        TermRef::Literal(literal) => Some(literal.value().to_owned()),
        TermRef::BlankNode(_) => None,
    }
}

/// Gives blank nodes names.
struct Names {
    iri: String,
    known: HashMap<BlankNode, NamedNode>,
}

impl Names {
    fn name(&mut self, node: BlankNode) -> NamedNode {
        let next = self.known.len();
        let iri = &self.iri;
        let named = || NamedNode::new_unchecked(format!("{iri}#genid-{next}"));
        self.known.entry(node).or_insert_with(named).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "catalog/roads/2026-02.abcd1234/dcat.jsonld";

    fn read(text: &str) -> (Rdf, Vec<String>) {
        Rdf::read(KEY, serde_json::from_str(text).unwrap()).unwrap()
    }

    fn sorted(text: &str) -> Vec<String> {
        let (rdf, problems) = read(text);
        assert_eq!(problems, Vec::<String>::new());
        let graph = NamedNode::new("urn:g").unwrap();
        let mut quads: Vec<String> = rdf.quads(&graph).map(|quad| quad.to_string()).collect();
        quads.sort();
        quads
    }

    #[test]
    fn the_same_document_gives_the_same_quads_and_no_blank_node() {
        let text = r#"{"@context": {"ex": "https://example.org/"},
            "@id": "dcat://roads@1", "ex:parts": [{"ex:z": 1, "ex:a": {"ex:b": 2}}, {"ex:z": 1}],
            "ex:next": {"@id": "../x%20y"}, "ex:list": {"@list": ["a", {"ex:c": 3}]}}"#;
        let first = sorted(text);
        assert_eq!(first.len(), 13, "{first:#?}");
        for _ in 0..8 {
            assert_eq!(sorted(text), first);
        }
        assert!(!first.iter().any(|quad| quad.contains("_:")), "{first:#?}");
        assert!(first.iter().any(|quad| quad.contains(&format!("<{}#genid-0>", iri_of(KEY)))));
    }

    #[test]
    fn lists_nodes_in_reverse_and_named_graphs_are_read() {
        let (rdf, problems) = read(
            r#"{"@context": [{"ex": "https://example.org/", "made": {"@reverse": "ex:by"}}, null,
                             {"ex": "https://example.org/", "made": {"@reverse": "ex:by"}}],
                "@id": "urn:bundle", "@graph": [
                {"@id": "urn:a", "made": {"@id": "urn:b"}, "ex:none": {"@list": []},
                 "ex:list": {"@list": [{"@id": "urn:d"}, "c", {"@value": "e", "@language": "en"}]},
                 "@reverse": {"ex:of": {"@id": "urn:f"}}}]}"#,
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(rdf.objects("urn:b", "https://example.org/by"), ["urn:a"]);
        assert_eq!(rdf.objects("urn:f", "https://example.org/of"), ["urn:a"]);
        assert_eq!(rdf.objects("urn:a", "https://example.org/list"), ["c", "e", "urn:d"]);
        assert_eq!(rdf.objects("urn:a", "https://example.org/none"), Vec::<String>::new());
        let pairs = rdf.pairs("https://example.org/list");
        assert_eq!(pairs.len(), 3);
        assert!(pairs.iter().all(|(subject, _)| subject == "urn:a"));
    }

    #[test]
    fn a_list_that_never_ends_is_read_once() {
        let ns = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
        let text = format!(
            r#"{{"@id": "urn:a", "urn:p": {{"@id": "urn:l", "{ns}first": 1, "{ns}rest": {{"@id": "urn:l"}}}}}}"#
        );
        assert_eq!(read(&text).0.objects("urn:a", "urn:p"), ["1"]);
    }
}
