//! What the proof of a graph says beyond equal digests: counts, and answers to SPARQL.

use std::collections::BTreeMap;

use oxigraph::io::{RdfFormat, RdfParser};
use oxigraph::model::Term;
use oxigraph::model::vocab::rdf;
use oxigraph::sparql::{QueryResults, SparqlEvaluator};
use oxigraph::store::Store;

use super::archive::{open, quads, terms};
use super::{GraphError, GraphProjection};
use crate::model::Failure;
use crate::projection::Generation;
use crate::projection::files::Copy;

/// Relations, labels and graphs that are counted by name; a graph may have any number of them.
const NAMED: usize = 1000;

/// Counts by which two graphs can be told apart at a glance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Invariants {
    pub(crate) quads: u64,
    /// Quads by relation.
    pub(crate) predicates: Counts,
    /// Typed things by label: the objects of `rdf:type`.
    pub(crate) types: Counts,
    /// Quads by named graph; the default graph is empty.
    pub(crate) graphs: Counts,
}

/// Counts by name, of the first names that come; of the others together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) named: BTreeMap<String, u64>,
    pub(crate) others: u64,
}

impl Counts {
    fn add(&mut self, name: String) {
        if self.named.len() < NAMED || self.named.contains_key(&name) {
            *self.named.entry(name).or_default() += 1;
        } else {
            self.others += 1;
        }
    }
}

impl GraphProjection {
    /// Counts the quads of a published generation by relation, label and graph.
    pub(crate) async fn invariants(&self, generation: &Generation) -> Result<Invariants, Failure> {
        let folder = self.files.fetch(generation, Copy::Reuse).await?;
        let count = move || {
            let mut found = Invariants::default();
            for quad in quads(&folder)? {
                let quad = quad?;
                let [_, predicate, object, graph] = terms(&quad);
                found.quads += 1;
                found.predicates.add(predicate);
                found.graphs.add(graph);
                if quad.predicate == rdf::TYPE && matches!(quad.object, Term::NamedNode(_)) {
                    found.types.add(object);
                }
            }
            Ok::<_, GraphError>(found)
        };
        Ok(tokio::task::spawn_blocking(count).await.map_err(GraphError::from)??)
    }

    /// Asks for evenly chosen quads of a published generation by SPARQL, and counts those that the
    /// answer denies. The quads are held in memory while it lasts.
    pub(crate) async fn denied_samples(
        &self,
        generation: &Generation,
        quads: u64,
        samples: u32,
    ) -> Result<u32, Failure> {
        let folder = self.files.fetch(generation, Copy::Reuse).await?;
        let ask = move || denied(&folder, quads, samples);
        Ok(tokio::task::spawn_blocking(ask).await.map_err(GraphError::from)??)
    }
}

fn denied(folder: &std::path::Path, count: u64, samples: u32) -> Result<u32, GraphError> {
    let store = load(folder)?;
    let step = usize::try_from(count / u64::from(samples.max(1))).unwrap_or(usize::MAX).max(1);
    let mut denied = 0;
    for quad in quads(folder)?.step_by(step) {
        let [subject, predicate, object, graph] = terms(&quad?);
        let triple = format!("{subject} {predicate} {object}");
        let question = match graph.as_str() {
            "" => format!("ASK {{ {triple} }}"),
            graph => format!("ASK {{ GRAPH {graph} {{ {triple} }} }}"),
        };
        match ask(&store, &question)? {
            QueryResults::Boolean(true) => {}
            _ => denied += 1,
        }
    }
    Ok(denied)
}

/// All quads of an archive in a store that answers SPARQL.
pub(super) fn load(folder: &std::path::Path) -> Result<Store, GraphError> {
    let store = Store::new().map_err(|e| GraphError::Load(Box::new(e)))?;
    let parser = RdfParser::from_format(RdfFormat::NQuads);
    let loaded = store.load_from_reader(parser, open(folder)?);
    loaded.map_err(|e| GraphError::Load(Box::new(e)))?;
    Ok(store)
}

/// Answers a SPARQL query; the default graph is all graphs together.
pub(super) fn ask<'a>(store: &'a Store, sparql: &str) -> Result<QueryResults<'a>, GraphError> {
    let parsed = SparqlEvaluator::new().parse_query(sparql);
    let mut query = parsed.map_err(|e| GraphError::Query(Box::new(e)))?;
    query.dataset_mut().set_default_graph_as_union();
    query.on_store(store).execute().map_err(|e| GraphError::Query(Box::new(e)))
}
