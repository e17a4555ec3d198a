use std::sync::Arc;

use miette::NamedSource;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned, UserMessageFormatter};

use super::{Problem, secrets};

/// A YAML file: its text, and where in it each value stands.
#[derive(Clone)]
pub(crate) struct Source {
    file: String,
    shown: Arc<NamedSource<String>>,
    root: Node,
}

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Node {
    at: Location,
    pub(super) value: NodeValue,
}

/// What a value is.
#[derive(Clone)]
pub(super) enum NodeValue {
    /// Anything that holds no other value.
    Scalar(serde_json::Value),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping: keys with their place, values.
    Map(Vec<(String, Location, Node)>),
}

impl Source {
    /// Parses the text as YAML without asking what it should say.
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, Box<Problem>> {
        let shown = Arc::new(NamedSource::new(file, secrets::blank(text)).with_language("yaml"));
        match serde_saphyr::from_str_with_options::<Node>(text, options()) {
            Ok(root) => Ok(Self { file: file.to_owned(), shown, root }),
            Err(error) => {
                let source = Self { file: file.to_owned(), shown, root: Node::nowhere() };
                Err(Box::new(source.of_error(&error)))
            }
        }
    }

    /// The whole document as JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        self.root.json()
    }

    /// The text that stands at `path` of the document, where one does.
    pub(super) fn text(&self, path: &[&str]) -> Option<&str> {
        let mut node = &self.root;
        for segment in path {
            let NodeValue::Map(entries) = &node.value else { return None };
            node = entries.iter().find(|(key, ..)| key == segment).map(|(.., value)| value)?;
        }
        match &node.value {
            NodeValue::Scalar(value) => value.as_str(),
            _ => None,
        }
    }

    /// A problem of each value that is a secret by its form.
    pub(super) fn literal_secrets(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut nodes = vec![&self.root];
        while let Some(node) = nodes.pop() {
            match &node.value {
                NodeValue::List(items) => nodes.extend(items),
                NodeValue::Map(entries) => nodes.extend(entries.iter().map(|(.., value)| value)),
                NodeValue::Scalar(value) => {
                    let text = value.as_str().unwrap_or_default();
                    if let Some((_, what)) = secrets::literals(text).first() {
                        let message = format!("{what} stands here in plain text");
                        let hint = "give credentials by reference, {secret: env:NAME} or {secret: \
                                    file:PATH}, and change this one: it may have been seen";
                        problems.push(self.problem_at(node.at, message).hint(hint.to_owned()));
                    }
                }
            }
        }
        problems
    }

    /// A problem of the value at `path`: segments joined by `/`, escaped as in JSON Pointers. The
    /// nearest value around it stands for one that is not there.
    pub(super) fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        self.problem_at(self.find(path, false), message)
    }

    /// A problem of the key whose value is at `path`.
    pub(super) fn problem_of_key(&self, path: &str, message: impl Into<String>) -> Problem {
        self.problem_at(self.find(path, true), message)
    }

    /// What the parser says, in our form.
    pub(super) fn of_error(&self, error: &serde_saphyr::Error) -> Problem {
        let text = error.without_snippet().render_with_formatter(&UserMessageFormatter);
        // The position stands beside the message, not in it.
        let text = text.split(" at line ").next().unwrap_or(&text);
        let at = error.location().unwrap_or(Location::UNKNOWN);
        if text.contains("Depth {") || text.contains("recursion limit") {
            let hint = "a plan or job needs ten levels at most; look for a bracket that is open";
            let message = format!("nests deeper than {MAX_DEPTH} levels");
            return self.problem_at(at, message).hint(hint.to_owned());
        }
        if text.contains("Nodes {") {
            let hint =
                "a plan or job needs some hundred; write out what an alias (`*name`) repeats";
            let message =
                format!("more than {MAX_NODES} values, those that aliases repeat counted");
            return self.problem_at(at, message).hint(hint.to_owned());
        }
        self.problem_at(at, secrets::blank(text))
    }

    fn problem_at(&self, at: Location, message: impl Into<String>) -> Problem {
        let mut problem = Problem::of_file(&self.file, message);
        problem.source = Some(Arc::clone(&self.shown));
        let number = |n: u64| usize::try_from(n).unwrap_or(0);
        (problem.line, problem.column) = (number(at.line()), number(at.column()));
        let span = at.span();
        problem.span = match (span.byte_offset(), span.byte_len()) {
            (Some(offset), length) if at.line() > 0 => {
                Some(self.first_line(number(offset), number(length.unwrap_or(1))))
            }
            _ => None,
        };
        problem
    }

    /// Cuts a span at the end of its first line: a caret is read, a block is not.
    fn first_line(&self, offset: usize, length: usize) -> (usize, usize) {
        let text = self.shown.inner();
        let rest = text.get(offset..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default().trim_end().len();
        (offset.min(text.len()), length.clamp(1, line.max(1)))
    }

    fn find(&self, path: &str, key: bool) -> Location {
        let mut at = self.root.at;
        let mut node = &self.root;
        for segment in path.split('/').filter(|s| !s.is_empty()) {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            match &node.value {
                NodeValue::Map(entries) => {
                    let Some((_, place, value)) = entries.iter().find(|(k, ..)| *k == segment)
                    else {
                        break;
                    };
                    // A block starts on the line below; its key says more.
                    let block = !matches!(value.value, NodeValue::Scalar(_));
                    at = if key || block { *place } else { value.at };
                    node = value;
                }
                NodeValue::List(items) => {
                    let Some(item) = segment.parse().ok().and_then(|i: usize| items.get(i)) else {
                        break;
                    };
                    at = item.at;
                    node = item;
                }
                NodeValue::Scalar(_) => break,
            }
        }
        at
    }
}

/// How deep a document may nest; ours have ten levels. Each level costs stack.
const MAX_DEPTH: usize = 24;
/// How many values a document may have, what its aliases stand for counted each time.
const MAX_NODES: usize = 250_000;

/// Duplicate keys refused, budgets for aliases, depth and size kept.
pub(super) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        with_snippet: false,
    }
}

impl Node {
    fn nowhere() -> Self {
        Self { at: Location::UNKNOWN, value: NodeValue::Scalar(serde_json::Value::Null) }
    }

    fn json(&self) -> serde_json::Value {
        match &self.value {
            NodeValue::Scalar(value) => value.clone(),
            NodeValue::List(items) => items.iter().map(Self::json).collect(),
            NodeValue::Map(entries) => {
                entries.iter().map(|(key, _, value)| (key.clone(), value.json())).collect()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<NodeValue>::deserialize(deserializer)?;
        Ok(Self { at: referenced, value })
    }
}

impl<'de> Deserialize<'de> for NodeValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = NodeValue;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E: de::Error>(self, v: bool) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(v.into()))
    }

    fn visit_i64<E: de::Error>(self, v: i64) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(v.into()))
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(v.into()))
    }

    fn visit_f64<E: de::Error>(self, v: f64) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(v.into()))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(v.into()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(serde_json::Value::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<NodeValue, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<NodeValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(NodeValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NodeValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push((key.value, key.referenced, map.next_value()?));
        }
        Ok(NodeValue::Map(entries))
    }
}
