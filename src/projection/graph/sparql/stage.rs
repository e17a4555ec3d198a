use futures::StreamExt as _;

use super::SparqlError;
use super::batch::Batch;
use super::client::Client;
use super::lock::not_taken;
use super::names::{self, term};
use super::registry::not_overtaken;
use crate::model::Failure;
use crate::projection::graph::GraphError;
use crate::projection::graph::terms::{each_record, split};
use crate::projection::{Generation, Refusal, StageContext};
use crate::proof::EncodedStream;

type Result<T> = std::result::Result<T, SparqlError>;

/// Writes a generation into graphs of its own; drops what former tries left.
pub(super) async fn stage(
    client: &Client,
    generation: &Generation,
    rows: EncodedStream,
    cx: &StageContext,
) -> std::result::Result<u64, Failure> {
    let name = names::generation(&generation.job, &generation.digest);
    let attempt = client.space().attempt(generation, cx);
    begin(client, generation, &name, &attempt, cx).await?;
    let count = fill(client, &name, &attempt, rows, cx).await?;
    end(client, &name, &attempt, cx).await?;
    Ok(count)
}

pub(super) async fn begin(
    client: &Client,
    generation: &Generation,
    name: &str,
    attempt: &str,
    cx: &StageContext,
) -> Result<()> {
    let found = client.recorded(name).await?;
    for other in found.attempts.values().filter(|other| other.run == Some(cx.run)) {
        refuse_overtaken(other.epoch, cx)?;
    }
    client.drop_attempts(name, found.attempts.iter(), Some(cx)).await?;
    let (about, of, run, epoch) = (term("about"), term("of"), term("run"), term("epoch"));
    let (registry, job) = (client.space().registry(), names::job(&generation.job));
    let update = format!(
        "INSERT {{ GRAPH <{registry}> {{ <{name}> {about} <{name}> ; {of} <{job}> . \
         <{attempt}> {about} <{name}> ; {run} \"{}\" ; {epoch} {} }} }} WHERE {{ {} {} }}",
        cx.run,
        cx.epoch,
        not_overtaken(&registry, name, cx),
        not_taken(client.space(), cx)
    );
    client.update("begin a generation", update).await?;
    client.refuse_taken(cx).await
}

async fn fill(
    client: &Client,
    name: &str,
    attempt: &str,
    mut rows: EncodedStream,
    cx: &StageContext,
) -> std::result::Result<u64, Failure> {
    let mut batch =
        Batch::new(client.space().registry(), attempt.to_owned(), not_taken(client.space(), cx));
    let (mut quads, mut last) = (0, Vec::new());
    loop {
        let next = tokio::select! {
            () = cx.cancel.cancelled() => return Err(SparqlError::Cancelled.into()),
            next = rows.next() => next,
        };
        let Some(encoded) = next.transpose()? else { break };
        let mut updates = Vec::new();
        each_record(&encoded.batch, |record| {
            if quads > 0 && record <= last.as_slice() {
                return Err(GraphError::Unsorted);
            }
            last.clear();
            last.extend_from_slice(record);
            quads += 1;
            batch.add(split(record).ok_or(GraphError::Unsorted)?);
            if batch.is_full() {
                updates.extend(batch.take(name));
            }
            Ok(())
        })?;
        for update in updates {
            client.update("write quads", update).await?;
        }
        cx.meter.add_rows(encoded.batch.num_rows() as u64);
    }
    if let Some(update) = batch.take(name) {
        client.update("write quads", update).await?;
    }
    Ok(quads)
}

/// Lists the try as the one that came to its end, unless somebody overtook it.
pub(super) async fn end(
    client: &Client,
    name: &str,
    attempt: &str,
    cx: &StageContext,
) -> Result<()> {
    let (registry, about, listed) = (client.space().registry(), term("about"), term("listed"));
    let update = format!(
        "INSERT {{ GRAPH <{registry}> {{ <{name}> {listed} <{attempt}> }} }} WHERE {{ \
         GRAPH <{registry}> {{ <{attempt}> {about} <{name}> }} {} {} }}",
        not_overtaken(&registry, name, cx),
        not_taken(client.space(), cx)
    );
    client.update("list a generation", update).await?;
    client.refuse_taken(cx).await?;
    let found = client.recorded(name).await?;
    if found.listed.as_deref() == Some(attempt) {
        return Ok(());
    }
    let theirs = found.attempts.values().map(|other| other.epoch).max().unwrap_or_default();
    Err(Refusal::Stale { run: cx.run, ours: cx.epoch, theirs }.into())
}

pub(super) fn refuse_overtaken(theirs: u64, cx: &StageContext) -> Result<()> {
    if theirs > cx.epoch {
        return Err(Refusal::Stale { run: cx.run, ours: cx.epoch, theirs }.into());
    }
    Ok(())
}
