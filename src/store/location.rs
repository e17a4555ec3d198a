use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use url::Url;

use super::{Gate, StoreError};
use crate::model::StoreLimits;
use crate::model::store_option::{self, OptionError, ROOT_CERTIFICATE, is_azure};

/// Where a store is and how its client is set up. The options may hold secrets: never shown.
#[derive(Clone)]
pub(crate) struct Location {
    /// `file://`, `s3://`, `gs://`, `az://` or `memory://`; no credentials in it.
    pub(crate) url: String,
    /// The client's options, secrets resolved.
    pub(crate) options: BTreeMap<String, String>,
    /// What goes to and from it passes here.
    pub(crate) gate: Arc<Gate>,
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.options.keys().collect();
        f.debug_struct("Location")
            .field("url", &self.url)
            .field("options", &names)
            .finish_non_exhaustive()
    }
}

impl Location {
    /// A location without options, with the limits that hold where none are said.
    pub(crate) fn new(url: impl Into<String>) -> Self {
        let url = url.into();
        let gate = Gate::shared(&url, &StoreLimits::default());
        Self { url, options: BTreeMap::new(), gate }
    }

    /// Reads an URL, or a path relative to `base`.
    pub(crate) fn parse(text: &str, base: &Path) -> Result<Self, StoreError> {
        if text.contains("://") {
            return Ok(Self::new(text));
        }
        Self::of_path(&base.join(text))
    }

    /// The location of a directory.
    pub(crate) fn of_path(path: &Path) -> Result<Self, StoreError> {
        let bad = |why: &str| StoreError::Location {
            url: path.display().to_string(),
            why: why.to_owned(),
        };
        let path = std::path::absolute(path).map_err(|e| bad(&e.to_string()))?;
        let url = Url::from_file_path(plain(&path)).map_err(|()| bad("it is no absolute path"))?;
        Ok(Self::new(url))
    }

    /// Adds what the process's environment says of cloud credentials, as the vendors' tools do. It
    /// decides nothing that the options decide, under whatever name.
    #[must_use]
    pub(crate) fn with_process_env(self) -> Self {
        self.with_variables(std::env::vars())
    }

    fn with_variables(mut self, variables: impl Iterator<Item = (String, String)>) -> Self {
        let scheme = self.scheme().to_owned();
        let said: BTreeSet<String> =
            self.options.keys().map(|name| store_option::subject(&scheme, name)).collect();
        for (name, value) in variables {
            let option = match name.as_str() {
                // So is the authority of an S3 server called by the vendor's tools.
                "AWS_CA_BUNDLE" if scheme == "s3" => ROOT_CERTIFICATE.to_owned(),
                _ => name.to_ascii_lowercase(),
            };
            let ours = ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|p| name.starts_with(p));
            // What lets anybody pass for the store is refused later, not left out in silence.
            let known = ours
                && matches!(
                    store_option::check(&scheme, &option),
                    Ok(()) | Err(OptionError::Unverified { .. })
                );
            if known && !said.contains(&store_option::subject(&scheme, &option)) {
                self.options.entry(option).or_insert(value);
            }
        }
        self
    }

    fn scheme(&self) -> &str {
        self.url.split(':').next().unwrap_or_default()
    }

    /// The server that is asked, where it is not the vendor's own.
    pub(super) fn endpoint(&self) -> Option<&str> {
        let is_endpoint =
            |name: &str| store_option::subject(self.scheme(), name) == store_option::ENDPOINT;
        let mut said: Vec<_> = self.options.iter().filter(|(name, _)| is_endpoint(name)).collect();
        // The one for S3 alone goes before the one for all services.
        said.sort_by_key(|(name, _)| !name.to_ascii_lowercase().ends_with("_s3"));
        said.first().map(|(_, value)| value.trim_end_matches('/'))
    }

    /// The folders that it lies in, up to the bucket or the root.
    pub(crate) fn above(&self) -> Vec<Self> {
        let mut above = Vec::new();
        let Ok(mut url) = Url::parse(&self.url) else { return above };
        while !url.path().trim_matches('/').is_empty() {
            let Ok(mut segments) = url.path_segments_mut() else { break };
            segments.pop_if_empty().pop();
            drop(segments);
            let gate = self.gate.clone();
            above.push(Self { url: url.to_string(), options: self.options.clone(), gate });
        }
        above
    }

    /// Reads the URL and refuses what would be dropped or misread without a word.
    pub(super) fn checked(&self) -> Result<Url, StoreError> {
        let bad = |why: &str| StoreError::Location {
            // What stands before an `@` may be a password.
            url: self.url.rsplit('@').next().unwrap_or_default().to_owned(),
            why: why.to_owned(),
        };
        let url = Url::parse(&self.url).map_err(|e| bad(&e.to_string()))?;
        if url.password().is_some() || (!url.username().is_empty() && !is_azure(url.scheme())) {
            return Err(bad("credentials do not belong into it; give them as options"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("write `?` as %3F and `#` as %23"));
        }
        for name in self.options.keys() {
            store_option::check(url.scheme(), name).map_err(|error| StoreError::Option {
                url: self.url.clone(),
                why: error.to_string(),
                hint: error.hint(),
            })?;
        }
        Ok(url)
    }
}

/// Takes `.` and `..` out of an absolute path, by its letters only.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_shows_no_secret_and_drops_no_option() {
        let mut location = Location::new("s3://bucket/kfm");
        location.options.insert("aws_secret_access_key".into(), "hush".into());
        assert!(location.checked().is_ok());
        assert!(!format!("{location:?}").contains("hush"));
        location.options.insert("aws_secret_acces_key".into(), "hush".into());
        let error = location.checked().unwrap_err().to_string();
        assert!(error.contains("aws_secret_acces_key") && !error.contains("hush"), "{error}");

        let error = Location::new("s3://me:hush@bucket/x").checked().unwrap_err().to_string();
        assert!(!error.contains("hush"), "{error}");
        assert!(Location::new("file:///a#1").checked().is_err());
    }

    #[test]
    fn the_environment_decides_nothing_that_the_plan_decides() {
        let with = |options: &[(&str, &str)]| {
            let mut location = Location::new("s3://bucket/kfm");
            for (name, value) in options {
                location.options.insert((*name).to_owned(), (*value).to_owned());
            }
            let variables = [
                ("AWS_ENDPOINT_URL", "http://env.example/"),
                ("AWS_ENDPOINT_URL_STS", "http://sts.example"),
                ("AWS_ACCESS_KEY_ID", "env"),
                ("AWS_SECRET_ACCESS_KEY", "env-hush"),
                ("AWS_SESSION_TOKEN", "env-token"),
                ("HOME", "/root"),
            ];
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            location.with_variables(variables.iter().map(own))
        };
        let bare = with(&[]);
        assert_eq!(bare.endpoint(), Some("http://env.example"));
        assert_eq!(bare.options.len(), 5, "{bare:?}");
        let planned = with(&[
            ("endpoint", "http://plan.example"),
            ("access_key_id", "plan"),
            ("aws_secret_access_key", "plan-hush"),
        ]);
        assert_eq!(planned.endpoint(), Some("http://plan.example"));
        let names: Vec<&str> = planned.options.keys().map(String::as_str).collect();
        let own = ["access_key_id", "aws_endpoint_url_sts", "aws_secret_access_key", "endpoint"];
        assert_eq!(names, own);
        assert_eq!(planned.options["aws_secret_access_key"], "plan-hush");
        // The secret of a key that the plan names may come from the environment.
        assert_eq!(with(&[("access_key_id", "plan")]).options.len(), 5);
        let both = [("aws_endpoint", "http://all.example"), ("aws_endpoint_url_s3", "http://s3")];
        assert_eq!(with(&both).endpoint(), Some("http://s3"));
    }

    #[test]
    fn what_is_above_ends_at_the_bucket_or_the_root() {
        let above = |url: &str| {
            let all = Location::new(url).above().into_iter();
            all.map(|at| at.url.trim_end_matches('/').to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(above("s3://bucket/a/b%20c/"), ["s3://bucket/a", "s3://bucket"]);
        assert_eq!(above("file:///a/b"), ["file:///a", "file:"]);
        for none in ["s3://bucket", "memory:///", "no URL"] {
            assert!(above(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn a_path_becomes_a_file_url() {
        let location = Location::parse("../b c#1", Path::new("/x/a")).unwrap();
        assert_eq!(location.url, "file:///x/b%20c%231");
        assert_eq!(Location::parse("memory://t", Path::new("/x")).unwrap().url, "memory://t");
    }
}
