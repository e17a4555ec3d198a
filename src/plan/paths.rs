use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use url::Url;

use super::StoreSpec;
use crate::model::Zone;

/// The URLs that a store spec means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResolvedStore {
    /// The store's.
    pub(crate) url: Url,
    /// Those of zones that live in a store of their own.
    pub(crate) zones: BTreeMap<Zone, Url>,
}

/// Says why a text is no store.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum StoreUrlError {
    /// A scheme that no store has.
    #[error("unknown scheme `{0}`")]
    Scheme(String),
    /// No URL at all.
    #[error("is no URL: {0}")]
    Form(url::ParseError),
    /// An empty text, or a path that no URL can hold.
    #[error("is no path")]
    Path,
}

/// The schemes that stores have.
pub(super) const SCHEMES: [&str; 5] = ["file", "s3", "gs", "az", "memory"];

impl StoreSpec {
    /// The URLs that it means in a plan that lies in the folder `base`.
    pub(crate) fn resolve(&self, base: &Path) -> Result<ResolvedStore, StoreUrlError> {
        let zones = self.zones.iter().map(|(zone, text)| Ok((*zone, store_url(text, base)?)));
        Ok(ResolvedStore {
            url: store_url(&self.url, base)?,
            zones: zones.collect::<Result<_, _>>()?,
        })
    }
}

/// A store's URL; a text without a scheme is a path relative to `base`.
pub(crate) fn store_url(text: &str, base: &Path) -> Result<Url, StoreUrlError> {
    if text.trim().is_empty() {
        return Err(StoreUrlError::Path);
    }
    let Some((scheme, _)) = text.split_once("://") else {
        return Url::from_file_path(normal(&base.join(text))).map_err(|()| StoreUrlError::Path);
    };
    if !SCHEMES.contains(&scheme) {
        return Err(StoreUrlError::Scheme(scheme.to_owned()));
    }
    Url::parse(text).map_err(StoreUrlError::Form)
}

/// A path without `.` and `..`, without asking the disk: links keep their names.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            Component::ParentDir if normal.has_root() => {}
            other => normal.push(other),
        }
    }
    normal
}

/// The deepest folder that holds both.
pub(super) fn common(a: &Path, b: &Path) -> PathBuf {
    a.components().zip(b.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
}

/// The name of a path below a folder, with `/`.
pub(super) fn below(root: &Path, path: &Path) -> String {
    let rest = path.strip_prefix(root).unwrap_or(path);
    rest.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// A file's path relative to the folder that another one lies in, both with `/` below one root.
pub(super) fn beside(of: &str, file: &str) -> String {
    let (folder, parts): (Vec<_>, Vec<_>) = (of.split('/').collect(), file.split('/').collect());
    let folder = &folder[..folder.len() - 1];
    let shared = folder.iter().zip(&parts).take_while(|(a, b)| a == b).count();
    let up = folder[shared..].iter().map(|_| "..");
    up.chain(parts[shared..].iter().copied()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_relative_to_the_plan_and_a_url_stays() {
        let base = Path::new("/srv/plans");
        let at = |text: &str| store_url(text, base).map(String::from);
        assert_eq!(at("../.coppice/dev/a b").unwrap(), "file:///srv/.coppice/dev/a%20b");
        assert_eq!(at("/data/x").unwrap(), "file:///data/x");
        assert_eq!(at("s3://bucket/x").unwrap(), "s3://bucket/x");
        assert_eq!(at("ftp://x"), Err(StoreUrlError::Scheme("ftp".to_owned())));
        assert_eq!(at(" "), Err(StoreUrlError::Path));
        assert_eq!(normal(Path::new("/a/../../b/./c")), Path::new("/b/c"));
        assert_eq!(normal(Path::new("../a")), Path::new("../a"));
        assert_eq!(beside("plans/kansas.yaml", "rebuild/a/b.sh"), "../rebuild/a/b.sh");
        assert_eq!(beside("plans/kansas.yaml", "plans/jobs/b.sh"), "jobs/b.sh");
        assert_eq!(beside("plan.yaml", "b.sh"), "b.sh");
    }
}
