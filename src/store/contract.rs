//! The suite that every kind of store passes, and what is special to each.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::*;
use crate::digest::Digest;
use crate::model::StoreLimits;

const MIB: usize = 1024 * 1024;

/// Keys of the real world that must survive verbatim.
pub(crate) fn nasty_keys() -> Vec<String> {
    let mut keys: Vec<String> = [
        "raw/a b/with space.txt",
        "raw/per%20cent/%41.txt",
        "raw/plus+plus/a+b.txt",
        "raw/nfc/caf\u{e9}.txt",
        "raw/nfd/cafe\u{301}.txt",
        "raw/question?/star*[x]{y}~.txt",
        "raw/hash/a#1",
        "raw/sort/a/b",
        "raw/sort/a-b",
        "raw/sort/a.b",
        "raw/.hidden/\u{1f33d} corn",
    ]
    .map(str::to_owned)
    .into();
    let segment = "k".repeat(200);
    let mut long = format!("raw/{segment}/{segment}/{segment}/{segment}/{segment}/");
    long.push_str(&"e".repeat(1024 - long.len()));
    keys.push(long);
    keys.sort();
    keys
}

fn whole(bytes: &[u8], part: usize) -> ByteStream {
    let parts: Vec<_> = bytes.chunks(part).map(|p| Ok(Bytes::copy_from_slice(p))).collect();
    stream::iter(parts).boxed()
}

async fn keys_below(store: &Store, prefix: &str) -> Vec<String> {
    store.walk(prefix).map_ok(|w| w.name().to_owned()).try_collect().await.unwrap()
}

async fn content(store: &Store, key: &str) -> Option<Vec<u8>> {
    let (_, parts) = store.stream(key, None).await.unwrap()?;
    let parts: Vec<Bytes> = parts.try_collect().await.unwrap();
    Some(parts.concat())
}

async fn suite(store: &Store) {
    suite_without_races(store).await;
    one_of_many_wins(store).await;
}

/// What holds also where the server knows no conditional writes.
async fn suite_without_races(store: &Store) {
    assert!(keys_below(store, "").await.is_empty());
    names_survive(store).await;
    writes_are_conditional(store).await;
    publication_is_verified(store).await;
    reads_are_pinned(store).await;
    impossible_names_are_refused(store).await;
}

/// The bytes that stand before every key of a store in a bucket.
fn above(store: &Store) -> usize {
    let path = store.url().strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    path.map_or(0, |(_, prefix)| prefix.len() + 1)
}

async fn names_survive(store: &Store) {
    let mut keys = nasty_keys();
    for key in &mut keys {
        // The bucket's own prefix counts too.
        let over = (key.len() + above(store)).saturating_sub(1024);
        key.truncate(key.len() - over);
        store.can_hold(key).unwrap();
        let body = Bytes::from(key.clone());
        assert_eq!(store.create(key, body).await.unwrap(), Created::Written);
    }
    let listed = keys_below(store, "").await;
    assert_eq!(listed, keys);
    assert_eq!(
        keys_below(store, "raw/sort/").await,
        ["raw/sort/a-b", "raw/sort/a.b", "raw/sort/a/b"]
    );
    assert_eq!(keys_below(store, "raw/sort/a").await, ["raw/sort/a/b"], "whole segments");
    for key in &keys {
        assert_eq!(content(store, key).await.unwrap(), key.as_bytes());
        let meta = store.head(key).await.unwrap().unwrap();
        assert_eq!((&meta.key, meta.size), (key, key.len() as u64));
        assert!(store.delete(key).await.unwrap());
        assert!(!store.delete(key).await.unwrap());
        assert_eq!(store.head(key).await.unwrap(), None);
    }
    store.create("raw/empty", Bytes::new()).await.unwrap();
    assert_eq!(content(store, "raw/empty").await.unwrap(), b"");
    assert_eq!(store.read("raw/empty", 0).await.unwrap().unwrap().0, "");
    assert_eq!(content(store, "raw/absent").await, None);
    store.delete("raw/empty").await.unwrap();
}

async fn writes_are_conditional(store: &Store) {
    let key = "work/doc.json";
    assert!(store.compare_and_swap(key, "1".into(), None).await.unwrap());
    assert!(!store.compare_and_swap(key, "x".into(), None).await.unwrap());
    assert_eq!(store.create(key, "x".into()).await.unwrap(), Created::Exists);
    let first = store.head(key).await.unwrap().unwrap().pin;
    assert!(store.compare_and_swap(key, "2".into(), Some(&first)).await.unwrap());
    assert!(!store.compare_and_swap(key, "x".into(), Some(&first)).await.unwrap());
    assert_eq!(content(store, key).await.unwrap(), b"2");
    assert!(!store.compare_and_swap("work/none", "x".into(), Some(&first)).await.unwrap());
    assert!(store.read(key, 0).await.is_err(), "larger than the limit");
}

/// Of many that create or swap at once, exactly one wins.
async fn one_of_many_wins(store: &Store) {
    let key = "work/doc.json";
    let now = store.head(key).await.unwrap().unwrap().pin;
    let swap = |i: u32| store.compare_and_swap(key, i.to_string().into(), Some(&now));
    let won: Vec<bool> = futures::future::try_join_all((0..16).map(swap)).await.unwrap();
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let create = |i: u32| store.create("work/new.json", i.to_string().into());
    let made: Vec<Created> = futures::future::try_join_all((0..16).map(create)).await.unwrap();
    assert_eq!(made.iter().filter(|made| **made == Created::Written).count(), 1);
}

async fn publication_is_verified(store: &Store) {
    // More than two parts of a multipart upload.
    let mut bytes = vec![0; 40 * MIB];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    for (key, bytes) in [("raw/large", &bytes[..]), ("raw/small", &bytes[..100]), ("raw/none", b"")]
    {
        let expected = Expected { digest: Digest::blake3(bytes), size: bytes.len() as u64 };
        let mut wrong = bytes.to_vec();
        wrong.push(0);
        for bad in [&wrong[..], &wrong[1..], &bytes[..bytes.len() / 2]] {
            if bad == bytes {
                continue;
            }
            let done = store.publish(key, whole(bad, MIB), &expected, OnConflict::Replace).await;
            let (digest, size) = (Digest::blake3(bad), bad.len() as u64);
            assert_eq!(done.unwrap(), Published::Differs { digest, size });
            assert!(store.head(key).await.unwrap().is_none());
        }
        let broken = whole(bytes, MIB)
            .chain(stream::once(async { Err(StoreError::Changed { what: "the source".into() }) }));
        assert!(store.publish(key, broken.boxed(), &expected, OnConflict::Keep).await.is_err());
        assert!(store.head(key).await.unwrap().is_none());
        for (conflict, outcome) in [
            (OnConflict::Keep, Published::Written),
            (OnConflict::Keep, Published::Exists),
            (OnConflict::Replace, Published::Written),
        ] {
            let done = store.publish(key, whole(bytes, MIB), &expected, conflict).await;
            assert_eq!(done.unwrap(), outcome);
        }
        assert_eq!(content(store, key).await.unwrap(), bytes);
    }
    assert_eq!(keys_below(store, "raw").await, ["raw/large", "raw/none", "raw/small"]);

    // One that somebody else has changed meanwhile is not replaced.
    let expected = Expected { digest: Digest::blake3(b"x"), size: 1 };
    let pin = store.head("raw/small").await.unwrap().unwrap().pin;
    let replace = |pin: &Pin| {
        let conflict = OnConflict::ReplaceIf(pin.clone());
        store.publish("raw/small", whole(b"x", 1), &expected, conflict)
    };
    assert_eq!(replace(&pin).await.unwrap(), Published::Written);
    assert_eq!(replace(&pin).await.unwrap(), Published::Exists);
}

/// What a store keeps beside the bytes of small and large objects alike.
async fn attributes_are_kept(store: &Store) {
    let attributes = Attributes {
        content_type: Some("text/csv".to_owned()),
        content_encoding: Some("gzip".to_owned()),
        metadata: [("origin".to_owned(), "census".to_owned())].into(),
        ..Attributes::default()
    };
    for bytes in [vec![1; 10], vec![2; 40 * MIB]] {
        let expected = Expected { digest: Digest::blake3(&bytes), size: bytes.len() as u64 };
        let bytes = whole(&bytes, MIB);
        let done =
            store.publish_as("raw/dressed", bytes, &expected, &attributes, OnConflict::Replace);
        assert_eq!(done.await.unwrap(), Published::Written);
        let (meta, _) = store.stream("raw/dressed", None).await.unwrap().unwrap();
        assert_eq!(meta.attributes, attributes);
    }
}

async fn reads_are_pinned(store: &Store) {
    store.create("raw/pinned", "one".into()).await.unwrap();
    let pin = store.head("raw/pinned").await.unwrap().unwrap().pin;
    assert!(store.stream("raw/pinned", Some(&pin)).await.unwrap().is_some());
    assert!(store.compare_and_swap("raw/pinned", "two".into(), Some(&pin)).await.unwrap());
    let read = store.stream("raw/pinned", Some(&pin)).await;
    assert!(matches!(read, Err(StoreError::Changed { .. })));
    let path = object_store::path::Path::parse("raw/pinned").unwrap();
    let seen = object_store::ObjectStoreExt::head(&store.objects(), &path).await.unwrap();
    assert_eq!(seen.e_tag, store.head("raw/pinned").await.unwrap().unwrap().pin.etag);
}

async fn impossible_names_are_refused(store: &Store) {
    for key in ["", "/a", "a/", "a//b", "a/../b", "./a", "..", "a\0b"] {
        assert!(matches!(store.can_hold(key), Err(StoreError::CannotHold { .. })), "{key:?}");
        assert!(store.create(key, "x".into()).await.is_err(), "{key:?}");
    }
}

#[tokio::test]
async fn a_store_in_memory_keeps_the_contract() {
    let store = Store::open(&Location::new("memory://contract")).unwrap();
    suite(&store).await;
    attributes_are_kept(&store).await;
    let again = Store::open(&Location::new("memory://contract")).unwrap();
    assert!(again.head("raw/small").await.unwrap().is_some(), "the same URL is the same store");
    assert!(store.can_hold("a\nb").is_err());
}

/// Below a prefix of a bucket, which no key of ours may show.
#[tokio::test]
async fn a_bucket_keeps_the_contract() {
    let store = super::remote::testing::bucket("contract");
    suite(&store).await;
    attributes_are_kept(&store).await;
    assert!(store.can_hold(&"k".repeat(1025 - above(&store))).is_err());
}

/// As little as can be said of each limit: whatever waits for it comes to its turn.
#[tokio::test]
async fn stores_with_narrow_limits_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let limits = StoreLimits {
        bytes_in_flight_mib: 1,
        requests_at_once: 1,
        requests_per_second: Some(100_000),
        bandwidth_mib_per_second: Some(100_000),
    };
    for location in [
        Location::of_path(folder.path()).unwrap(),
        Location::new("memory://narrow"),
        super::remote::testing::location("narrow"),
    ] {
        let gate = Gate::shared(&location.url, &limits);
        let store = Store::open(&Location { gate, ..location }).unwrap();
        suite(&store).await;
    }
}

/// A server that knows no conditional writes, as far as one writer goes.
#[tokio::test]
async fn a_bucket_without_conditions_keeps_the_contract_of_one_writer() {
    let mut location = super::remote::testing::location("unconditional");
    location.options.insert("aws_conditional_put".to_owned(), "disabled".to_owned());
    let store = Store::open(&location).unwrap();
    suite_without_races(&store).await;
    attributes_are_kept(&store).await;
}

#[tokio::test]
async fn a_directory_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("not there yet");
    let store = Store::open(&Location::of_path(&root).unwrap()).unwrap();
    assert!(keys_below(&store, "").await.is_empty());
    assert!(!root.exists(), "made at the first write only");
    suite(&store).await;
    assert_eq!(std::fs::read_dir(root.join(".coppice/staging")).unwrap().count(), 0);
    assert!(store.can_hold(&format!("a/{}", "x".repeat(256))).is_err());
    assert!(store.can_hold(&"x/".repeat(2100)).is_err());
    let error = store.create("raw/small/below", "x".into()).await.unwrap_err();
    assert!(matches!(error, StoreError::CannotHold { .. }), "{error}");
    let expected = Expected { digest: Digest::blake3(b"x"), size: 1 };
    let error = store.publish("raw", whole(b"x", 1), &expected, OnConflict::Replace).await;
    assert!(matches!(error, Err(StoreError::CannotHold { .. })));
}

#[tokio::test]
async fn a_directory_names_what_it_cannot_give() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let make = |name: &str| {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    };
    for name in ["raw/good", "raw/a#1", "raw/new\nline", ".coppice/staging/left", ".coppice/x"] {
        make(name);
    }
    std::fs::write(folder.path().join("outside"), "secret").unwrap();
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, root.join(name)).unwrap();
    link("../../outside", "raw/leaves");
    link("good", "raw/stays");
    link("nowhere", "raw/broken");
    link("../..", "raw/folder");
    let odd = Path::new(std::ffi::OsStr::from_bytes(b"raw/\xff\xfe"));
    std::fs::write(root.join(odd), "x").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("raw/socket")).unwrap();

    let store = Store::open(&Location::of_path(&root).unwrap()).unwrap();
    let walked: Vec<Walked> = store.walk("").try_collect().await.unwrap();
    let (objects, unreadable): (Vec<_>, Vec<_>) =
        walked.iter().partition(|w| matches!(w, Walked::Object(_)));
    let names = |walked: &[&Walked]| walked.iter().map(|w| w.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&objects), ["raw/a#1", "raw/good", "raw/new\nline", "raw/stays"]);
    let expected = ["raw/broken", "raw/folder", "raw/leaves", "raw/socket", "raw/\\xff\\xfe"];
    assert_eq!(names(&unreadable), expected);
    assert_eq!(keys_below(&store, ".coppice").await, [".coppice/x"]);
    assert!(store.stream("raw/leaves", None).await.is_err());
    assert!(store.head("raw/folder/outside").await.is_err());
    assert!(store.create("raw/folder/new", "x".into()).await.is_err());
    assert!(!folder.path().join("new").exists());
    assert_eq!(content(&store, "raw/a#1").await.unwrap(), b"raw/a#1");

    // The first write cleared what a killed writer left.
    assert!(!root.join(".coppice/staging/left").exists());
}

#[tokio::test]
async fn a_file_that_changes_under_its_reader_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&Location::of_path(folder.path()).unwrap()).unwrap();
    std::fs::write(folder.path().join("grows"), vec![7; 6 * MIB]).unwrap();
    let (_, mut parts) = store.stream("grows", None).await.unwrap().unwrap();
    parts.next().await.unwrap().unwrap();
    std::fs::write(folder.path().join("grows"), vec![8; 6 * MIB + 1]).unwrap();
    let rest: Result<Vec<Bytes>, StoreError> = parts.try_collect().await;
    assert!(matches!(rest, Err(StoreError::Changed { .. })));
}
