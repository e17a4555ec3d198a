//! Puts a set of generations live by one update: all of it or nothing.

use std::fmt::Write as _;

use chrono::{SecondsFormat, Utc};

use super::SparqlError;
use super::client::Client;
use super::lock::not_taken;
use super::names::{self, Space, term};
use super::stage::refuse_overtaken;
use crate::projection::{Change, Refusal, StageContext};

/// How often a switch is tried against others that move what is live meanwhile.
const TRIES: u32 = 8;

type Result<T> = std::result::Result<T, SparqlError>;

/// The changes that are still to be made; an error where neither side of one is live, or where
/// what is to be live has no proof.
pub(super) async fn pending<'a>(
    client: &Client,
    set: &'a [Change],
    cx: Option<&StageContext>,
) -> Result<Vec<&'a Change>> {
    let mut pending = Vec::new();
    for change in set {
        let live = client.live_of(&change.job).await?;
        if let Some(cx) = cx.filter(|cx| live.run == Some(cx.run)) {
            refuse_overtaken(live.epoch, cx)?;
        }
        if live.generation == change.to {
            continue;
        }
        if live.generation != change.from {
            let (job, live) = (change.job.clone(), live.generation);
            return Err(Refusal::NotFormer { job, live }.into());
        }
        if let Some(to) = change.to {
            let found = client.recorded(&names::generation(&change.job, &to)).await?;
            if found.listed.is_none() {
                return Err(Refusal::absent(&change.job, &to).into());
            }
            if !found.proof.is_some_and(|proof| proof.proven) {
                return Err(Refusal::unproven(&change.job, &to).into());
            }
        }
        pending.push(change);
    }
    Ok(pending)
}

/// Puts the set live. Whether an update did anything, a server does not say: it is looked at, and
/// who holds the server before that, so that a former holder does not try again and again.
pub(super) async fn switch(client: &Client, set: &[Change], cx: &StageContext) -> Result<()> {
    for _ in 0..TRIES {
        client.refuse_taken(cx).await?;
        let pending = pending(client, set, Some(cx)).await?;
        if pending.is_empty() {
            return Ok(());
        }
        client.update("switch what is live", swap(client.space(), &pending, cx)).await?;
    }
    client.refuse_taken(cx).await?;
    if pending(client, set, Some(cx)).await?.is_empty() {
        return Ok(());
    }
    Err(SparqlError::Contended { tries: TRIES })
}

/// The compare-and-swap: one operation, so that it is one transaction on every server.
pub(super) fn swap(space: &Space, set: &[&Change], cx: &StageContext) -> String {
    let (registry, fence) = (space.registry(), not_taken(space, cx));
    let (live, former, was_live) = (term("live"), term("former"), term("was-live"));
    let (proof, run, epoch, at) = (term("proof"), term("run"), term("epoch"), term("at"));
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
    let (mut new, mut compare, mut jobs) = (String::new(), String::new(), String::new());
    // Writing to a string cannot fail.
    for (index, change) in set.iter().enumerate() {
        let job = names::job(&change.job);
        let name = |digest| names::generation(&change.job, digest);
        let _ = write!(jobs, "<{job}> ");
        let _ =
            writeln!(new, "<{job}> {run} \"{}\" ; {epoch} {} ; {at} \"{now}\" .", cx.run, cx.epoch);
        if let Some(to) = change.to.as_ref().map(name) {
            let _ = writeln!(new, "<{job}> {live} <{to}> . <{to}> {was_live} true .");
            let _ = writeln!(compare, "GRAPH <{registry}> {{ <{to}> {proof} ?proof{index} }}");
        }
        match change.from.as_ref().map(name) {
            Some(from) => {
                let _ = writeln!(new, "<{job}> {former} <{from}> . <{from}> {was_live} true .");
                let _ = writeln!(compare, "GRAPH <{registry}> {{ <{job}> {live} <{from}> }}");
            }
            None => {
                let _ = writeln!(
                    compare,
                    "FILTER NOT EXISTS {{ GRAPH <{registry}> {{ <{job}> {live} ?live{index} }} }}"
                );
            }
        }
        let _ = writeln!(
            compare,
            "FILTER NOT EXISTS {{ GRAPH <{registry}> {{ <{job}> {run} \"{}\" ; {epoch} ?epoch{index} . \
             FILTER(?epoch{index} > {}) }} }}",
            cx.run, cx.epoch
        );
    }
    format!(
        "DELETE {{ GRAPH <{registry}> {{ ?job ?p ?o }} }}\nINSERT {{ GRAPH <{registry}> {{\n{new}}} }}\n\
         WHERE {{\n{compare}{fence}\nOPTIONAL {{ VALUES ?job {{ {jobs}}} GRAPH <{registry}> {{ ?job ?p ?o }} }}\n}}"
    )
}
