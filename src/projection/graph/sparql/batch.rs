//! Quads on their way to the server, by graph, in updates of bounded size.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::names::{self, term};

/// Bytes of quads in one update: many round trips saved, and little for a server to hold.
const BYTES: usize = 1 << 20;

/// Collects quads of one try.
pub(super) struct Batch {
    registry: String,
    attempt: String,
    fence: String,
    triples: BTreeMap<String, String>,
    bytes: usize,
    /// The graphs that are in the registry already.
    known: BTreeSet<String>,
}

impl Batch {
    /// `fence` is a further condition of each update.
    pub(super) fn new(registry: String, attempt: String, fence: String) -> Self {
        let (triples, known) = (BTreeMap::new(), BTreeSet::new());
        Self { registry, attempt, fence, triples, bytes: 0, known }
    }

    pub(super) fn add(&mut self, [subject, predicate, object, graph]: [&str; 4]) {
        let triples = self.triples.entry(graph.to_owned()).or_default();
        let before = triples.len();
        // Writing to a string cannot fail.
        let _ = writeln!(triples, "{subject} {predicate} {object} .");
        self.bytes += triples.len() - before;
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= BYTES
    }

    /// The update that writes what was collected since the last time, if anything. It names new
    /// graphs in the registry, so that all can be dropped, and does nothing for a try that is not
    /// there any more: a holder that was overtaken writes no quad.
    pub(super) fn take(&mut self, generation: &str) -> Option<String> {
        if self.triples.is_empty() {
            return None;
        }
        let (about, part, stands_for) = (term("about"), term("part"), term("stands-for"));
        let (list, attempt, fence) = (&self.registry, &self.attempt, &self.fence);
        let (mut registry, mut data) = (String::new(), String::new());
        for (graph, triples) in std::mem::take(&mut self.triples) {
            let name = names::part(attempt, &graph);
            let _ = write!(data, "GRAPH <{name}> {{\n{triples}}}\n");
            if self.known.insert(graph.clone()) {
                let _ = writeln!(registry, "<{attempt}> {part} <{name}> .");
                let _ = writeln!(registry, "<{name}> {about} <{generation}> .");
                if !graph.is_empty() {
                    let _ = writeln!(registry, "<{name}> {stands_for} {graph} .");
                }
            }
        }
        self.bytes = 0;
        Some(format!(
            "INSERT {{ GRAPH <{list}> {{\n{registry}}}\n{data}}} \
             WHERE {{ GRAPH <{list}> {{ <{attempt}> {about} <{generation}> }} {fence} }}"
        ))
    }
}
