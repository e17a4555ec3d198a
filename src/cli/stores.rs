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
    Ok(Store::open(&Location::parse(text, base)?.with_process_env())?)
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
