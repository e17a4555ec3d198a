use std::collections::BTreeMap;

use petgraph::algo::toposort;
use petgraph::graph::DiGraph;

use crate::model::{Code, Failure, StepId};
use crate::plan::RecoveryGraph;

/// Says why a graph cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GraphError {
    /// Two steps have one name.
    #[error("two steps are called {0}")]
    Twice(StepId),
    /// A step waits for one that is not there.
    #[error("step {0} waits for {1}, which is not in the graph")]
    Unknown(StepId, StepId),
    /// A step waits for itself.
    #[error("step {0} waits, by way of others, for itself")]
    Cycle(StepId),
}

impl From<GraphError> for Failure {
    fn from(error: GraphError) -> Self {
        Self::permanent(Code::PlanInvalid, error.to_string())
            .hint("compile the plan again with this version of coppice")
    }
}

/// Proves that every step can come to its turn.
pub(crate) fn check(graph: &RecoveryGraph) -> Result<(), GraphError> {
    let mut dag = DiGraph::<&StepId, ()>::new();
    let mut nodes = BTreeMap::new();
    for step in &graph.steps {
        if nodes.insert(&step.id, dag.add_node(&step.id)).is_some() {
            return Err(GraphError::Twice(step.id.clone()));
        }
    }
    for step in &graph.steps {
        for (other, _) in &step.after {
            let from = nodes.get(other);
            let from = from.ok_or_else(|| GraphError::Unknown(step.id.clone(), other.clone()))?;
            dag.add_edge(*from, nodes[&step.id], ());
        }
    }
    match toposort(&dag, None) {
        Ok(_) => Ok(()),
        Err(cycle) => Err(GraphError::Cycle(dag[cycle.node_id()].clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::graph;
    use super::*;

    #[test]
    fn a_cycle_a_stranger_and_a_double_are_refused() {
        assert_eq!(check(&graph(&[("a", 1, &[]), ("b", 1, &["a", "~a"])])), Ok(()));
        let cycle = check(&graph(&[("a", 1, &["b"]), ("b", 1, &["a"])]));
        assert!(matches!(cycle, Err(GraphError::Cycle(_))));
        let unknown = check(&graph(&[("a", 1, &["x"])]));
        assert!(matches!(unknown, Err(GraphError::Unknown(..))));
        assert!(matches!(
            check(&graph(&[("a", 1, &[]), ("a", 1, &[])])),
            Err(GraphError::Twice(_))
        ));
    }
}
