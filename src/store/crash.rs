//! A process that is killed while it publishes leaves nothing half-made to be seen.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::*;
use crate::digest::Digest;

const FOLDER: &str = "COPPICE_TEST_CRASH_FOLDER";
const SIZE: usize = 3 * 1024 * 1024;

fn body(number: u32) -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn store(folder: &Path) -> Store {
    Store::open(&Location::of_path(folder).unwrap()).unwrap()
}

/// The process that gets killed; as a test by itself it has nothing to do.
#[tokio::test]
async fn publishes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = store(Path::new(&folder));
    let first = store.walk("raw").count().await;
    for number in u32::try_from(first).unwrap().. {
        let bytes = body(number);
        let expected = Expected { digest: Digest::blake3(&bytes), size: SIZE as u64 };
        let parts = bytes.chunks(64 * 1024).map(|p| Ok(Bytes::copy_from_slice(p)));
        let parts = stream::iter(parts.collect::<Vec<_>>()).then(|part| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            part
        });
        let key = format!("raw/{number:08}");
        store.publish(&key, parts.boxed(), &expected, OnConflict::Keep).await.unwrap();
    }
}

#[tokio::test]
async fn a_killed_publisher_leaves_only_whole_objects() {
    let folder = tempfile::tempdir().unwrap();
    let mut left = 0;
    for wait in [300, 430, 570] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::crash::publishes_until_it_is_killed"])
            .env(FOLDER, folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Not before it has begun to write.
        let staging = folder.path().join(".coppice/staging");
        while std::fs::read_dir(&staging).map_or(0, Iterator::count) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        left += std::fs::read_dir(&staging).unwrap().count();
        let seen: Vec<Walked> = store(folder.path()).walk("").try_collect().await.unwrap();
        for (number, walked) in (0..).zip(&seen) {
            assert_eq!(walked.name(), format!("raw/{number:08}"));
            let file = std::fs::read(folder.path().join(walked.name())).unwrap();
            assert!(file == body(number), "{number} is whole");
        }
    }
    assert!(left > 0, "it was killed in the middle of something");
    store(folder.path()).create("raw/last", Bytes::new()).await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join(".coppice/staging")).unwrap().count(), 0);
}
