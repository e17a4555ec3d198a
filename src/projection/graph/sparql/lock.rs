//! Keeps two runs off one server: a lease in a graph of its own, renewed while it is held.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::SparqlError;
use super::client::{Client, Solution};
use super::names::{Space, term, text};
use crate::model::{Failure, RunId};
use crate::projection::StageContext;

const SUBJECT: &str = "urn:coppice:target";

type Result<T> = std::result::Result<T, SparqlError>;

/// Who wants a lock.
pub(crate) struct LockRequest<'a> {
    /// The run.
    pub(crate) run: RunId,
    /// The holder in words.
    pub(crate) holder: &'a str,
    /// The holder as `is_gone` of another understands it.
    pub(crate) process: &'a str,
    /// The fencing token.
    pub(crate) epoch: u64,
    /// How long it holds without renewal.
    pub(crate) lease: Duration,
    /// Whether a holder is known to live no more.
    pub(crate) is_gone: &'a (dyn Fn(&str) -> bool + Sync),
}

/// A lock that is held; let go by `release`, else it ends with its lease.
pub(crate) struct GraphLock {
    client: Client,
    token: String,
    lost: CancellationToken,
    _renewal: AbortOnDropHandle<()>,
}

impl GraphLock {
    /// Takes the lock of a server, renewed until released. `Held` while another process has it.
    pub(crate) async fn take(client: &Client, request: &LockRequest<'_>) -> Result<Self> {
        let begin = tokens_of(request.run, request.epoch);
        let token = format!("{begin}{}", uuid::Uuid::now_v7());
        let standing = standing(client).await?;
        let since = Instant::now();
        let take = take(&client.space().lock(), request, &token, standing.as_ref());
        client.update("lock the server", take).await?;
        match self::standing(client).await? {
            Some(found) if found.get("token") == Some(&token) => {}
            Some(found) => return Err(held_by(client, &found)),
            None => return Err(SparqlError::Lost { server: client.server().to_owned() }),
        }
        let lost = CancellationToken::new();
        let until = since + request.lease;
        let renewal = keep(client.clone(), token.clone(), request.lease, until, lost.clone());
        let renewal = AbortOnDropHandle::new(tokio::spawn(renewal));
        Ok(Self { client: client.clone(), token, lost, _renewal: renewal })
    }

    /// Cancelled when the lock is no longer ours: stop writing.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// Makes sure that the lock is still ours; asked of the server.
    pub(crate) async fn check(&self) -> Result<()> {
        let found = standing(&self.client).await?;
        if !self.lost.is_cancelled() && is_ours(found.as_ref(), &self.token) {
            return Ok(());
        }
        Err(self.lost_error())
    }

    /// What a holder that was lost has to say.
    pub(crate) fn lost_failure(&self) -> Failure {
        self.lost_error().into()
    }

    fn lost_error(&self) -> SparqlError {
        SparqlError::Lost { server: self.client.server().to_owned() }
    }

    /// Lets the lock go; does nothing to one that another run has taken since. The token stays: a
    /// holder before this one that wakes only now is told by it that it was overtaken. Of a
    /// rehearsal nothing stays.
    pub(crate) async fn release(self) -> Result<()> {
        let (space, token) = (self.client.space(), term("token"));
        let but = if space.is_scratch() { String::new() } else { format!("FILTER(?p != {token})") };
        let graph = space.lock();
        let update = format!(
            "DELETE {{ GRAPH <{graph}> {{ <{SUBJECT}> ?p ?o }} }} WHERE {{ GRAPH <{graph}> {{ \
             <{SUBJECT}> {token} {} ; ?p ?o . {but} }} }}",
            text(&self.token)
        );
        self.client.update("unlock the server", update).await
    }
}

/// Says who holds the server, if anybody does; changes nothing.
pub(crate) async fn held(client: &Client) -> Result<Option<String>> {
    let found = standing(client).await?;
    Ok(found.filter(|found| found.get("until") > Some(&ended(Some(found)))).map(|f| words(&f)))
}

/// The condition that no other has taken the lock since. It goes into each update of a holder, as
/// one that was sent while the lock was held may be done when it is another's. Where nobody ever
/// took the lock, it holds.
pub(super) fn not_taken(space: &Space, cx: &StageContext) -> String {
    let (graph, token, ours) = (space.lock(), term("token"), tokens_of(cx.run, cx.epoch));
    format!(
        "FILTER NOT EXISTS {{ GRAPH <{graph}> {{ <{SUBJECT}> {token} ?theirs . \
         FILTER(!STRSTARTS(STR(?theirs), {})) }} }}",
        text(&ours)
    )
}

impl Client {
    /// Says who has taken the lock since, if another has. Whether an update did anything, a server
    /// does not say: where this finds nobody after it, `not_taken` did not keep it from being done.
    pub(super) async fn refuse_taken(&self, cx: &StageContext) -> Result<()> {
        let (graph, token, holder) = (self.space().lock(), term("token"), term("holder"));
        let query = format!(
            "SELECT ?token ?holder WHERE {{ GRAPH <{graph}> {{ <{SUBJECT}> {token} ?token . \
             OPTIONAL {{ <{SUBJECT}> {holder} ?holder }} }} }}"
        );
        let found = self.select("ask who holds the server", &query).await?;
        let ours = tokens_of(cx.run, cx.epoch);
        let is_another = |token: &String| !token.starts_with(&ours);
        let mut found = found.iter();
        let Some(by) = found.find(|row| row.get("token").is_some_and(is_another)) else {
            return Ok(());
        };
        Err(SparqlError::Taken { server: self.server().to_owned(), run: cx.run, by: taker(by) })
    }
}

/// What the tokens of a holder begin with: a later process of the same run has another epoch.
fn tokens_of(run: RunId, epoch: u64) -> String {
    format!("{run}/{epoch}/")
}

/// Whose a token is; one that was let go has no holder any more.
fn taker(found: &Solution) -> String {
    let run = found.get("token").and_then(|token| token.split('/').next()).unwrap_or("?");
    match found.get("holder") {
        Some(holder) => format!("{holder}, for run {run},"),
        None => format!("run {run}"),
    }
}

fn is_ours(found: Option<&Solution>, token: &str) -> bool {
    found.and_then(|found| found.get("token")).is_some_and(|found| found == token)
}

fn words(found: &Solution) -> String {
    let word = |name: &str| found.get(name).map_or("?", String::as_str);
    format!("{}, for run {}", word("holder"), word("run"))
}

fn held_by(client: &Client, found: &Solution) -> SparqlError {
    SparqlError::Held { server: client.server().to_owned(), holder: words(found) }
}

/// Times as text of one width, so that they are compared as texts.
fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// When a lease must have ended to hold no more. The clock of the machine that holds it may be
/// behind ours: by half a lease, as with the locks of stores.
fn ended(found: Option<&Solution>) -> String {
    let lease: u32 = found.and_then(|found| found.get("lease")?.parse().ok()).unwrap_or_default();
    stamp(Utc::now() - Duration::from_millis(u64::from(lease) / 2))
}

async fn standing(client: &Client) -> Result<Option<Solution>> {
    let graph = client.space().lock();
    let [token, holder, process, run, until, lease] =
        ["token", "holder", "process", "run", "until", "lease"].map(term);
    let query = format!(
        "SELECT ?token ?holder ?process ?run ?until ?lease WHERE {{ GRAPH <{graph}> {{ <{SUBJECT}> \
         {token} ?token ; {holder} ?holder ; {process} ?process ; {run} ?run ; {until} ?until . \
         OPTIONAL {{ <{SUBJECT}> {lease} ?lease }} }} }}"
    );
    Ok(client.select("ask who holds the server", &query).await?.into_iter().next())
}

/// Takes the lock where it is free, ran out, or where what stands there is of one that is gone.
fn take(
    graph: &str,
    request: &LockRequest<'_>,
    token: &str,
    standing: Option<&Solution>,
) -> String {
    let [named, holder, process, run, until, lease] =
        ["token", "holder", "process", "run", "until", "lease"].map(term);
    let gone = standing.filter(|standing| {
        standing.get("process").is_some_and(|process| (request.is_gone)(process))
    });
    let former = gone.and_then(|gone| gone.get("token"));
    let but = former.map_or_else(String::new, |former| format!(" && ?token != {}", text(former)));
    format!(
        "DELETE {{ GRAPH <{graph}> {{ <{SUBJECT}> ?p ?o }} }} INSERT {{ GRAPH <{graph}> {{ <{SUBJECT}> \
         {named} {} ; {holder} {} ; {process} {} ; {run} \"{}\" ; {until} \"{}\" ; \
         {lease} {} }} }} WHERE {{ \
         FILTER NOT EXISTS {{ GRAPH <{graph}> {{ <{SUBJECT}> {named} ?token ; {until} ?until . \
         FILTER(?until > \"{}\"{but}) }} }} \
         OPTIONAL {{ GRAPH <{graph}> {{ <{SUBJECT}> ?p ?o }} }} }}",
        text(token),
        text(request.holder),
        text(request.process),
        request.run,
        stamp(Utc::now() + request.lease),
        u32::try_from(request.lease.as_millis()).unwrap_or(u32::MAX),
        ended(standing),
    )
}

/// Renews until the lock is another's, or nobody could say so for as long as it lasts: `until`, and
/// a lease longer with each renewal.
async fn keep(
    client: Client,
    token: String,
    lease: Duration,
    mut until: Instant,
    lost: CancellationToken,
) {
    loop {
        tokio::time::sleep_until(until.min(Instant::now() + lease / 4)).await;
        let asked = Instant::now();
        // One that hangs leaves time to ask again, and none outlasts the lease.
        let end = until.min(asked + lease / 3);
        let error = match tokio::time::timeout_at(end, renew(&client, &token, lease)).await {
            Ok(Ok(true)) => {
                until = asked + lease;
                continue;
            }
            Ok(Ok(false)) => break,
            Ok(Err(error)) => error.to_string(),
            Err(_late) => "no answer in time".to_owned(),
        };
        tracing::warn!(%error, "the lock on the SPARQL server was not renewed");
        if Instant::now() >= until {
            tracing::warn!("the lock on the SPARQL server ran out");
            break;
        }
    }
    lost.cancel();
}

async fn renew(client: &Client, token: &str, lease: Duration) -> Result<bool> {
    let graph = client.space().lock();
    let (named, until, ours) = (term("token"), term("until"), text(token));
    let update = format!(
        "DELETE {{ GRAPH <{graph}> {{ <{SUBJECT}> {until} ?until }} }} \
         INSERT {{ GRAPH <{graph}> {{ <{SUBJECT}> {until} \"{}\" }} }} \
         WHERE {{ GRAPH <{graph}> {{ <{SUBJECT}> {named} {ours} ; {until} ?until }} }}",
        stamp(Utc::now() + lease)
    );
    client.update("renew the lock", update).await?;
    Ok(is_ours(standing(client).await?.as_ref(), token))
}
