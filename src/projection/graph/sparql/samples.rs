//! Asks the server's queries for quads that it gave as a graph.

use std::fmt::Write as _;

use oxigraph::io::{RdfFormat, RdfParser};

use super::client::Client;
use super::registry::Part;
use super::{SparqlError, SparqlProjection};
use crate::model::Failure;
use crate::projection::Generation;
use crate::projection::graph::GraphError;

/// Graphs that are looked at, and quads of each.
const GRAPHS: usize = 25;
const QUADS: usize = 10;

/// What was found of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Samples {
    /// How many graphs the data have.
    pub(crate) graphs: u64,
    /// Quads that were asked for.
    pub(crate) asked: u64,
    /// Those of them that queries do not find.
    pub(crate) denied: u64,
}

impl SparqlProjection {
    /// Asks for the first quads of the first graphs of a generation.
    pub(crate) async fn samples(&self, generation: &Generation) -> Result<Samples, Failure> {
        let parts = self.parts(generation).await?;
        let mut samples = Samples { graphs: parts.len() as u64, asked: 0, denied: 0 };
        for part in parts.iter().take(GRAPHS) {
            let (asked, found) = ask(&self.client, part).await?;
            samples.asked += asked;
            samples.denied += asked.saturating_sub(found);
        }
        Ok(samples)
    }
}

async fn ask(client: &Client, part: &Part) -> Result<(u64, u64), SparqlError> {
    const DOING: &str = "find sampled quads";
    let mut answer = client.graph(&part.graph).await?;
    let mut lines = Vec::new();
    let mut ends = 0;
    while let Some(chunk) = answer.chunk().await.map_err(|error| client.unreachable(error))? {
        ends += chunk.split(|byte| *byte == b'\n').count() - 1;
        lines.extend_from_slice(&chunk);
        if ends >= QUADS {
            break;
        }
    }
    let whole = lines.iter().rposition(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1);
    let (mut values, mut asked) = (String::new(), 0);
    let quads = RdfParser::from_format(RdfFormat::NTriples).for_slice(&lines[..whole]);
    for quad in quads.take(QUADS) {
        let quad = quad.map_err(|error| GraphError::Parse(error.into()))?;
        // Writing to a string cannot fail.
        let _ = writeln!(values, "({} {} {})", quad.subject, quad.predicate, quad.object);
        asked += 1;
    }
    let query = format!(
        "SELECT (COUNT(*) AS ?n) WHERE {{ VALUES (?s ?p ?o) {{ {values} }} \
         GRAPH <{}> {{ ?s ?p ?o }} }}",
        part.graph
    );
    let found = client.select(DOING, &query).await?;
    let found = found.first().and_then(|row| row.get("n")?.parse().ok());
    Ok((asked, found.ok_or_else(|| client.malformed(DOING))?))
}
