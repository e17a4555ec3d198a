use std::collections::BTreeMap;

use oxigraph::io::{RdfFormat, RdfParser};
use oxigraph::model::Term;
use oxigraph::model::vocab::rdf;
use oxigraph::sparql::{QueryResults, SparqlEvaluator};
use oxigraph::store::Store;
use serde::{Deserialize, Serialize};

use super::archive::{open, quads, terms};
use super::{GraphError, GraphProjection};
use crate::model::Failure;
use crate::projection::Generation;
use crate::projection::files::Copy;

/// What a SPARQL query gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// SELECT: one map from variable to term for each solution.
    Solutions(Vec<BTreeMap<String, String>>),
    /// ASK.
    Boolean(bool),
    /// CONSTRUCT and DESCRIBE: triples in N-Triples syntax.
    Triples(Vec<String>),
}

/// Counts by which two graphs can be told apart at a glance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Invariants {
    pub(crate) quads: u64,
    /// Quads by relation.
    pub(crate) predicates: BTreeMap<String, u64>,
    /// Typed things by label: the objects of `rdf:type`.
    pub(crate) types: BTreeMap<String, u64>,
    /// Quads by named graph; the default graph is empty.
    pub(crate) graphs: BTreeMap<String, u64>,
}

impl GraphProjection {
    /// Answers a SPARQL query over all graphs of a published generation, in the process. The quads
    /// are held in memory while it lasts.
    pub(crate) async fn query(
        &self,
        generation: &Generation,
        sparql: &str,
    ) -> Result<Answer, Failure> {
        let folder = self.files.fetch(generation, Copy::Reuse).await?;
        let sparql = sparql.to_owned();
        let ask = move || -> Result<Answer, GraphError> {
            let store = Store::new().map_err(|e| GraphError::Load(Box::new(e)))?;
            let parser = RdfParser::from_format(RdfFormat::NQuads);
            store
                .load_from_reader(parser, open(&folder)?)
                .map_err(|e| GraphError::Load(Box::new(e)))?;
            answer(&store, &sparql).map_err(GraphError::Query)
        };
        Ok(tokio::task::spawn_blocking(ask).await.map_err(GraphError::from)??)
    }

    /// Counts the quads of a published generation by relation, label and graph.
    pub(crate) async fn invariants(&self, generation: &Generation) -> Result<Invariants, Failure> {
        let folder = self.files.fetch(generation, Copy::Reuse).await?;
        let count = move || {
            let mut found = Invariants::default();
            let more = |counts: &mut BTreeMap<String, u64>, name| {
                *counts.entry(name).or_default() += 1;
            };
            for quad in quads(&folder)? {
                let quad = quad?;
                let [_, predicate, object, graph] = terms(&quad);
                found.quads += 1;
                more(&mut found.predicates, predicate);
                more(&mut found.graphs, graph);
                if quad.predicate == rdf::TYPE && matches!(quad.object, Term::NamedNode(_)) {
                    more(&mut found.types, object);
                }
            }
            Ok::<_, GraphError>(found)
        };
        Ok(tokio::task::spawn_blocking(count).await.map_err(GraphError::from)??)
    }
}

type Boxed = Box<dyn std::error::Error + Send + Sync>;

fn answer(store: &Store, sparql: &str) -> Result<Answer, Boxed> {
    let mut query = SparqlEvaluator::new().parse_query(sparql)?;
    query.dataset_mut().set_default_graph_as_union();
    Ok(match query.on_store(store).execute()? {
        QueryResults::Boolean(value) => Answer::Boolean(value),
        QueryResults::Graph(triples) => Answer::Triples(
            triples.map(|triple| Ok(triple?.to_string())).collect::<Result<_, Boxed>>()?,
        ),
        QueryResults::Solutions(solutions) => {
            let mut rows = Vec::new();
            for solution in solutions {
                let solution = solution?;
                let pair = |(variable, term): (&oxigraph::sparql::Variable, &Term)| {
                    (variable.as_str().to_owned(), term.to_string())
                };
                rows.push(solution.iter().map(pair).collect());
            }
            Answer::Solutions(rows)
        }
    })
}
