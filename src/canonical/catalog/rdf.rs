use std::collections::HashMap;

use oxigraph::io::{JsonLdProfileSet, RdfFormat, RdfParser};
use oxigraph::model::{
    BlankNode, Graph, GraphName, NamedNode, NamedNodeRef, NamedOrBlankNode, Quad, Term, TermRef,
    Triple,
};

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
    /// Parses a document. Relative references are resolved against its key; a context that is not
    /// inline is an error, as nothing is ever fetched.
    pub(super) fn parse(key: &str, bytes: &[u8]) -> Result<Self, String> {
        let iri = iri_of(key);
        let format = RdfFormat::JsonLd { profile: JsonLdProfileSet::empty() };
        let parser = RdfParser::from_format(format)
            .with_base_iri(&iri)
            .map_err(|error| error.to_string())?;
        let mut skolem = Names { iri, known: HashMap::new() };
        let mut graph = Graph::new();
        for quad in parser.for_slice(bytes) {
            let quad = quad.map_err(|error| error.to_string())?;
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
        Ok(Self { graph })
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
        let mut subjects: Vec<String> = self
            .graph
            .subjects_for_predicate_object(predicate, object)
            .filter_map(|subject| match subject.into_owned() {
                NamedOrBlankNode::NamedNode(node) => Some(node.into_string()),
                NamedOrBlankNode::BlankNode(_) => None,
            })
            .collect();
        subjects.sort();
        subjects
    }

    /// The subjects of a predicate, sorted, each once.
    pub(super) fn subjects_with(&self, predicate: &str) -> Vec<String> {
        let triples = self.graph.triples_for_predicate(NamedNodeRef::new_unchecked(predicate));
        let mut subjects: Vec<String> = triples
            .filter_map(|triple| match triple.subject.into_owned() {
                NamedOrBlankNode::NamedNode(node) => Some(node.into_string()),
                NamedOrBlankNode::BlankNode(_) => None,
            })
            .collect();
        subjects.sort();
        subjects.dedup();
        subjects
    }

    /// The objects of a subject and predicate as text, sorted: an IRI or a literal's value.
    pub(super) fn objects(&self, subject: &str, predicate: &str) -> Vec<String> {
        let (subject, predicate) =
            (NamedNodeRef::new_unchecked(subject), NamedNodeRef::new_unchecked(predicate));
        let objects = self.graph.objects_for_subject_predicate(subject, predicate);
        let mut objects: Vec<String> = objects.filter_map(text_of).collect();
        objects.sort();
        objects
    }

    /// The first of the objects.
    pub(super) fn object(&self, subject: &str, predicate: &str) -> Option<String> {
        self.objects(subject, predicate).into_iter().next()
    }

    /// The first object of a term of the platform's own, whatever its namespace: by the name
    /// behind the last `#`, `/` or `:`.
    pub(super) fn own_term(&self, subject: &str, names: &[&str]) -> Option<String> {
        let triples = self.graph.triples_for_subject(NamedNodeRef::new_unchecked(subject));
        let mut objects: Vec<String> = triples
            .filter(|triple| {
                let local = triple.predicate.as_str().rsplit(['#', '/', ':']).next();
                local.is_some_and(|local| names.contains(&local))
            })
            .filter_map(|triple| text_of(triple.object))
            .collect();
        objects.sort();
        objects.into_iter().next()
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

    fn sorted(bytes: &[u8]) -> Vec<String> {
        let rdf = Rdf::parse(KEY, bytes).unwrap();
        let graph = NamedNode::new("urn:g").unwrap();
        let mut quads: Vec<String> = rdf.quads(&graph).map(|quad| quad.to_string()).collect();
        quads.sort();
        quads
    }

    #[test]
    fn the_same_bytes_give_the_same_quads_and_no_blank_node() {
        let bytes =
            br#"{"@context": {"ex": "https://example.org/", "spdx": "http://spdx.org/rdf/terms#"},
            "@id": "dcat://roads@1", "ex:parts": [{"ex:z": 1, "ex:a": {"ex:b": 2}}, {"ex:z": 1}],
            "ex:next": {"@id": "../x y"}, "ex:list": {"@list": ["a", {"ex:c": 3}]}}"#;
        let first = sorted(bytes);
        assert_eq!(first.len(), 12, "{first:#?}");
        for _ in 0..8 {
            assert_eq!(sorted(bytes), first);
        }
        assert!(!first.iter().any(|quad| quad.contains("_:")), "{first:#?}");
        assert!(first.iter().any(|quad| quad.contains(&format!("<{}#genid-0>", iri_of(KEY)))));
    }

    #[test]
    fn a_context_elsewhere_is_refused() {
        let bytes = br#"{"@context": "https://example.org/context.jsonld", "@id": "urn:a"}"#;
        assert!(Rdf::parse(KEY, bytes).is_err());
        assert!(Rdf::parse(KEY, b"{").is_err());
    }
}
