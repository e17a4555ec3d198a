//! Says of a server which environment it belongs to, in a graph of its own.

use chrono::{DateTime, SecondsFormat, Utc};

use super::SparqlError;
use super::client::Client;
use super::names::{term, text};

const GRAPH: &str = "urn:coppice:environment";
const SUBJECT: &str = "urn:coppice:target";

/// A marker as it stands on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GraphMarker {
    /// The environment.
    pub(crate) environment: String,
    /// The server that it was put on.
    pub(crate) identity: String,
    /// When.
    pub(crate) created_at: DateTime<Utc>,
}

impl Client {
    /// Reads the server's marker.
    pub(crate) async fn marker(&self) -> Result<Option<GraphMarker>, SparqlError> {
        const DOING: &str = "read the environment marker";
        let (environment, identity, at) = (term("environment"), term("identity"), term("at"));
        let query = format!(
            "SELECT ?environment ?identity ?at WHERE {{ GRAPH <{GRAPH}> {{ <{SUBJECT}> \
             {environment} ?environment ; {identity} ?identity ; {at} ?at }} }}"
        );
        let found = self.select(DOING, &query).await?;
        let Some(mut row) = found.into_iter().next() else { return Ok(None) };
        let mut take = |name: &str| row.remove(name).ok_or_else(|| self.malformed(DOING));
        let at = DateTime::parse_from_rfc3339(&take("at")?);
        Ok(Some(GraphMarker {
            environment: take("environment")?,
            identity: take("identity")?,
            created_at: at.map_err(|_bad| self.malformed(DOING))?.to_utc(),
        }))
    }

    /// Puts a marker where there is none.
    pub(crate) async fn mark(
        &self,
        environment: &str,
        identity: &str,
        now: DateTime<Utc>,
    ) -> Result<(), SparqlError> {
        let now = now.to_rfc3339_opts(SecondsFormat::Micros, true);
        let update = format!(
            "INSERT {{ GRAPH <{GRAPH}> {{ <{SUBJECT}> {} {} ; {} {} ; {} \"{now}\" }} }} WHERE {{ \
             FILTER NOT EXISTS {{ GRAPH <{GRAPH}> {{ <{SUBJECT}> {} ?other }} }} }}",
            term("environment"),
            text(environment),
            term("identity"),
            text(identity),
            term("at"),
            term("environment"),
        );
        self.update("put the environment marker", update).await
    }
}
