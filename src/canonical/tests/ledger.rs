use serde_json::json;

use super::scene::{Scene, all_keys};
use crate::canonical::*;
use crate::digest::Digest;
use crate::model::FindingKind;

fn hash(of: &str) -> Digest {
    Digest::sha256(of.as_bytes())
}

fn record(scene: &Scene, name: &str, prev: &str) {
    let body = json!({"event_hash": hash(name), "prev_hash": hash(prev)});
    scene.write(&format!("audit/ledger/records/2026/{name}.json"), body.to_string().as_bytes());
}

fn head(scene: &Scene, name: &str) {
    let body = json!({"event_hash": hash(name), "records": 2});
    scene.write("audit/ledger/heads/ledger_head.json", body.to_string().as_bytes());
}

#[tokio::test]
async fn what_lies_beyond_the_head_is_left_out_and_growth_is_no_finding() {
    let scene = Scene { folder: tempfile::tempdir().unwrap(), cancel: Default::default() };
    for (name, prev) in [("a", ""), ("b", "a"), ("stray", "a")] {
        record(&scene, name, prev);
    }
    head(&scene, "b");
    // Written, but the head did not move yet: of the chain that follows, nothing is taken.
    for (name, prev) in [("c", "b"), ("d", "c")] {
        record(&scene, name, prev);
    }
    let sealed = scene.seal().await;
    assert_eq!(sealed.ledger_head, Some(hash("b")));
    assert_eq!(sealed.state, State::Clean);
    head(&scene, "d");
    let verified = scene.verify("canonical", &sealed.snapshot).await;
    assert!(verified.ok, "{:?}", verified.findings);
    scene.restore("target", &sealed.snapshot, Existing::List).await.unwrap();
    let keys = all_keys(scene.stores("target").default_store()).await;
    assert_eq!(
        keys,
        [
            "audit/ledger/heads/ledger_head.json",
            "audit/ledger/records/2026/a.json",
            "audit/ledger/records/2026/b.json",
            "audit/ledger/records/2026/stray.json",
        ]
    );
    let prefixes: Vec<String> =
        scene.manifest(&sealed.snapshot).await.shards.into_iter().map(|s| s.prefix).collect();
    assert_eq!(prefixes, ["audit/ledger/heads/", "audit/"]);

    scene.write("audit/ledger/heads/ledger_head.json", b"{");
    let sealed = scene.seal().await;
    assert_eq!((sealed.state, sealed.ledger_head), (State::Suspect, None));
    assert_eq!(sealed.findings[0].kind, FindingKind::LedgerHeadMismatch);
}
