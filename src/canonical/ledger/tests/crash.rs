//! A process that is killed while it appends leaves nothing that its next try does not mend.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;
use crate::store::{Location, Store};

const FOLDER: &str = "COPPICE_TEST_APPEND_FOLDER";
const LINES: &str = "acknowledged";

fn store(folder: &Path) -> Store {
    Store::open(&Location::of_path(folder).unwrap()).unwrap()
}

/// The process that gets killed; as a test by itself it has nothing to do. It tries the entry again
/// that it has not seen acknowledged, as a resumed run does.
#[tokio::test]
async fn appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let (store, done) = (store(&folder.join("ledger")), folder.join(LINES));
    let first: i64 = fs::read_to_string(&done).map_or(0, |text| text.trim().parse().unwrap());
    for at in first.. {
        append(&store, &new(at)).await.unwrap();
        fs::write(folder.join("next"), (at + 1).to_string()).unwrap();
        fs::rename(folder.join("next"), &done).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_writer_appends_every_entry_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let mut others = 0;
    for wait in [37, 61, 83, 29, 53] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "canonical::ledger::tests::crash::appends_until_it_is_killed"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let count = || fs::read_to_string(folder.path().join(LINES)).unwrap_or_default();
        let before = count();
        while count() == before {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        // Others go on, so that a record whose head was not moved is overtaken.
        let mut other = new(1_000_000 + others);
        other.timestamp = new(0).timestamp;
        append(&store(&ledger), &other).await.unwrap();
        others += 1;
    }
    let store = store(&ledger);
    let acknowledged: i64 =
        fs::read_to_string(folder.path().join(LINES)).unwrap().trim().parse().unwrap();
    // The entry in flight at the last kill.
    append(&store, &new(acknowledged)).await.unwrap();
    let report = verify(&store, None, HeadDocument::Expected).await.unwrap();
    assert_eq!(report.findings, vec![]);
    assert_eq!(report.records, (acknowledged + 1 + others).unsigned_abs());
}
