//! Keeps two runs off one server: a lease in a graph of its own, renewed while it is held.

use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::SparqlError;
use super::client::{Client, Solution};
use super::names::{term, text};
use crate::model::{Failure, RunId};

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
        let token = format!("{}/{}/{}", request.run, request.epoch, uuid::Uuid::now_v7());
        let standing = standing(client).await?;
        let former = standing.as_ref().filter(|standing| {
            standing.get("process").is_some_and(|process| (request.is_gone)(process))
        });
        let former = former.and_then(|former| former.get("token"));
        let take = take(&client.space().lock(), request, &token, former);
        client.update("lock the server", take).await?;
        match self::standing(client).await? {
            Some(found) if found.get("token") == Some(&token) => {}
            Some(found) => return Err(held_by(client, &found)),
            None => return Err(SparqlError::Lost { server: client.server().to_owned() }),
        }
        let lost = CancellationToken::new();
        let renewal = keep(client.clone(), token.clone(), request.lease, lost.clone());
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

    /// Lets the lock go; does nothing to one that another run has taken since.
    pub(crate) async fn release(self) -> Result<()> {
        let graph = self.client.space().lock();
        let update = format!(
            "DELETE {{ GRAPH <{graph}> {{ <{SUBJECT}> ?p ?o }} }} WHERE {{ GRAPH <{graph}> {{ \
             <{SUBJECT}> {} {} ; ?p ?o }} }}",
            term("token"),
            text(&self.token)
        );
        self.client.update("unlock the server", update).await
    }
}

/// Says who holds the server, if anybody does; changes nothing.
pub(crate) async fn held(client: &Client) -> Result<Option<String>> {
    let found = standing(client).await?;
    Ok(found.filter(|found| found.get("until") > Some(&stamp(Duration::ZERO))).map(|f| words(&f)))
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
fn stamp(ahead: Duration) -> String {
    (Utc::now() + ahead).to_rfc3339_opts(SecondsFormat::Millis, true)
}

async fn standing(client: &Client) -> Result<Option<Solution>> {
    let graph = client.space().lock();
    let [token, holder, process, run, until] =
        ["token", "holder", "process", "run", "until"].map(term);
    let query = format!(
        "SELECT ?token ?holder ?process ?run ?until WHERE {{ GRAPH <{graph}> {{ <{SUBJECT}> \
         {token} ?token ; {holder} ?holder ; {process} ?process ; {run} ?run ; {until} ?until }} }}"
    );
    Ok(client.select("ask who holds the server", &query).await?.into_iter().next())
}

/// Takes the lock where it is free, ran out, or is `former`'s.
fn take(graph: &str, request: &LockRequest<'_>, token: &str, former: Option<&String>) -> String {
    let [named, holder, process, run, until] =
        ["token", "holder", "process", "run", "until"].map(term);
    let but = former.map_or_else(String::new, |former| format!(" && ?token != {}", text(former)));
    format!(
        "DELETE {{ GRAPH <{graph}> {{ <{SUBJECT}> ?p ?o }} }} INSERT {{ GRAPH <{graph}> {{ <{SUBJECT}> \
         {named} {} ; {holder} {} ; {process} {} ; {run} \"{}\" ; {until} \"{}\" }} }} WHERE {{ \
         FILTER NOT EXISTS {{ GRAPH <{graph}> {{ <{SUBJECT}> {named} ?token ; {until} ?until . \
         FILTER(?until > \"{}\"{but}) }} }} \
         OPTIONAL {{ GRAPH <{graph}> {{ <{SUBJECT}> ?p ?o }} }} }}",
        text(token),
        text(request.holder),
        text(request.process),
        request.run,
        stamp(request.lease),
        stamp(Duration::ZERO),
    )
}

/// Renews until the lock is another's, or nobody could say so for as long as it lasts.
async fn keep(client: Client, token: String, lease: Duration, lost: CancellationToken) {
    let mut renewed = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(lease / 4).await;
        match renew(&client, &token, lease).await {
            Ok(true) => renewed = tokio::time::Instant::now(),
            Ok(false) => break,
            Err(error) if renewed.elapsed() >= lease => {
                tracing::warn!(%error, "the lock on the SPARQL server ran out");
                break;
            }
            Err(error) => tracing::warn!(%error, "the lock on the SPARQL server was not renewed"),
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
        stamp(lease)
    );
    client.update("renew the lock", update).await?;
    Ok(is_ours(standing(client).await?.as_ref(), token))
}
