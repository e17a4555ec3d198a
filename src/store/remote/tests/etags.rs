use super::*;
use crate::store::remote::testing::{Answer, Server, bucket, on};

/// An upload in parts has an `ETag` that is no digest of anything; what a store says has no say in
/// what an object's digest is.
#[tokio::test]
async fn the_etag_of_an_upload_in_parts_is_no_digest() {
    let store = bucket("etag");
    let large = noise(40 << 20);
    assert_eq!(publish(&store, "raw/large", &large).await.unwrap(), Published::Written);
    let pin = store.head("raw/large").await.unwrap().unwrap().pin;
    let etag = pin.etag.clone().unwrap();
    assert!(etag.trim_matches('"').ends_with("-3"), "{etag}: it went up in three parts");
    assert!(content(&store, "raw/large").await.unwrap().unwrap() == large);
    // It tells one state from another, and no more.
    assert!(store.stream("raw/large", Some(&pin)).await.unwrap().is_some());
    publish(&store, "raw/large", &large[1..]).await.unwrap();
    let read = store.stream("raw/large", Some(&pin)).await;
    assert!(matches!(read, Err(StoreError::Changed { .. })));
}

/// A server whose `ETag` is the digest of what should be there, over other bytes.
#[tokio::test]
async fn an_etag_that_looks_like_a_digest_is_not_believed() {
    let wanted = b"what should be there";
    for etag in [
        "\"0e3c7c1d8a1b7d3bd2c8a0a9a5a6f4aa\"".to_owned(),
        format!("\"{}\"", Digest::blake3(wanted).hex()),
    ] {
        let server = Server::start(move |_, _| Answer::object(&etag, b"what really is there"));
        let store = Store::open(&on(&server, &[])).unwrap();
        let (meta, bytes) = store.stream("raw/a", None).await.unwrap().unwrap();
        assert_eq!(meta.size, wanted.len() as u64);
        let folder = tempfile::tempdir().unwrap();
        let target = crate::store::Location::of_path(folder.path()).unwrap();
        let target = Store::open(&target).unwrap();
        let expected = Expected { digest: Digest::blake3(wanted), size: meta.size };
        let done = target.publish("raw/a", bytes, &expected, OnConflict::Keep).await.unwrap();
        let digest = Digest::blake3(b"what really is there");
        assert_eq!(done, Published::Differs { digest, size: meta.size });
    }
}
