//! The contexts of JSON-LD documents: the embedded ones, and what is refused or marked in those of
//! a document before it is expanded.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

/// Stands for the vocabulary that a document lacks: what expands to it maps to nothing.
pub(super) const NO_TERM: &str = "urn:coppice:no-term:";
/// Stands for the base that a document took away: what expands to it is a relative id without one.
pub(super) const NO_BASE: &str = "kfm://no-base/";

/// Contexts in one document, and terms in all of them: each costs time wherever it applies.
const MOST_CONTEXTS: usize = 1_000;
const MOST_TERMS: usize = 10_000;
/// How long a chain of terms defined by other terms may be.
const MOST_STEPS: usize = 32;

const DCAT: &str = include_str!("contexts/dcat.json");
const PROV: &str = include_str!("contexts/prov.json");
const PREFIXES: &str = include_str!("contexts/prefixes.json");

/// What is embedded, by the address without scheme, ending, `#` and trailing `/`.
const EMBEDDED: [(&str, &str); 9] = [
    ("www.w3.org/ns/dcat", DCAT),
    ("www.w3.org/ns/dcat2", DCAT),
    ("www.w3.org/ns/dcat3", DCAT),
    ("www.w3.org/ns/dcat-3", DCAT),
    ("www.w3.org/ns/prov", PROV),
    ("www.w3.org/ns/prov-o", PROV),
    ("www.w3.org/2011/rdfa-context/rdfa-1.1", PREFIXES),
    ("www.w3.org/2013/json-ld-context/rdfa11", PREFIXES),
    ("www.w3.org/ns/json-ld/prefixes", PREFIXES),
];

/// The context that is embedded for an address; nothing is ever fetched.
pub(super) fn embedded(url: &str) -> Option<&'static str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let rest = rest.trim_end_matches(['#', '/']);
    let rest = rest.strip_suffix(".jsonld").or_else(|| rest.strip_suffix(".json")).unwrap_or(rest);
    EMBEDDED.iter().find(|(name, _)| *name == rest).map(|(_, context)| *context)
}

/// Prepares a document for expansion: what its contexts leave without a mapping is marked instead
/// of being passed over. The error says why the contexts are refused.
pub(super) fn prepare(mut document: Value) -> Result<Value, String> {
    judge(&document)?;
    mark(&mut document);
    let nodes = match &mut document {
        Value::Object(node) => vec![node],
        Value::Array(nodes) => nodes.iter_mut().filter_map(Value::as_object_mut).collect(),
        _ => return Err("JSON-LD is an object or an array of objects".into()),
    };
    for node in nodes {
        let own = node.remove("@context");
        let mut contexts = vec![json!({"@vocab": NO_TERM})];
        match own {
            Some(Value::Array(own)) => contexts.extend(own),
            own => contexts.extend(own),
        }
        node.insert("@context".into(), Value::Array(contexts));
    }
    Ok(document)
}

/// Every context of a document, also those inside other contexts.
fn contexts(document: &Value) -> Vec<&Value> {
    let (mut found, mut open) = (Vec::new(), vec![document]);
    while let Some(value) = open.pop() {
        match value {
            Value::Array(values) => open.extend(values),
            Value::Object(members) => {
                found.extend(members.get("@context"));
                open.extend(members.values());
            }
            _ => {}
        }
    }
    found
}

fn judge(document: &Value) -> Result<(), String> {
    let (mut count, mut terms) = (0, 0);
    for context in contexts(document) {
        let parts = context.as_array().map_or(std::slice::from_ref(context), Vec::as_slice);
        for part in parts {
            count += 1;
            match part {
                Value::String(url) => known(url)?,
                Value::Object(definitions) => {
                    terms += definitions.len();
                    if let Some(Value::String(url)) = definitions.get("@import") {
                        known(url)?;
                    }
                    chains(definitions)?;
                }
                _ => {}
            }
        }
    }
    if count > MOST_CONTEXTS || terms > MOST_TERMS {
        return Err(format!(
            "{count} contexts with {terms} terms are too many: {MOST_CONTEXTS} and {MOST_TERMS} \
             are allowed"
        ));
    }
    Ok(())
}

fn known(url: &str) -> Result<(), String> {
    match embedded(url) {
        Some(_) => Ok(()),
        None => Err(format!(
            "the context `{url}` is not embedded and nothing is fetched: write its terms into the \
             document"
        )),
    }
}

/// Refuses terms that are defined by ever other terms: each step is one more level of the stack.
fn chains(definitions: &Map<String, Value>) -> Result<(), String> {
    let too_long =
        || format!("terms are defined by more than {MOST_STEPS} others in a row, or by each other");
    let mut steps: HashMap<&str, usize> = HashMap::new();
    // Each round that changes something makes a chain longer, so there are few rounds.
    loop {
        let mut changed = false;
        for (term, definition) in definitions {
            let named = [Some(term.as_str()), definition.as_str()].into_iter().flatten();
            let inside = definition.as_object().into_iter().flat_map(Map::values);
            let needs = named.chain(inside.filter_map(Value::as_str)).flat_map(|text| {
                [Some(text), text.split_once(':').map(|(prefix, _)| prefix)].into_iter().flatten()
            });
            let others = needs.filter(|need| *need != term && definitions.contains_key(*need));
            let longest = others.map(|need| steps.get(need).copied().unwrap_or(0) + 1).max();
            let longest = longest.unwrap_or(0);
            if longest > MOST_STEPS {
                return Err(too_long());
            }
            changed |= steps.insert(term, longest).unwrap_or(0) != longest;
        }
        if !changed {
            return Ok(());
        }
    }
}

/// Replaces what takes away the vocabulary or the base by what marks that they are not there.
fn mark(document: &mut Value) {
    let mut open = vec![document];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(values) => open.extend(values),
            Value::Object(members) => {
                if let Some(context) = members.get_mut("@context") {
                    mark_context(context);
                }
                open.extend(members.values_mut());
            }
            _ => {}
        }
    }
}

fn mark_context(context: &mut Value) {
    let parts = match context.take() {
        Value::Array(parts) => parts,
        one => vec![one],
    };
    let mut marked = Vec::with_capacity(parts.len());
    for mut part in parts {
        let nothing = part.is_null();
        if let Value::Object(definitions) = &mut part {
            for (member, mark) in [("@vocab", NO_TERM), ("@base", NO_BASE)] {
                if definitions.get(member).is_some_and(Value::is_null) {
                    definitions.insert(member.into(), mark.into());
                }
            }
        }
        marked.push(part);
        if nothing {
            marked.push(json!({"@vocab": NO_TERM}));
        }
    }
    *context = Value::Array(marked);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_addresses_lead_to_embedded_contexts_and_others_nowhere() {
        for good in [
            "https://www.w3.org/ns/dcat3",
            "http://www.w3.org/ns/dcat#",
            "https://www.w3.org/ns/dcat3.jsonld",
            "https://www.w3.org/ns/prov.jsonld",
            "http://www.w3.org/2013/json-ld-context/rdfa11/",
        ] {
            let text = embedded(good).unwrap_or_else(|| panic!("{good}"));
            let context: Value = serde_json::from_str(text).unwrap();
            assert!(context["@context"]["dcat"].is_string(), "{good}");
            chains(context["@context"].as_object().unwrap()).unwrap();
        }
        for bad in ["https://example.org/c", "../context.jsonld", "www.w3.org/ns/dcat3", ""] {
            assert_eq!(embedded(bad), None, "{bad}");
        }
    }

    #[test]
    fn contexts_are_bounded() {
        let chain = |length: usize| {
            let define = |at: usize| match at {
                0 => ("t0".to_owned(), json!("https://example.org/")),
                _ => (format!("t{at}"), json!({"@id": format!("t{}:x", at - 1)})),
            };
            json!({"@context": (0..length).map(define).collect::<Map<_, _>>()})
        };
        assert!(prepare(chain(20)).is_ok());
        let refused = |document| prepare(document).err().unwrap_or_default();
        assert!(refused(chain(5_000)).contains("in a row"));
        assert!(refused(json!({"@context": {"a": "b:x", "b": "a:x"}})).contains("each other"));
        let many: Vec<Value> = (0..=MOST_CONTEXTS).map(|_| json!({"@context": {}})).collect();
        assert!(refused(json!(many)).contains("too many"));
        let terms: Map<_, _> =
            (0..=MOST_TERMS).map(|at| (at.to_string(), json!("urn:x"))).collect();
        assert!(refused(json!({"a": {"@context": terms}})).contains("too many"));
    }

    #[test]
    fn an_import_and_a_context_inside_a_context_are_seen() {
        for bad in [
            json!({"@context": {"@import": "https://example.org/c"}}),
            json!({"@context": {"a": {"@id": "urn:a", "@context": "https://example.org/c"}}}),
            json!({"@graph": [{"@context": [{}, "https://example.org/c"]}]}),
        ] {
            let why = prepare(bad.clone()).unwrap_err();
            assert!(why.contains("`https://example.org/c` is not embedded"), "{bad}: {why}");
        }
        assert!(prepare(json!("text")).is_err());
    }
}
