//! A SPARQL server as a target: reached when a step first needs it, marked and locked like others.

use std::path::{Path, PathBuf};

use chrono::Utc;
use tokio::sync::OnceCell;
use url::Url;

use crate::access::{Marker, SecretRef, judge};
use crate::journal::{Holder, LEASE_SECONDS};
use crate::model::{Code, Failure, RunId};
use crate::plan::{GraphSpec, SparqlAuth, endpoint};
use crate::projection::graph::sparql::{
    Auth, Client, Endpoints, GraphLock, LockRequest, Space, SparqlProjection, held,
};

/// Where a server is, whose graphs there are meant, and where the secret is that opens it.
#[derive(Debug, Clone)]
pub(crate) struct GraphServer {
    endpoints: Endpoints,
    auth: Option<SparqlAuth>,
    base: PathBuf,
    /// The rehearsal whose scratch it is.
    rehearsal: Option<RunId>,
    client: OnceCell<Client>,
}

impl GraphServer {
    /// The server that a plan names; a file reference is relative to `base`. With a rehearsal it is
    /// that one's scratch.
    pub(super) fn of(
        spec: &GraphSpec,
        base: &Path,
        rehearsal: Option<RunId>,
    ) -> Result<Self, Failure> {
        let GraphSpec::Sparql(server) = spec;
        let endpoints = Endpoints {
            query: url(&server.query, base)?,
            update: url(&server.update, base)?,
            store: server.store.as_deref().map(|store| url(store, base)).transpose()?,
        };
        let (auth, base) = (server.auth.clone(), base.to_owned());
        Ok(Self { endpoints, auth, base, rehearsal, client: OnceCell::new() })
    }

    /// The name under which locks, markers and receipts know it.
    pub(crate) fn name(&self) -> String {
        let server = format!("sparql:{}", self.endpoints.update);
        match self.rehearsal {
            None => server,
            // No URL that a plan names has a fragment.
            Some(run) => format!("{server}#{run}"),
        }
    }

    /// Speaks with it; the secret is fetched the first time.
    pub(crate) async fn client(&self) -> Result<&Client, Failure> {
        let space = || self.rehearsal.map_or_else(Space::environment, Space::scratch);
        let make = || async { Ok(Client::new(self.endpoints.clone(), self.auth()?, space())?) };
        self.client.get_or_try_init(make).await
    }

    fn auth(&self) -> Result<Auth, Failure> {
        let secret = |text: &str| -> Result<String, Failure> {
            Ok(text.parse::<SecretRef>()?.resolve(&self.base)?.expose().to_owned())
        };
        Ok(match &self.auth {
            None => Auth::None,
            Some(SparqlAuth::Basic { user, secret: of }) => {
                Auth::Basic { user: user.clone(), password: secret(of)? }
            }
            Some(SparqlAuth::Bearer { secret: of }) => Auth::Bearer(secret(of)?),
        })
    }

    /// What fills it.
    pub(crate) async fn projection(&self) -> Result<SparqlProjection, Failure> {
        Ok(SparqlProjection::new(self.client().await?.clone()))
    }

    /// Refuses a server that carries no marker, or another's.
    pub(crate) async fn check_marker(&self, environment: &str, init: &str) -> Result<(), Failure> {
        let found = self.client().await?.marker().await?.map(|found| Marker {
            version: Marker::VERSION,
            environment: found.environment,
            identity: found.identity,
            created_at: found.created_at,
        });
        judge(found.as_ref(), environment, &self.name(), init)
    }

    /// Refuses scratch on a server that an environment has marked as its own, whichever that is.
    pub(crate) async fn refuse_an_environments(&self) -> Result<(), Failure> {
        let marker = match self.rehearsal {
            Some(_) => self.client().await?.environments_marker().await?,
            None => None,
        };
        let Some(marker) = marker else { return Ok(()) };
        let server = format!("sparql:{}", self.endpoints.update);
        let message = format!(
            "{server} belongs to the environment `{}`, so no rehearsal may write there",
            marker.environment
        );
        Err(Failure::fenced(Code::Fenced, message).hint(
            "name another server under `scratch_graph`, or leave that out: then graphs are \
             rehearsed as files",
        ))
    }

    /// Drops what the rehearsal has there; says whether there was anything.
    pub(crate) async fn clear_scratch(&self) -> Result<bool, Failure> {
        Ok(self.client().await?.clear_scratch().await? > 0)
    }

    /// Puts the marker where there is none; says whether there was none.
    pub(crate) async fn mark(&self, environment: &str) -> Result<bool, Failure> {
        let client = self.client().await?;
        if client.marker().await?.is_some() {
            return Ok(false);
        }
        client.mark(environment, &self.name(), Utc::now()).await?;
        Ok(true)
    }

    /// Takes its lock for a run.
    pub(crate) async fn lock(
        &self,
        run: RunId,
        holder: &str,
        epoch: u64,
    ) -> Result<GraphLock, Failure> {
        let process = serde_json::to_string(&Holder::this_process(holder)).map_err(|error| {
            Failure::permanent(Code::Internal, "failed to write a lock").because(&error)
        })?;
        let is_gone = |process: &str| {
            serde_json::from_str(process)
                .is_ok_and(|by: Holder| by.process.is_gone_from_this_boot())
        };
        let lease = std::time::Duration::from_secs(LEASE_SECONDS);
        let request =
            LockRequest { run, holder, process: &process, epoch, lease, is_gone: &is_gone };
        Ok(GraphLock::take(self.client().await?, &request).await?)
    }

    /// Says which run holds it, if one does.
    pub(crate) async fn held(&self) -> Result<Option<String>, Failure> {
        Ok(held(self.client().await?).await?)
    }
}

/// The URL that a plan has, or that stands where it points to. Only references are told, since what
/// stands there may be anything.
fn url(text: &str, base: &Path) -> Result<Url, Failure> {
    let found = match text.parse::<SecretRef>() {
        Ok(reference) => reference.resolve(base)?.expose().to_owned(),
        Err(_no_reference) => text.to_owned(),
    };
    endpoint(&found).ok_or_else(|| {
        let message = format!("failed to read the URL of a SPARQL server from {text}");
        Failure::permanent(Code::PlanInvalid, message).hint(
            "it must be an http or https URL without a user, a token or a fragment; who asks is \
             said under `auth`",
        )
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    use super::*;
    use crate::plan::SparqlSpec;

    /// Answers one query, by no solution; gives what it says of who asks.
    async fn authorization(listener: TcpListener) -> Option<String> {
        let mut caller = BufReader::new(listener.accept().await.unwrap().0);
        let (mut said, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            caller.read_line(&mut line).await.unwrap();
            if line.trim().is_empty() {
                break;
            }
            let (name, value) = line.trim().split_once(':').unwrap_or_default();
            match name.to_lowercase().as_str() {
                "authorization" => said = Some(value.trim().to_owned()),
                "content-length" => length = value.trim().parse().unwrap(),
                _ => {}
            }
        }
        caller.read_exact(&mut vec![0; length]).await.unwrap();
        let nothing = r#"{"results":{"bindings":[]}}"#;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", nothing.len());
        caller.write_all(format!("{head}{nothing}").as_bytes()).await.unwrap();
        said
    }

    #[tokio::test]
    async fn who_asks_is_said_with_the_secret_that_a_reference_points_to() {
        let folder = tempfile::tempdir().unwrap();
        for (file, secret) in [("password", "hunter2\n"), ("token", "hunter3\n")] {
            std::fs::write(folder.path().join(file), secret).unwrap();
        }
        let (user, secret) = ("kim".to_owned(), "file:password".to_owned());
        let basic = SparqlAuth::Basic { user, secret };
        let bearer = SparqlAuth::Bearer { secret: "file:token".to_owned() };
        for (auth, expected) in [
            (Some(basic), Some("Basic a2ltOmh1bnRlcjI=")),
            (Some(bearer), Some("Bearer hunter3")),
            (None, None),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            let spec = SparqlSpec { query: url.clone(), update: url, store: None, auth };
            let spec = GraphSpec::Sparql(spec);
            let server = GraphServer::of(&spec, folder.path(), None).unwrap();
            let (said, holder) = tokio::join!(authorization(listener), server.held());
            assert_eq!((said.as_deref(), holder.unwrap()), (expected, None));
            assert!(!format!("{server:?}").contains("hunter"));
        }
    }
}
