//! Reads a generation back as quads, a part of an answer at a time.

use async_stream::try_stream;
use datafusion::arrow::array::RecordBatch;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use oxigraph::io::{RdfFormat, RdfParser};

use super::SparqlError;
use super::by_value::ByValue;
use super::client::Client;
use super::registry::Part;
use crate::model::Failure;
use crate::projection::graph::GraphError;
use crate::projection::graph::terms::Batches;
use crate::proof::{RowEncoding as _, RowsStream};

/// The rows of all quads in some graphs.
pub(super) fn read(client: Client, parts: Vec<Part>) -> RowsStream {
    let encode = |batch: Result<RecordBatch, Failure>| ByValue.encode(&batch?);
    batches(client, parts).map(encode).boxed()
}

/// All quads in some graphs, in the order in which the server gives them.
pub(super) fn batches(
    client: Client,
    parts: Vec<Part>,
) -> BoxStream<'static, Result<RecordBatch, Failure>> {
    Box::pin(try_stream! {
        let mut collected = Batches::new();
        for part in parts {
            let mut answer = client.graph(&part.graph).await.map_err(Failure::from)?;
            let mut lines = Vec::new();
            loop {
                let chunk = answer.chunk().await;
                let chunk = chunk.map_err(|error| Failure::from(client.unreachable(error)))?;
                let ended = chunk.is_none();
                lines.extend_from_slice(&chunk.unwrap_or_default());
                // N-Triples has one triple a line, and no line end within one.
                let whole = match lines.iter().rposition(|byte| *byte == b'\n') {
                    _ if ended => lines.len(),
                    Some(at) => at + 1,
                    None => 0,
                };
                add(&lines[..whole], &part.stands_for, &mut collected).map_err(Failure::from)?;
                lines.drain(..whole);
                if collected.is_full() || ended {
                    let batch = collected.take().map_err(Failure::from)?;
                    if let Some(batch) = batch {
                        yield batch;
                    }
                }
                if ended {
                    break;
                }
            }
        }
    })
}

fn add(lines: &[u8], graph: &str, into: &mut Batches) -> Result<(), SparqlError> {
    for quad in RdfParser::from_format(RdfFormat::NTriples).for_slice(lines) {
        let quad = quad.map_err(|error| GraphError::Parse(error.into()))?;
        let (s, p, o) =
            (quad.subject.to_string(), quad.predicate.to_string(), quad.object.to_string());
        into.add([&s, &p, &o, graph]);
    }
    Ok(())
}
