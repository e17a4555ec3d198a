use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use url::Url;

use super::SparqlError;
use super::names::Space;

type Result<T> = std::result::Result<T, SparqlError>;

/// How long a server is waited for, and how often it is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) connect: Duration,
    /// How long it may be silent. An update is answered when it is done, and it is bounded.
    pub(super) silence: Duration,
    /// Before it is asked again; three times as long before each further time.
    pub(super) pause: Duration,
    pub(super) tries: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_mins(5),
            pause: Duration::from_millis(200),
            tries: 5,
        }
    }
}

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
    space: Space,
    patience: Patience,
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
    pub(crate) fn new(endpoints: Endpoints, auth: Auth, space: Space) -> Result<Self> {
        Self::patient(endpoints, auth, space, Patience::default())
    }

    pub(super) fn patient(
        endpoints: Endpoints,
        auth: Auth,
        space: Space,
        patience: Patience,
    ) -> Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(patience.connect)
            .read_timeout(patience.silence)
            // Credentials go to the servers that the plan names, and to no other.
            .redirect(Policy::none())
            .user_agent("coppice")
            .build()
            .map_err(SparqlError::Client)?;
        Ok(Self { http, endpoints, auth, space, patience })
    }

    /// The same server over new connections.
    pub(super) fn anew(&self) -> Result<Self> {
        let Self { endpoints, auth, space, patience, .. } = self.clone();
        Self::patient(endpoints, auth, space, patience)
    }

    /// The server's name in markers and errors: the URL of its updates.
    pub(crate) fn server(&self) -> &str {
        self.endpoints.update.as_str()
    }

    /// Whose graphs it reads and writes.
    pub(super) fn space(&self) -> &Space {
        &self.space
    }

    /// Does an update: all of it or nothing. It may be done twice, where an answer was lost.
    pub(super) async fn update(&self, doing: &'static str, update: String) -> Result<()> {
        self.tried(|| async {
            let request = self.http.post(self.endpoints.update.clone());
            let request = request.header(CONTENT_TYPE, "application/sparql-update");
            self.send(doing, request.body(update.clone())).await.map(drop)
        })
        .await
    }

    /// Asks a query that gives solutions.
    pub(super) async fn select(&self, doing: &'static str, query: &str) -> Result<Vec<Solution>> {
        let whole = || async {
            let response = self.ask(doing, query, "application/sparql-results+json").await?;
            response.bytes().await.map_err(|error| self.unreachable(error))
        };
        let bytes = self.tried(whole).await?;
        let answer: Answer =
            serde_json::from_slice(&bytes).map_err(|_quoted| self.malformed(doing))?;
        let plain = |found: HashMap<String, Bound>| {
            found.into_iter().map(|(name, bound)| (name, bound.value)).collect()
        };
        Ok(answer.results.bindings.into_iter().map(plain).collect())
    }

    /// Reads a graph as N-Triples: as a whole from the graph store where there is one, else by a
    /// query. An answer that breaks off is not asked for again here.
    pub(super) async fn graph(&self, graph: &str) -> Result<Response> {
        const DOING: &str = "read a graph back";
        let Some(store) = &self.endpoints.store else {
            let query =
                format!("CONSTRUCT {{ ?s ?p ?o }} WHERE {{ GRAPH <{graph}> {{ ?s ?p ?o }} }}");
            return self.tried(|| self.ask(DOING, &query, "application/n-triples")).await;
        };
        let mut url = store.clone();
        url.query_pairs_mut().append_pair("graph", graph);
        let build = || self.http.get(url.clone()).header(ACCEPT, "application/n-triples");
        self.tried(|| self.send(DOING, build())).await
    }

    async fn ask(&self, doing: &'static str, query: &str, accept: &str) -> Result<Response> {
        let request = self.http.post(self.endpoints.query.clone()).header(ACCEPT, accept);
        let request = request.header(CONTENT_TYPE, "application/sparql-query");
        self.send(doing, request.body(query.to_owned())).await
    }

    /// Asks again where that may help.
    async fn tried<T, F>(&self, ask: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut pause = self.patience.pause;
        for _ in 1..self.patience.tries {
            match ask().await {
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, "the SPARQL server is asked again");
                }
                done => return done,
            }
            tokio::time::sleep(pause).await;
            pause *= 3;
        }
        ask().await
    }

    async fn send(&self, doing: &'static str, request: RequestBuilder) -> Result<Response> {
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
