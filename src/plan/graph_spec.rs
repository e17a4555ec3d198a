//! Where an environment keeps graphs, if not as files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::secrets::{is_reference, literals};

/// A service for graphs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum GraphSpec {
    /// A SPARQL 1.1 server whose updates are transactions.
    Sparql(SparqlSpec),
}

/// A SPARQL 1.1 server: an http or https URL for each thing that it is asked, or `env:NAME` or
/// `file:PATH`, where the URL stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SparqlSpec {
    /// The URL of its queries.
    #[schemars(example = &"https://graph.example.org/query")]
    pub(crate) query: String,
    /// The URL of its updates.
    #[schemars(example = &"https://graph.example.org/update")]
    pub(crate) update: String,
    /// The URL of its Graph Store Protocol, by which generations are read back; else by queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://graph.example.org/store")]
    pub(crate) store: Option<String>,
    /// How Coppice says who it is; else it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) auth: Option<SparqlAuth>,
}

/// How Coppice says who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum SparqlAuth {
    /// By name and password.
    Basic {
        /// The name.
        user: String,
        /// Where the password is: `env:NAME` or `file:PATH`.
        #[schemars(regex(pattern = "^(env|file):.+$"), example = "env:COPPICE_GRAPH_PASSWORD")]
        secret: String,
    },
    /// By a token.
    Bearer {
        /// Where the token is: `env:NAME` or `file:PATH`.
        #[schemars(regex(pattern = "^(env|file):.+$"), example = "env:COPPICE_GRAPH_TOKEN")]
        secret: String,
    },
}

impl SparqlSpec {
    /// The URLs with the names of their fields.
    pub(crate) fn urls(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let store = self.store.as_deref().map(|url| ("store", url));
        [("query", self.query.as_str()), ("update", &self.update)].into_iter().chain(store)
    }

    /// All references: to its URLs, and to what opens it.
    pub(crate) fn references(&self) -> impl Iterator<Item = &str> {
        let urls = self.urls().map(|(_, url)| url).filter(|url| is_reference(url));
        urls.chain(self.secret().map(|(_, secret)| secret))
    }

    /// Where the secret is, with the name of its field.
    pub(crate) fn secret(&self) -> Option<(&'static str, &str)> {
        match self.auth.as_ref()? {
            SparqlAuth::Basic { secret, .. } => Some(("auth/basic/secret", secret)),
            SparqlAuth::Bearer { secret } => Some(("auth/bearer/secret", secret)),
        }
    }
}

/// Whether a text names an endpoint, by its URL or by a reference to where that stands.
pub(super) fn names_endpoint(text: &str) -> bool {
    is_reference(text) || endpoint(text).is_some()
}

/// Reads the URL of an endpoint; `None` where it is none that can be asked, or holds a secret: who
/// asks is said beside it.
pub(crate) fn endpoint(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let good = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
        && literals(text).is_empty();
    good.then_some(url)
}
