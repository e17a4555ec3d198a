//! The columns that both journals keep alike, into what they mean.

use chrono::{DateTime, Utc};

use super::{Event, EventKind, Holder, JournalError, NewRequest, Request, RunSummary};
use crate::digest::{Algorithm, Digest};
use crate::model::{Outcome, ParseIdError, RunId};

/// Says what was tried when the database failed.
pub(super) fn failed(doing: &'static str) -> impl Fn(sqlx::Error) -> JournalError {
    move |source| JournalError::Database { doing, source }
}

/// Times as text of one width, so that their order is that of their bytes.
pub(super) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true)
}

/// Reads a time that `stamp` wrote.
pub(super) fn time(text: &str) -> Result<DateTime<Utc>, JournalError> {
    let damaged = |_bad| JournalError::Damaged { what: format!("`{text}` is no time") };
    Ok(DateTime::parse_from_rfc3339(text).map_err(damaged)?.to_utc())
}

/// A count as the databases keep it.
pub(super) fn number(value: u64) -> Result<i64, JournalError> {
    let damaged = |_bad| JournalError::Damaged { what: format!("{value} is out of range") };
    i64::try_from(value).map_err(damaged)
}

/// Reads a count.
pub(super) fn unsigned(value: i64) -> Result<u64, JournalError> {
    let damaged = |_bad| JournalError::Damaged { what: format!("{value} is out of range") };
    u64::try_from(value).map_err(damaged)
}

/// Reads the id of a run.
pub(super) fn run_id(text: &str) -> Result<RunId, JournalError> {
    let damaged =
        |_bad: ParseIdError| JournalError::Damaged { what: format!("`{text}` is no run") };
    text.parse().map_err(damaged)
}

/// The name under which a run itself is claimed.
pub(super) fn run_target(run: RunId) -> String {
    format!("run:{run}")
}

/// `seq, at, epoch, kind, body` of an event.
pub(super) type EventRow = (i64, String, i64, String, String);

/// Reads an event.
pub(super) fn event((seq, at, epoch, kind, body): EventRow) -> Result<Event, JournalError> {
    let kind = EventKind::of_parts(kind, serde_json::from_str(&body)?)?;
    Ok(Event { seq: unsigned(seq)?, at: time(&at)?, epoch: unsigned(epoch)?, kind })
}

/// `seq, at, actor, kind, step, reason` of a request.
pub(super) type RequestRow = (i64, String, String, String, Option<String>, String);

/// Reads a request.
pub(super) fn request(row: RequestRow) -> Result<Request, JournalError> {
    let (seq, at, actor, kind, step, reason) = row;
    let step = match step {
        None => None,
        Some(id) => Some(id.parse().map_err(|_bad| JournalError::Damaged {
            what: format!("request {seq} names no step: `{id}`"),
        })?),
    };
    let kind = serde_json::from_value(kind.into())?;
    let asked = NewRequest { kind, step, actor: serde_json::from_str(&actor)?, reason };
    Ok(Request { seq: unsigned(seq)?, at: time(&at)?, asked })
}

/// `run_id, mode, environment, created_at` of a run, `at, body` of its end, and its holder, where
/// a lease is held.
pub(super) type SummaryRow =
    (String, String, String, String, Option<String>, Option<String>, Option<String>);

/// Reads a line of the list of runs; the holder as it stands there.
pub(super) fn summary(row: SummaryRow) -> Result<RunSummary, JournalError> {
    #[derive(serde::Deserialize)]
    struct Finished {
        outcome: Outcome,
    }
    let (run, mode, environment, started_at, finished_at, body, holder) = row;
    let finished = body.map(|body| serde_json::from_str::<Finished>(&body)).transpose()?;
    Ok(RunSummary {
        run: run_id(&run)?,
        mode: serde_json::from_value(mode.into())?,
        environment,
        outcome: finished.map(|finished| finished.outcome),
        started_at: time(&started_at)?,
        finished_at: finished_at.map(|at| time(&at)).transpose()?,
        holder: holder.map(|json| serde_json::from_str::<Holder>(&json)).transpose()?,
    })
}

/// Gives bytes that are what their name says.
pub(super) fn checked(name: &Digest, bytes: Vec<u8>) -> Result<bytes::Bytes, JournalError> {
    let found = match name.algorithm() {
        Algorithm::Blake3 => Digest::blake3(&bytes),
        Algorithm::Sha256 => Digest::sha256(&bytes),
    };
    if found == *name {
        Ok(bytes.into())
    } else {
        Err(JournalError::Damaged { what: format!("blob {name} holds {found}") })
    }
}
