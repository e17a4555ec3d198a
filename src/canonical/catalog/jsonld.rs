//! JSON-LD to triples, without a network and without silence: what expands to nothing is told.

use std::collections::BTreeSet;

use oxigraph::model::{Literal, NamedNode, Quad, Term, TermRef};
use oxjsonld::{JsonLdParser, JsonLdRemoteDocument};
use serde_json::Value;

use super::context::{NO_BASE, NO_TERM, embedded, prepare};

/// Prefixes that people write. As schemes they do not exist, so an IRI that begins so was meant to
/// be a compact one.
const PREFIXES: [&str; 21] = [
    "adms", "dc", "dcat", "dct", "dcterms", "dctype", "foaf", "kfm", "locn", "odrl", "org", "owl",
    "prov", "rdf", "rdfs", "schema", "skos", "spdx", "time", "vcard", "xsd",
];
/// So many problems of one document are told; the rest is counted.
const TOLD: usize = 10;

/// A document as triples, and what in it means nothing.
#[derive(Debug)]
pub(super) struct Expanded {
    pub(super) quads: Vec<Quad>,
    /// What expands to nothing, each with what to do; sorted.
    pub(super) problems: Vec<String>,
}

/// Expands a document whose relative ids are resolved against `base`. The error says why nothing
/// of it could be read.
pub(super) fn expand(base: &str, document: Value) -> Result<Expanded, String> {
    let document = prepare(document)?;
    let bytes = serde_json::to_vec(&document).map_err(|error| error.to_string())?;
    // Lenient, so that what is wrong comes out and can be named below instead of being dropped.
    let parser = JsonLdParser::new().lenient();
    let parser = parser.with_base_iri(base).map_err(|error| error.to_string())?;
    let parser = parser.for_slice(&bytes).with_load_document_callback(|url, _| {
        let context = embedded(url).ok_or("it is not embedded and nothing is fetched")?;
        Ok(JsonLdRemoteDocument { document: context.into(), document_url: url.to_owned() })
    });
    let (mut quads, mut problems) = (Vec::new(), BTreeSet::new());
    for quad in parser {
        let quad = quad.map_err(|error| error.to_string())?;
        let found = problems_of(&quad);
        if found.is_empty() {
            quads.push(quad);
        }
        problems.extend(found);
    }
    let more = problems.len().saturating_sub(TOLD);
    let mut problems: Vec<String> = problems.into_iter().take(TOLD).collect();
    if more > 0 {
        problems.push(format!("{more} more terms or ids like these mean nothing"));
    }
    Ok(Expanded { quads, problems })
}

fn problems_of(quad: &Quad) -> Vec<String> {
    let mut found = Vec::new();
    let mut hold = |iri: &str, is_term: bool| found.extend(problem(iri, is_term));
    if let TermRef::NamedNode(node) = TermRef::from(quad.subject.as_ref()) {
        hold(node.as_str(), false);
    }
    hold(quad.predicate.as_str(), true);
    match &quad.object {
        Term::NamedNode(node) => {
            hold(node.as_str(), quad.predicate == oxigraph::model::vocab::rdf::TYPE);
        }
        Term::Literal(literal) => {
            hold(literal.datatype().as_str(), true);
            if let Some(language) = literal.language()
                && Literal::new_language_tagged_literal("", language).is_err()
            {
                found.push(format!("`{language}` is no language tag (BCP 47)"));
            }
        }
        Term::BlankNode(_) => {}
    }
    found
}

/// Why an IRI means nothing; `is_term`: it names a property, a class or a datatype.
fn problem(iri: &str, is_term: bool) -> Option<String> {
    if let Some(term) = iri.strip_prefix(NO_TERM) {
        return Some(format!("no context maps the term `{term}`: define it or spell it in full"));
    }
    if let Some(id) = iri.strip_prefix(NO_BASE) {
        return Some(format!("the id `{id}` is relative and the context takes the base away"));
    }
    let (scheme, rest) = iri.split_once(':').unwrap_or((iri, ""));
    let is_bare = !rest.starts_with("//");
    if is_bare && (PREFIXES.contains(&scheme) || is_term && !matches!(scheme, "urn" | "tag")) {
        return Some(format!("no context declares the prefix `{scheme}` of `{iri}`"));
    }
    let why = NamedNode::new(iri).err()?;
    Some(format!("`{iri}` is no IRI: {why}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;

    const BASE: &str = "kfm://store/catalog/roads/1.abcd1234/dcat.jsonld";

    fn lines(document: &Value) -> (Vec<String>, Vec<String>) {
        let expanded = expand(BASE, document.clone()).unwrap();
        let mut quads: Vec<String> = expanded.quads.iter().map(ToString::to_string).collect();
        quads.sort();
        (quads, expanded.problems)
    }

    #[test]
    fn what_means_nothing_is_told_and_not_dropped() {
        for (document, told) in [
            (json!({"@id": "urn:a", "title": "x"}), "no context maps the term `title`"),
            (json!({"@context": null, "@id": "urn:a", "title": "x"}), "the term `title`"),
            (json!({"@context": {"@vocab": null}, "@id": "urn:a", "title": "x"}), "`title`"),
            (json!({"@id": "urn:a", "@type": "Dataset"}), "the term `Dataset`"),
            (json!({"@id": "urn:a", "dct:title": "x"}), "the prefix `dct` of `dct:title`"),
            (json!({"@id": "urn:a", "@type": "what:Ever"}), "the prefix `what`"),
            (json!({"@id": "urn:a", "urn:b": {"@id": "spdx:x"}}), "the prefix `spdx`"),
            (
                json!({"@id": "urn:a", "urn:b": {"@value": "1", "@type": "xsd:integer"}}),
                "the prefix `xsd`",
            ),
            (
                json!({"@context": {"@base": null}, "@id": "../a", "urn:b": 1}),
                "the id `a` is relative",
            ),
            (json!({"@id": "a b", "urn:b": 1}), "is no IRI"),
            (json!({"@id": "urn:a", "urn:b": {"@id": "http://[x"}}), "is no IRI"),
            (
                json!({"@id": "urn:a", "urn:b": {"@value": "x", "@language": "e n"}}),
                "no language tag",
            ),
        ] {
            let (quads, problems) = lines(&document);
            assert_eq!((quads.len(), problems.len()), (0, 1), "{document}: {problems:?}");
            assert!(problems[0].contains(told), "{document}: {problems:?}");
        }
        let terms: Map<_, _> = (0..25).map(|at| (format!("t{at}"), json!(1))).collect();
        let (_, problems) = lines(&json!(terms));
        assert_eq!(problems.len(), TOLD + 1);
        assert!(problems[TOLD].starts_with("15 more"), "{problems:?}");
    }

    #[test]
    fn evidence_references_and_ignored_terms_are_no_problem() {
        let document = json!({
            "@context": {"note": null, "ex": "https://example.org/"},
            "@id": "dcat://roads@1", "note": "ignored", "ex:by": {"@id": "prov://run"},
            "ex:at": {"@id": "../stac/collection.json"}, "ex:tag": {"@id": "tag:x,2026:y"},
        });
        let (quads, problems) = lines(&document);
        assert_eq!((quads.len(), problems), (3, vec![]));
        assert!(quads[0].contains("<kfm://store/catalog/roads/stac/collection.json>"), "{quads:?}");
    }

    #[test]
    fn known_contexts_give_what_full_iris_give() {
        let named = json!({
            "@context": ["https://www.w3.org/ns/dcat3", {"row_count": "kfm:row_count"}],
            "id": "dcat://roads@1", "type": "Dataset", "title": "Roads", "row_count": 7,
            "distribution": {"id": "dcat://roads@1#dist=a", "downloadURL": "../a.csv"},
        });
        let dcat = |name: &str| format!("http://www.w3.org/ns/dcat#{name}");
        let full = json!([{
            "@id": "dcat://roads@1", "@type": [dcat("Dataset")],
            "http://purl.org/dc/terms/title": [{"@value": "Roads"}],
            "urn:kfm:term:row_count": [{"@value": 7}],
            dcat("distribution"): [{
                "@id": "dcat://roads@1#dist=a", dcat("downloadURL"): [{"@id": "../a.csv"}],
            }],
        }]);
        assert_eq!(lines(&named), lines(&full));
        assert_eq!(lines(&named).0.len(), 5);
    }

    #[test]
    fn what_is_no_json_ld_is_refused() {
        for bad in [
            json!("x"),
            json!({"@context": "https://example.org/context.jsonld", "@id": "urn:a"}),
            json!({"@context": {"a": 7}, "@id": "urn:a"}),
            json!({"@id": ["urn:a"], "urn:b": 1}),
            json!({"@id": "urn:a", "urn:b": {"@value": "x", "@type": "urn:t", "@language": "en"}}),
        ] {
            expand(BASE, bad.clone()).map(|_| panic!("{bad}")).unwrap_err();
        }
    }

    const SPACES: [(&str, &str); 3] = [
        ("dct", "http://purl.org/dc/terms/"),
        ("prov", "http://www.w3.org/ns/prov#"),
        ("kfm", "urn:kfm:term:"),
    ];

    /// Nodes whose keys are a namespace and a name each.
    fn nodes() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            "[a-z ]{0,6}".prop_map(Value::from),
            (-9i64..9).prop_map(Value::from),
            "[a-z]{1,4}".prop_map(|id| json!({"@id": format!("urn:x:{id}")})),
            "[a-z]{1,4}".prop_map(|id| json!({"@id": id})),
            ("[a-z]{1,4}").prop_map(|text| json!({"@value": text, "@language": "en"})),
        ];
        let key = (0..SPACES.len(), "[a-z]{1,3}").prop_map(|(at, name)| format!("{at}|{name}"));
        leaf.prop_recursive(3, 24, 4, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3)
                    .prop_map(|items| json!({"@list": items})),
                proptest::collection::btree_map(key.clone(), inner, 1..4)
                    .prop_map(|node| json!(node)),
            ]
        })
        .prop_map(|inside| json!({"@id": "urn:x:root", "1|p": inside}))
    }

    /// Writes the keys in full or with their prefix.
    fn render(node: &Value, full: bool) -> Value {
        match node {
            Value::Array(items) => items.iter().map(|item| render(item, full)).collect(),
            Value::Object(members) => {
                let name = |key: &str| match key.split_once('|') {
                    None => key.to_owned(),
                    Some((at, name)) => {
                        let (prefix, iri) = SPACES[at.parse::<usize>().unwrap()];
                        if full { format!("{iri}{name}") } else { format!("{prefix}:{name}") }
                    }
                };
                members.iter().map(|(key, value)| (name(key), render(value, full))).collect()
            }
            other => other.clone(),
        }
    }

    /// Quads without the names of blank nodes.
    fn shape(document: Value) -> Vec<String> {
        let expanded = expand(BASE, document).unwrap();
        assert_eq!(expanded.problems, Vec::<String>::new());
        let line = |quad: &Quad| {
            let line = quad.to_string();
            let words = line.split(' ').map(|word| if word.starts_with("_:") { "_" } else { word });
            words.collect::<Vec<_>>().join(" ")
        };
        let mut lines: Vec<String> = expanded.quads.iter().map(line).collect();
        lines.sort();
        lines
    }

    proptest! {
        #[test]
        fn prefixed_and_full_keys_say_the_same(node in nodes()) {
            let mut prefixed = render(&node, false);
            let context: Map<_, _> =
                SPACES.iter().map(|(prefix, iri)| ((*prefix).to_owned(), json!(iri))).collect();
            prefixed["@context"] = context.into();
            prop_assert_eq!(shape(prefixed), shape(render(&node, true)));
        }
    }
}
