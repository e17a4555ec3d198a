use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use url::Url;

use super::SparqlError;

type Result<T> = std::result::Result<T, SparqlError>;

const CONNECT: Duration = Duration::from_secs(10);
/// How long the server may be silent. An update is answered when it is done, and it is bounded.
const SILENCE: Duration = Duration::from_mins(5);
const TRIES: u32 = 5;

/// Where a server takes what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoints {
    /// Queries.
    pub(crate) query: Url,
    /// Updates.
    pub(crate) update: Url,
    /// Graphs as wholes, by the Graph Store Protocol, where it speaks that.
    pub(crate) store: Option<Url>,
}

/// How we say who we are. Has no printed form.
#[derive(Clone)]
pub(crate) enum Auth {
    /// Not at all.
    None,
    /// By name and password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// By a token.
    Bearer(String),
}

/// Speaks with one server.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    endpoints: Endpoints,
    auth: Auth,
}

/// One solution of a query: the values of its variables. IRIs and texts are told apart by use.
pub(super) type Solution = HashMap<String, String>;

#[derive(Deserialize)]
struct Answer {
    results: Solutions,
}

#[derive(Deserialize)]
struct Solutions {
    bindings: Vec<HashMap<String, Bound>>,
}

#[derive(Deserialize)]
struct Bound {
    value: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.server())
    }
}

impl Client {
    /// Reaches nobody yet.
    pub(crate) fn new(endpoints: Endpoints, auth: Auth) -> Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            // Credentials go to the servers that the plan names, and to no other.
            .redirect(Policy::none())
            .user_agent("coppice")
            .build()
            .map_err(SparqlError::Client)?;
        Ok(Self { http, endpoints, auth })
    }

    /// The same server over new connections.
    pub(super) fn anew(&self) -> Result<Self> {
        Self::new(self.endpoints.clone(), self.auth.clone())
    }

    /// The server's name in markers and errors: the URL of its updates.
    pub(crate) fn server(&self) -> &str {
        self.endpoints.update.as_str()
    }

    /// Does an update: all of it or nothing. It may be done twice, where an answer was lost.
    pub(super) async fn update(&self, doing: &'static str, update: String) -> Result<()> {
        let build = || {
            let request = self.http.post(self.endpoints.update.clone());
            request.header(CONTENT_TYPE, "application/sparql-update").body(update.clone())
        };
        self.send(doing, build).await.map(drop)
    }

    /// Asks a query that gives solutions.
    pub(super) async fn select(&self, doing: &'static str, query: &str) -> Result<Vec<Solution>> {
        let response = self.ask(doing, query, "application/sparql-results+json").await?;
        let bytes = response.bytes().await.map_err(|error| self.unreachable(error))?;
        let answer: Answer =
            serde_json::from_slice(&bytes).map_err(|_quoted| self.malformed(doing))?;
        let plain = |found: HashMap<String, Bound>| {
            found.into_iter().map(|(name, bound)| (name, bound.value)).collect()
        };
        Ok(answer.results.bindings.into_iter().map(plain).collect())
    }

    /// Reads a graph as N-Triples: as a whole from the graph store where there is one, else by a
    /// query.
    pub(super) async fn graph(&self, graph: &str) -> Result<Response> {
        const DOING: &str = "read a graph back";
        let Some(store) = &self.endpoints.store else {
            let query =
                format!("CONSTRUCT {{ ?s ?p ?o }} WHERE {{ GRAPH <{graph}> {{ ?s ?p ?o }} }}");
            return self.ask(DOING, &query, "application/n-triples").await;
        };
        let mut url = store.clone();
        url.query_pairs_mut().append_pair("graph", graph);
        let build = || self.http.get(url.clone()).header(ACCEPT, "application/n-triples");
        self.send(DOING, build).await
    }

    async fn ask(&self, doing: &'static str, query: &str, accept: &str) -> Result<Response> {
        let build = || {
            let request = self.http.post(self.endpoints.query.clone()).header(ACCEPT, accept);
            request.header(CONTENT_TYPE, "application/sparql-query").body(query.to_owned())
        };
        self.send(doing, build).await
    }

    async fn send(
        &self,
        doing: &'static str,
        build: impl Fn() -> RequestBuilder,
    ) -> Result<Response> {
        let mut pause = Duration::from_millis(200);
        for _ in 1..TRIES {
            match self.send_once(doing, build()).await {
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, "the SPARQL server is asked again");
                }
                done => return done,
            }
            tokio::time::sleep(pause).await;
            pause *= 3;
        }
        self.send_once(doing, build()).await
    }

    async fn send_once(&self, doing: &'static str, request: RequestBuilder) -> Result<Response> {
        let request = match &self.auth {
            Auth::None => request,
            Auth::Basic { user, password } => request.basic_auth(user, Some(password)),
            Auth::Bearer(token) => request.bearer_auth(token),
        };
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        let (server, status) = (self.server().to_owned(), response.status());
        match status {
            status if status.is_success() => Ok(response),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(SparqlError::Credentials { server, status: status.as_u16() })
            }
            status => Err(SparqlError::Status { server, status: status.as_u16(), doing }),
        }
    }

    pub(super) fn unreachable(&self, error: reqwest::Error) -> SparqlError {
        // The URL of a read names a graph, and the server is said already.
        SparqlError::Unreachable { server: self.server().to_owned(), source: error.without_url() }
    }

    pub(super) fn malformed(&self, doing: &'static str) -> SparqlError {
        SparqlError::Malformed { server: self.server().to_owned(), doing }
    }
}
