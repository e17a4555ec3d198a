//! Does anything derive from itself? Over all versions together, since a circle may run through
//! several.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::documents::{Documents, Role};
use super::provenance::{Provenance, Step};
use super::reference::{Target, follow, iri_of};
use crate::canonical::layout::version_of;
use crate::model::{DatasetVersionId, EvidenceRef, Finding, FindingKind};

/// A dataset and a version of it.
pub(super) type VersionName = (String, DatasetVersionId);

/// Things of a circle that are named; those in between are counted.
const NAMED: usize = 1_000;

/// One step of the provenance of a version, as one of its documents states it.
#[derive(Debug, Clone)]
pub(super) struct Stated {
    later: String,
    earlier: String,
    step: Step,
    /// The document.
    key: String,
}

impl Documents {
    /// The steps that PROV and DCAT state, objects of the stores under the IRI of their key.
    pub(super) fn lineage(&self) -> Vec<Stated> {
        let documents = [(&self.prov, Role::Prov), (&self.dcat, Role::Dcat)];
        let mut stated = Vec::new();
        for (rdf, role) in documents {
            let (Some(rdf), key) = (rdf, self.key_of(role)) else { continue };
            let name = |iri: &str| match follow(&key, iri) {
                Target::Object(object) => iri_of(&object),
                Target::Outside(_) | Target::Elsewhere => iri.to_owned(),
            };
            let provenance = Provenance::of(rdf);
            stated.extend(provenance.steps().map(|(later, earlier, step)| Stated {
                later: name(later),
                earlier: name(earlier),
                step,
                key: key.clone(),
            }));
        }
        stated
    }
}

/// The steps of several versions.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    versions: BTreeMap<VersionName, Vec<Stated>>,
}

impl Lineage {
    /// Adds what a version's documents state.
    pub(super) fn add(&mut self, version: VersionName, stated: Vec<Stated>) {
        self.versions.insert(version, stated);
    }

    /// The versions that steps lead to and that were not added.
    pub(super) fn missing(&self) -> BTreeSet<VersionName> {
        let steps = self.versions.values().flatten();
        let named = steps.filter_map(|stated| version_named(&stated.earlier));
        named.filter(|version| !self.versions.contains_key(version)).collect()
    }

    /// A finding for each circle and each of the `asked` versions that has a part in it.
    pub(super) fn findings(&self, asked: &BTreeSet<VersionName>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let things = self.things();
        for circle in circles(&things) {
            tell(&things, &circle, asked, &mut findings);
        }
        // Artifacts of two versions may come of each other without a single one that comes of
        // itself; a version is made at once, so this cannot be either.
        let told: BTreeSet<String> = findings.iter().filter_map(|one| one.key.clone()).collect();
        let versions = self.versions_graph();
        let mut more = Vec::new();
        for circle in circles(&versions) {
            tell(&versions, &circle, asked, &mut more);
        }
        let is_new = |one: &Finding| one.key.as_ref().is_none_or(|key| !told.contains(key));
        findings.extend(more.into_iter().filter(is_new));
        findings
    }

    /// Things, and the steps between them with the version and document that state them.
    fn things(&self) -> Steps<'_> {
        let mut graph = Builder::default();
        for (version, stated) in &self.versions {
            for one in stated {
                graph.step(&one.later, &one.earlier, (version, &one.key));
            }
        }
        graph.graph
    }

    /// Versions, and which comes of which: directly, or through one activity.
    fn versions_graph(&self) -> Steps<'_> {
        let mut used: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for one in self.versions.values().flatten().filter(|one| one.step == Step::Used) {
            used.entry(&one.later).or_default().push(&one.earlier);
        }
        let mut seen = HashSet::new();
        let mut graph = Builder::default();
        for (version, stated) in &self.versions {
            for one in stated {
                let earlier: &[&str] = match one.step {
                    Step::Derived => &[&one.earlier],
                    Step::Generated => used.get(one.earlier.as_str()).map_or(&[], Vec::as_slice),
                    Step::Used | Step::Informed => &[],
                };
                let Some(later) = version_named(&one.later) else { continue };
                for earlier in earlier.iter().filter_map(|iri| version_named(iri)) {
                    if later != earlier && seen.insert((later.clone(), earlier.clone(), &one.key)) {
                        graph.step(&record_of(&later), &record_of(&earlier), (version, &one.key));
                    }
                }
            }
        }
        graph.graph
    }
}

/// Adds a finding for each document of the `asked` versions that states a step of the circle.
fn tell(
    graph: &Steps<'_>,
    circle: &[NodeIndex],
    asked: &BTreeSet<VersionName>,
    findings: &mut Vec<Finding>,
) {
    let path = path_of(graph, circle);
    let mut parts: BTreeSet<(&VersionName, &str)> = BTreeSet::new();
    for (at, node) in circle.iter().enumerate() {
        let next = circle[(at + 1) % circle.len()];
        let stated = graph.edges_connecting(*node, next).map(|edge| *edge.weight());
        parts.extend(stated.filter(|(version, _)| asked.contains(version)));
    }
    for ((_, version), key) in parts {
        let hint = "something derives from itself: one of these steps is wrong";
        let finding = Finding::blocking(FindingKind::ProvenanceCycle, hint).at(key);
        let finding = finding.differs("no path back to where it began", &path);
        findings.push(finding.of_version(Some(version)));
    }
}

type Steps<'a> = DiGraph<String, (&'a VersionName, &'a str)>;

#[derive(Default)]
struct Builder<'a> {
    graph: Steps<'a>,
    known: HashMap<String, NodeIndex>,
}

impl<'a> Builder<'a> {
    fn step(&mut self, later: &str, earlier: &str, by: (&'a VersionName, &'a str)) {
        let (later, earlier) = (self.node(later), self.node(earlier));
        self.graph.add_edge(later, earlier, by);
    }

    fn node(&mut self, name: &str) -> NodeIndex {
        if let Some(node) = self.known.get(name) {
            return *node;
        }
        let node = self.graph.add_node(name.to_owned());
        self.known.insert(name.to_owned(), node);
        node
    }
}

/// The version that an IRI is of: its DCAT record, a part of that, or an object in its folders.
fn version_named(iri: &str) -> Option<VersionName> {
    if let Ok(EvidenceRef::Dcat { dataset, version, .. }) = iri.parse() {
        return Some((dataset, version));
    }
    match follow("catalog", iri) {
        Target::Object(key) => version_of(&key).map(|(dataset, version)| (dataset.into(), version)),
        Target::Outside(_) | Target::Elsewhere => None,
    }
}

fn record_of((dataset, version): &VersionName) -> String {
    format!("dcat://{dataset}@{version}")
}

fn path_of<E>(graph: &DiGraph<String, E>, circle: &[NodeIndex]) -> String {
    let mut names: Vec<&str> = circle.iter().map(|node| graph[*node].as_str()).collect();
    names.extend(names.first().copied());
    let between = names.len().saturating_sub(NAMED);
    let more = format!("({between} more)");
    if between > 0 {
        names.splice(NAMED - 1..names.len() - 1, [more.as_str()]);
    }
    names.join(" -> ")
}

/// One circle, a shortest one, through the first by name of the things that lead to each other.
/// No step of it goes deeper on the stack, however long the chains are.
fn circles<E>(graph: &DiGraph<String, E>) -> Vec<Vec<NodeIndex>> {
    let mut found: Vec<Vec<NodeIndex>> = kosaraju_scc(graph)
        .into_iter()
        .filter_map(|part| {
            let start = *part.iter().min_by_key(|node| &graph[**node])?;
            circle_through(graph, start, &part.into_iter().collect())
        })
        .collect();
    found.sort_by_key(|circle| circle.first().map(|node| &graph[*node]));
    found
}

/// A shortest way from `start` back to it inside `part`.
fn circle_through<E>(
    graph: &DiGraph<String, E>,
    start: NodeIndex,
    part: &HashSet<NodeIndex>,
) -> Option<Vec<NodeIndex>> {
    let mut came_from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(node) = open.pop_front() {
        let mut next: Vec<NodeIndex> = graph.edges(node).map(|edge| edge.target()).collect();
        next.sort_by_key(|node| &graph[*node]);
        for target in next {
            if target == start {
                let mut circle = vec![node];
                while let Some(before) = came_from.get(&circle[circle.len() - 1]) {
                    circle.push(*before);
                }
                circle.reverse();
                return Some(circle);
            }
            if part.contains(&target) && !came_from.contains_key(&target) {
                came_from.insert(target, node);
                open.push_back(target);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph(nodes: usize, edges: &[(usize, usize)]) -> DiGraph<String, ()> {
        let mut graph = DiGraph::new();
        let ids: Vec<_> = (0..nodes).map(|node| graph.add_node(format!("n{node:07}"))).collect();
        for (from, to) in edges {
            graph.add_edge(ids[from % nodes], ids[to % nodes], ());
        }
        graph
    }

    /// Takes away what leads nowhere until nothing changes: what is left goes round.
    fn goes_round(nodes: usize, edges: &[(usize, usize)]) -> bool {
        let mut left: BTreeSet<usize> = (0..nodes).collect();
        loop {
            let leads = |node: &usize| {
                edges.iter().any(|(from, to)| from % nodes == *node && left.contains(&(to % nodes)))
            };
            let next: BTreeSet<usize> = left.iter().copied().filter(leads).collect();
            if next == left {
                return !left.is_empty();
            }
            left = next;
        }
    }

    proptest! {
        #[test]
        fn a_circle_is_found_where_there_is_one_and_only_there(
            nodes in 1usize..12, edges in proptest::collection::vec((0usize..12, 0usize..12), 0..24)
        ) {
            let graph = graph(nodes, &edges);
            let found = circles(&graph);
            prop_assert_eq!(!found.is_empty(), goes_round(nodes, &edges));
            for circle in &found {
                for (at, node) in circle.iter().enumerate() {
                    let next = circle[(at + 1) % circle.len()];
                    prop_assert!(graph.contains_edge(*node, next));
                }
                let each_once: BTreeSet<_> = circle.iter().collect();
                prop_assert_eq!(each_once.len(), circle.len());
            }
        }
    }

    #[test]
    fn a_long_chain_that_closes_is_told_and_shortened() {
        let length = 200_000;
        let mut edges: Vec<_> = (1..length).map(|at| (at - 1, at)).collect();
        assert!(circles(&graph(length, &edges)).is_empty());
        edges.push((length - 1, 0));
        let graph = graph(length, &edges);
        let found = circles(&graph);
        assert_eq!((found.len(), found[0].len()), (1, length));
        let path = path_of(&graph, &found[0]);
        assert!(path.contains("n0000998 -> (199001 more) -> n0000000"), "{}", &path[20_000..]);
        assert_eq!(path.matches(" -> ").count(), NAMED);
    }

    #[test]
    fn things_of_a_version_are_known_by_their_names() {
        let version: DatasetVersionId = "1.abcd1234".parse().unwrap();
        for iri in [
            "dcat://roads@1.abcd1234",
            "dcat://roads@1.abcd1234#dist=a.csv",
            "kfm://store/processed/roads/1.abcd1234/artifacts/a.csv",
        ] {
            assert_eq!(version_named(iri), Some(("roads".into(), version.clone())), "{iri}");
        }
        for iri in ["kfm://run/1", "kfm://store/raw/roads/1/artifacts/a.csv", "urn:a"] {
            assert_eq!(version_named(iri), None, "{iri}");
        }
    }
}
