//! Receipts as files: outside scratch, named by their run, whole or not there.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::access::read_restricted;
use crate::digest::{Digest, canonical_json};
use crate::model::{Code, Failure, RunId};
use crate::receipt::Receipt;

/// What stand-ins begin with.
const HIDDEN: &str = "hidden:";

/// Where the receipt of a run is.
pub(crate) fn receipt_path(state: &Path, run: RunId) -> PathBuf {
    state.join("receipts").join(format!("{run}.json"))
}

/// Where the names that a run hides are, for its owner alone.
pub(crate) fn restricted_path(state: &Path, run: RunId) -> PathBuf {
    state.join("receipts").join(format!("{run}.restricted.jsonl"))
}

/// Reads the stored receipt of a run.
pub(crate) fn stored(state: &Path, run: RunId) -> Result<Option<Receipt>, Failure> {
    let path = receipt_path(state, run);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            let message = format!("failed to read the receipt {}", path.display());
            Failure::permanent(Code::Journal, message).because(&error)
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!("failed to read the receipt {}", path.display());
            Err(Failure::permanent(Code::Journal, message).because(&error))
        }
    }
}

/// Stores a receipt as RFC 8785 JSON. Gives its digest.
pub(crate) fn store(state: &Path, receipt: &Receipt) -> Result<Digest, Failure> {
    let run = receipt.predicate.run_id;
    let json = |error: crate::digest::CanonicalError| {
        Failure::permanent(Code::Internal, "failed to write the receipt").because(&error)
    };
    let bytes = canonical_json(receipt).map_err(json)?;
    write(&receipt_path(state, run), &bytes)?;
    Ok(Digest::blake3(&bytes))
}

/// Gives the receipt of a run that halted a name of its own, because the ledger cites it, and makes
/// room for that of the run's end.
pub(crate) fn set_aside(state: &Path, run: RunId) -> Result<(), Failure> {
    let path = receipt_path(state, run);
    let aside = |number: u32| path.with_extension(format!("halted-{number}.json"));
    let free = (1..u32::MAX).map(aside).find(|aside| !aside.exists());
    let Some(aside) = free else { return Ok(()) };
    std::fs::rename(&path, aside).map_err(|error| {
        let message = format!("failed to put {} aside", path.display());
        Failure::permanent(Code::StepFailed, message).because(&error)
    })
}

/// Puts names back where a document of a run shows hashes, for whoever may read the file that
/// maps them.
pub(crate) fn unhash(mut value: Value, state: &Path, run: RunId) -> Result<Value, Failure> {
    let path = restricted_path(state, run);
    let failed = |error: &(dyn std::error::Error + 'static)| {
        let message = format!("failed to read {}", path.display());
        Failure::permanent(Code::Credentials, message).because(error)
    };
    let names = match read_restricted(&path) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !hides(&value) => {
            return Ok(value);
        }
        Err(error) => return Err(failed(&error)),
    };
    put_back(&mut value, &names);
    Ok(value)
}

fn hides(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(HIDDEN),
        Value::Array(items) => items.iter().any(hides),
        Value::Object(members) => members.values().any(hides),
        _ => false,
    }
}

fn put_back(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => *text = named(text, names),
        Value::Array(items) => items.iter_mut().for_each(|item| put_back(item, names)),
        Value::Object(members) => members.values_mut().for_each(|item| put_back(item, names)),
        _ => {}
    }
}

/// A text with what its hashes stand for; names may hold hashes again.
fn named(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut parts = text.split(HIDDEN);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(part.len());
        let stand_in = format!("{HIDDEN}{}", &part[..end]);
        match names.get(&stand_in) {
            Some(name) if *name != text => whole.push_str(&named(name, names)),
            _ => whole.push_str(&stand_in),
        }
        whole.push_str(&part[end..]);
    }
    whole
}

/// Writes under another name first, synced: what has the name is whole.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let work = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let staging = path.with_extension("json.new");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).open(&staging)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&staging, path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    work().map_err(|error| {
        let code = match error.kind() {
            std::io::ErrorKind::StorageFull => Code::NoSpace,
            _ => Code::StepFailed,
        };
        Failure::permanent(code, format!("failed to write {}", path.display())).because(&error)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hidden_names_come_back_wherever_they_stand() {
        let mut value =
            json!({"a": ["hidden:1", "x"], "b": {"c": "no `hidden:2"}, "d": "hidden:9"});
        assert!(hides(&value) && !hides(&json!(["x", 1])));
        let names =
            [("hidden:1".to_owned(), "one".to_owned()), ("hidden:2".into(), "a hidden:1`".into())];
        put_back(&mut value, &names.into());
        assert_eq!(value, json!({"a": ["one", "x"], "b": {"c": "no `a one`"}, "d": "hidden:9"}));
    }
}
