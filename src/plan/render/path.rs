use std::collections::BTreeMap;

use petgraph::algo::tred::{dag_to_toposorted_adjacency_list, dag_transitive_reduction_closure};
use petgraph::graph::{DiGraph, NodeIndex};

use crate::model::StepId;
use crate::plan::{RecoveryGraph, StepSpec};

/// The way through a graph that takes longest: what the recovery time hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CriticalPath {
    /// Its steps, in order.
    pub(crate) steps: Vec<StepId>,
    /// How long they may take together; steps that nothing is known of count as one second.
    pub(crate) seconds: u64,
    /// Of how many of them nothing is known.
    pub(crate) unknown: usize,
}

/// Finds the way through the graph that takes longest.
pub(crate) fn critical_path(graph: &RecoveryGraph) -> CriticalPath {
    let at = positions(graph);
    let mut longest: Vec<(u64, Option<usize>)> = Vec::with_capacity(graph.steps.len());
    for step in &graph.steps {
        let before = step.after.iter().filter_map(|(id, _)| at.get(id).copied());
        // The first of equals, so that the path is always the same.
        let best = before.min_by_key(|&i| (u64::MAX - seconds_to(&longest, i), i));
        let own = step.estimate_seconds.unwrap_or(1);
        let total = own + best.map_or(0, |i| seconds_to(&longest, i));
        longest.push((total, best));
    }
    let end = (0..longest.len()).min_by_key(|&i| (u64::MAX - seconds_to(&longest, i), i));
    let seconds = end.map_or(0, |i| seconds_to(&longest, i));
    let (mut steps, mut unknown) = (Vec::new(), 0);
    let mut next = end;
    while let Some(index) = next {
        let step = graph.steps.get(index);
        steps.extend(step.map(|step| step.id.clone()));
        unknown += usize::from(step.is_some_and(|step| step.estimate_seconds.is_none()));
        next = longest.get(index).and_then(|(_, before)| *before);
    }
    steps.reverse();
    CriticalPath { steps, seconds, unknown }
}

fn seconds_to(longest: &[(u64, Option<usize>)], index: usize) -> u64 {
    longest.get(index).map_or(0, |(seconds, _)| *seconds)
}

/// Where each step stands.
pub(super) fn positions(graph: &RecoveryGraph) -> BTreeMap<&StepId, usize> {
    graph.steps.iter().enumerate().map(|(index, step)| (&step.id, index)).collect()
}

/// How many steps lie on the longest way to each step.
pub(super) fn depths(graph: &RecoveryGraph) -> Vec<usize> {
    let at = positions(graph);
    let mut depths: Vec<usize> = Vec::with_capacity(graph.steps.len());
    for step in &graph.steps {
        let before = step.after.iter().filter_map(|(id, _)| depths.get(*at.get(id)?));
        depths.push(before.max().map_or(0, |depth| depth + 1));
    }
    depths
}

/// The edges that a reader needs: those that follow from others are left out.
pub(super) fn needed_edges(graph: &RecoveryGraph) -> Vec<(&StepSpec, &StepSpec)> {
    let at = positions(graph);
    let mut whole = DiGraph::<(), ()>::new();
    let nodes: Vec<NodeIndex> = graph.steps.iter().map(|_| whole.add_node(())).collect();
    for (to, step) in graph.steps.iter().enumerate() {
        for from in step.after.iter().filter_map(|(id, _)| at.get(id)) {
            whole.add_edge(nodes[*from], nodes[to], ());
        }
    }
    // Steps stand in an order in which they could run, so a node's index is its rank.
    let (sorted, _) = dag_to_toposorted_adjacency_list::<_, NodeIndex>(&whole, &nodes);
    let (reduced, _) = dag_transitive_reduction_closure(&sorted);
    let mut edges: Vec<_> = reduced
        .edge_indices()
        .filter_map(|edge| reduced.edge_endpoints(edge))
        .map(|(from, to)| (from.index(), to.index()))
        .collect();
    edges.sort_unstable();
    let step = |index: usize| graph.steps.get(index);
    edges.into_iter().filter_map(|(from, to)| Some((step(from)?, step(to)?))).collect()
}
