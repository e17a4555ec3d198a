//! Says of a server which environment it belongs to, in a graph of its own.

use chrono::{DateTime, SecondsFormat, Utc};

use super::SparqlError;
use super::client::Client;
use super::names::{Space, term, text};

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
    /// Reads the marker of the graphs that are ours.
    pub(crate) async fn marker(&self) -> Result<Option<GraphMarker>, SparqlError> {
        self.marker_of(self.space()).await
    }

    /// Reads the marker that the environment has put on the server, if it is one's: looked at by
    /// rehearsals too.
    pub(crate) async fn environments_marker(&self) -> Result<Option<GraphMarker>, SparqlError> {
        self.marker_of(&Space::environment()).await
    }

    async fn marker_of(&self, space: &Space) -> Result<Option<GraphMarker>, SparqlError> {
        const DOING: &str = "read the environment marker";
        let graph = space.marker();
        let (environment, identity, at) = (term("environment"), term("identity"), term("at"));
        let query = format!(
            "SELECT ?environment ?identity ?at WHERE {{ GRAPH <{graph}> {{ <{SUBJECT}> \
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
        let (graph, now) =
            (self.space().marker(), now.to_rfc3339_opts(SecondsFormat::Micros, true));
        let update = format!(
            "INSERT {{ GRAPH <{graph}> {{ <{SUBJECT}> {} {} ; {} {} ; {} \"{now}\" }} }} WHERE {{ \
             FILTER NOT EXISTS {{ GRAPH <{graph}> {{ <{SUBJECT}> {} ?other }} }} }}",
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
