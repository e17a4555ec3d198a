//! Receipts as files: outside scratch, named by their run, whole or not there.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::digest::{Digest, canonical_json};
use crate::model::{Code, Failure, RunId};
use crate::receipt::{Receipt, Redactor};

/// Where the receipt of a run is.
pub(crate) fn receipt_path(state: &Path, run: RunId) -> PathBuf {
    state.join("receipts").join(format!("{run}.json"))
}

fn restricted_path(state: &Path, run: RunId) -> PathBuf {
    state.join("receipts").join(format!("{run}.restricted.json"))
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

/// Stores a receipt as RFC 8785 JSON, and beside it, for its owner alone, what it hides. Gives
/// the receipt's digest.
pub(crate) fn store(state: &Path, receipt: &Receipt, hidden: &Redactor) -> Result<Digest, Failure> {
    let run = receipt.predicate.run_id;
    let json = |error: crate::digest::CanonicalError| {
        Failure::permanent(Code::Internal, "failed to write the receipt").because(&error)
    };
    if !hidden.hidden().is_empty() {
        let map = canonical_json(hidden.hidden()).map_err(json)?;
        write(&restricted_path(state, run), &map, 0o600)?;
    }
    let bytes = canonical_json(receipt).map_err(json)?;
    write(&receipt_path(state, run), &bytes, 0o644)?;
    Ok(Digest::blake3(&bytes))
}

/// Puts names back where a receipt shows hashes, for whoever may read the file that maps them.
pub(crate) fn unhash(receipt: &Receipt, state: &Path, run: RunId) -> Result<Value, Failure> {
    let path = restricted_path(state, run);
    let failed = |error: &(dyn std::error::Error + 'static)| {
        let message = format!("failed to read {}", path.display());
        Failure::permanent(Code::Credentials, message).because(error)
    };
    let mut value = serde_json::to_value(receipt).map_err(|e| failed(&e))?;
    let names: BTreeMap<String, String> = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| failed(&e))?,
        // Nothing was hidden.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(value),
        Err(error) => return Err(failed(&error)),
    };
    put_back(&mut value, &names);
    Ok(value)
}

fn put_back(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            if let Some(name) = names.get(text) {
                text.clone_from(name);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| put_back(item, names)),
        Value::Object(members) => members.values_mut().for_each(|item| put_back(item, names)),
        _ => {}
    }
}

/// Writes under another name first, synced: what has the name is whole.
fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let work = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let staging = path.with_extension("json.new");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(mode).open(&staging)?;
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
        let mut value = json!({"a": ["hidden:1", "x"], "b": {"c": "hidden:2"}});
        let names = [("hidden:1".to_owned(), "one".to_owned()), ("hidden:2".into(), "two".into())];
        put_back(&mut value, &names.into());
        assert_eq!(value, json!({"a": ["one", "x"], "b": {"c": "two"}}));
    }
}
