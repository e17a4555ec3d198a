use std::path::Path;

use super::*;
use crate::digest::Digest;
use crate::model::{CommandSink, Failure, MadeFile, Sink};
use crate::projection::testing::{build, generation, house, put_live};
use crate::projection::{Generation, Held, Projection as _};

fn sink(outputs: &[&str]) -> Sink {
    Sink::Command(CommandSink {
        command_profile_version: 1,
        program: "./x.sh".to_owned(),
        args: Vec::new(),
        env: [].into(),
        files: Vec::new(),
        outputs: outputs.iter().map(|name| (*name).to_owned()).collect(),
        timeout: None,
        check: None,
        rehearsable: false,
    })
}

fn made(folder: &Path, name: &str, bytes: &[u8]) -> MadeFile {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    let (name, digest) = (name.to_owned(), Digest::blake3(bytes));
    MadeFile { name, size: bytes.len() as u64, digest, path }
}

fn one() -> Generation {
    generation("command/report", "1", &sink(&["a.csv", "b.bin"]))
}

#[tokio::test]
async fn files_are_published_proven_and_read_back() {
    let (house, folder) = (house(), tempfile::tempdir().unwrap());
    let target = CommandProjection::new(house.files.clone());
    let large: Vec<u8> = (0..3_000_000u32).map(|i| (i >> 5).to_le_bytes()[0]).collect();
    let files = [made(folder.path(), "a.csv", b"id\n1\n"), made(folder.path(), "b.bin", &large)];
    let proof = build(&target, &one(), source(&files).unwrap()).await.unwrap();
    assert!(proof.proven && proof.rows == 2, "{proof:?}");
    put_live(&target, &one()).await;
    assert!(matches!(target.holds(&one()).await.unwrap(), Held::Live(_)));
    // The same files somewhere else are the same rows; one more byte is another content.
    let other = tempfile::tempdir().unwrap();
    let again = [made(other.path(), "b.bin", &large), made(other.path(), "a.csv", b"id\n1\n")];
    let two = generation("command/report", "2", &sink(&["a.csv", "b.bin"]));
    let same = build(&target, &two, source(&again).unwrap()).await.unwrap();
    assert_eq!(same.canonical_digest, proof.canonical_digest);
    let changed = [made(other.path(), "a.csv", b"id\n1\n\n"), again[0].clone()];
    let three = generation("command/report", "3", &sink(&["a.csv", "b.bin"]));
    let changed = build(&target, &three, source(&changed).unwrap()).await.unwrap();
    assert_ne!(changed.canonical_digest, proof.canonical_digest);
}

#[tokio::test]
async fn what_changes_on_its_way_is_not_published() {
    let (house, folder) = (house(), tempfile::tempdir().unwrap());
    let target = CommandProjection::new(house.files.clone());
    let files = [made(folder.path(), "a.csv", b"id\n1\n")];
    std::fs::write(&files[0].path, "id\n2\n").unwrap();
    let failure: Failure = build(&target, &one(), source(&files).unwrap()).await.unwrap_err();
    assert!(failure.message.contains("`a.csv` changed"), "{failure:?}");
    assert_eq!(target.holds(&one()).await.unwrap(), Held::Absent);
}
