//! Stores that a command line names: an URL, or a path from here.

use std::collections::BTreeMap;
use std::path::Path;

use crate::canonical::CanonicalStores;
use crate::model::{Code, Failure, Zone};
use crate::store::{Location, Store};

/// Opens one store. Credentials come from the process's environment.
pub(super) fn open(text: &str) -> Result<Store, Failure> {
    let here = std::env::current_dir().map_err(|error| {
        Failure::permanent(Code::Usage, "failed to find the current directory").because(&error)
    })?;
    open_from(text, &here)
}

fn open_from(text: &str, base: &Path) -> Result<Store, Failure> {
    refuse_torn_url(text)?;
    Ok(Store::open(&Location::parse(text, base)?.with_process_env())?)
}

/// An URL that lacks a slash would name a folder here, and be made without a word.
fn refuse_torn_url(text: &str) -> Result<(), Failure> {
    let Some((scheme, rest)) = text.split_once(":/") else { return Ok(()) };
    let is_word = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric());
    if !is_word || rest.starts_with('/') {
        return Ok(());
    }
    // The URL of a folder has an empty host.
    let url =
        if scheme == "file" { format!("file:///{rest}") } else { format!("{scheme}://{rest}") };
    Err(Failure::permanent(Code::Usage, format!("`{text}` is no URL: a slash is missing"))
        .hint(format!("write {url}; if a folder here has that name, ./{text}")))
}

/// Opens canonical stores out of `URL` and `ZONE=URL`.
pub(super) fn canonical(texts: &[String]) -> Result<CanonicalStores, Failure> {
    let mut default = None;
    let mut zones = BTreeMap::new();
    for text in texts {
        let named = text.split_once('=').and_then(|(name, url)| {
            let zone = Zone::ALL.into_iter().find(|zone| zone.name() == name)?;
            Some((zone, url))
        });
        match named {
            Some((zone, url)) => drop(zones.insert(zone, open(url)?)),
            None if default.is_some() => {
                return Err(Failure::permanent(Code::Usage, "two stores are given for all zones")
                    .hint("write ZONE=URL for the store of one zone, such as audit=s3://ledger"));
            }
            None => default = Some(open(text)?),
        }
    }
    let default = default.ok_or_else(|| {
        Failure::permanent(
            Code::Usage,
            "no store is given for the zones that have none of their own",
        )
        .hint("give one --from without a zone")
    })?;
    Ok(CanonicalStores::new(default, zones))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_url_that_lacks_a_slash_names_no_folder() {
        for torn in ["s3:/kfm", "gs:/kfm/backup", "file:/srv/kfm"] {
            let refused = open(torn).unwrap_err();
            assert_eq!(refused.code, Code::Usage, "{torn}");
            assert!(refused.message.contains(torn), "{}", refused.message);
        }
        assert!(canonical(&["origin".to_owned(), "audit=s3:/ledger".to_owned()]).is_err());
        for meant in ["./s3:/kfm", "a/b:/c", "s3://kfm", "file:///srv", "/srv/kfm", "kfm"] {
            assert!(refuse_torn_url(meant).is_ok(), "{meant}");
        }
    }
}
