use std::fs;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::append::head;
use super::error::LedgerError;
use super::record::{RECORDS, read_link};
use super::*;
use crate::canonical::fixture::Platform;
use crate::digest::{Digest, canonical_json};
use crate::model::{FindingKind, Severity};
use crate::store::Created;

const CHECKPOINT: &str = "audit/checkpoints/2026/2026-02/audit_checkpoint_2026-02-10";

fn new(minutes: i64) -> NewRecord {
    let start: DateTime<Utc> = "2026-02-11T22:00:00Z".parse().unwrap();
    NewRecord {
        event_type: "rebuild".into(),
        subject: "kfm://environment/dev".into(),
        evidence_refs: vec!["doc://sha256:00".into()],
        actor: json!({"principal": "ada", "role": "operator"}),
        audit_ref: format!("kfm://run/{minutes}"),
        timestamp: start + TimeDelta::minutes(minutes),
        extra: Map::new(),
    }
}

/// A ledger of `count` records, an hour apart, over several days; the keys in chain order.
async fn grown(count: i64) -> (Platform, Vec<String>) {
    let platform = Platform::empty();
    let mut keys = Vec::new();
    for at in 0..count {
        keys.push(append(&platform.store, &new(60 * at)).await.unwrap().key);
    }
    (platform, keys)
}

async fn kinds(platform: &Platform) -> Vec<(FindingKind, Severity)> {
    let report = verify(&platform.store, None, HeadDocument::Expected).await.unwrap();
    report.findings.into_iter().map(|finding| (finding.kind, finding.severity)).collect()
}

fn put(platform: &Platform, mut record: Map<String, Value>) -> (String, Digest) {
    record.remove("event_hash");
    let hash = Digest::sha256(&canonical_json(&record).unwrap());
    record.insert("event_hash".into(), json!(hash));
    let day = record["timestamp"].as_str().unwrap()[..10].to_owned();
    let key = format!("{RECORDS}{}/{}/{day}/forged_{}.json", &day[..4], &day[..7], hash.hex());
    fs::write(platform.path(&key), canonical_json(&record).unwrap()).unwrap();
    (key, hash)
}

fn read(platform: &Platform, key: &str) -> Map<String, Value> {
    serde_json::from_slice(&fs::read(platform.path(key)).unwrap()).unwrap()
}

use FindingKind as K;
use Severity::{Blocks, Warns};

#[tokio::test]
async fn the_fixture_is_whole() {
    let report = verify(&Platform::new().store, None, HeadDocument::Expected).await.unwrap();
    assert_eq!(report.findings, vec![]);
    assert_eq!((report.records, report.checkpoints), (48, 2));
    assert_eq!(report.checkpointed, report.head.map(|head| head.event_hash));
    assert_eq!(report.signature, Signature::NotChecked);
}

#[tokio::test]
async fn nothing_at_all_is_whole() {
    let report = verify(&Platform::empty().store, None, HeadDocument::Expected).await.unwrap();
    assert_eq!((report.records, report.findings), (0, vec![]));
    assert_eq!(report.signature, Signature::Absent);
}

#[tokio::test]
async fn growth_is_no_finding_and_the_snapshots_head_is_found() {
    let platform = Platform::new();
    let before = head(&platform.store).await.unwrap().unwrap();
    for at in [0, 600, 4000] {
        append(&platform.store, &new(at)).await.unwrap();
    }
    let anchor =
        AnchoredHead { event_hash: before.event_hash, records: before.records, as_of: None };
    let report = verify(&platform.store, Some(&anchor), HeadDocument::Expected).await.unwrap();
    assert_eq!((report.findings, report.records), (vec![], 51));
    assert_eq!(report.head.unwrap().records, Some(51));
}

#[tokio::test]
async fn a_changed_record_is_altered_and_nothing_else() {
    let (platform, keys) = grown(6).await;
    platform.edit(&keys[3], |text| text.replace("ada", "bob"));
    assert_eq!(kinds(&platform).await, [(K::LedgerAltered, Blocks)]);
}

#[tokio::test]
async fn a_record_that_is_gone_breaks_the_chain() {
    for at in [1, 2, 4] {
        let (platform, keys) = grown(6).await;
        platform.remove(&keys[at]);
        assert_eq!(kinds(&platform).await, [(K::LedgerBrokenChain, Blocks)], "{at}");
    }
}

#[tokio::test]
async fn a_replaced_record_breaks_the_chain() {
    let (platform, keys) = grown(6).await;
    let mut record = read(&platform, &keys[3]);
    platform.remove(&keys[3]);
    record.insert("subject".into(), json!("another"));
    put(&platform, record);
    assert_eq!(kinds(&platform).await, [(K::LedgerBrokenChain, Blocks)]);
}

#[tokio::test]
async fn a_cut_tail_and_a_cut_beginning_show() {
    let (platform, keys) = grown(6).await;
    platform.remove(&keys[5]);
    platform.remove(&keys[4]);
    assert_eq!(kinds(&platform).await, [(K::LedgerCut, Blocks)]);
    let (platform, keys) = grown(6).await;
    platform.remove(&keys[0]);
    assert_eq!(kinds(&platform).await, [(K::LedgerCut, Blocks)]);
}

#[tokio::test]
async fn a_tail_that_is_cut_with_its_head_shows_against_the_snapshot_and_the_checkpoint() {
    let platform = Platform::new();
    let last = head(&platform.store).await.unwrap().unwrap();
    let record = read(&platform, last.key.as_deref().unwrap());
    platform.remove(last.key.as_deref().unwrap());
    platform.edit(HEAD, |_| {
        json!({"version": 1, "event_hash": record["prev_hash"], "records": 47}).to_string()
    });
    let anchor = AnchoredHead { event_hash: last.event_hash, records: last.records, as_of: None };
    let report = verify(&platform.store, Some(&anchor), HeadDocument::Expected).await.unwrap();
    let kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [K::LedgerCut, K::LedgerCut]);
    assert_eq!(report.checkpoints, 1, "the day before agrees");
    assert_eq!(report.checkpointed, Some(last.event_hash));
}

#[tokio::test]
async fn a_fork_blocks_when_it_was_built_upon_and_warns_when_not() {
    let (platform, keys) = grown(6).await;
    let mut record = read(&platform, &keys[2]);
    record.insert("subject".into(), json!("another"));
    let (_, hash) = put(&platform, record.clone());
    assert_eq!(kinds(&platform).await, [(K::LedgerForked, Warns)]);
    record.insert("prev_hash".into(), json!(hash));
    put(&platform, record);
    assert_eq!(kinds(&platform).await, [(K::LedgerForked, Blocks)]);
}

#[tokio::test]
async fn another_history_than_the_snapshots_is_a_fork() {
    let (platform, _) = grown(6).await;
    let as_of = |text: &str| Some(text.parse().unwrap());
    for (records, as_of, kind) in [
        (Some(4), None, K::LedgerForked),
        (Some(8), None, K::LedgerCut),
        (None, as_of("2026-02-11T23:00:00Z"), K::LedgerForked),
        (None, as_of("2026-03-11T23:00:00Z"), K::LedgerCut),
    ] {
        let anchor = AnchoredHead { event_hash: Digest::sha256(b"another"), records, as_of };
        let report = verify(&platform.store, Some(&anchor), HeadDocument::Expected).await.unwrap();
        let kinds: Vec<_> = report.findings.into_iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [kind]);
    }
}

#[tokio::test]
async fn a_head_that_disagrees_shows() {
    let rewound = |at: usize| async move {
        let (platform, keys) = grown(6).await;
        let hash = read(&platform, &keys[at])["event_hash"].clone();
        platform.edit(HEAD, |_| json!({"event_hash": hash, "records": at + 1}).to_string());
        kinds(&platform).await
    };
    assert_eq!(rewound(2).await, [(K::LedgerHeadMismatch, Blocks)]);
    assert_eq!(rewound(4).await, [(K::LedgerHeadMismatch, Warns)]);
    let (platform, _) = grown(3).await;
    platform.edit(HEAD, |text| text.replace("\"records\": 3", "\"records\": 2"));
    assert_eq!(kinds(&platform).await, [(K::LedgerHeadMismatch, Blocks)]);
    platform.edit(HEAD, |_| "{}".into());
    assert_eq!(kinds(&platform).await, [(K::LedgerHeadMismatch, Blocks)]);
    platform.remove(HEAD);
    assert_eq!(kinds(&platform).await, [(K::LedgerHeadMismatch, Blocks)]);
    assert!(matches!(append(&platform.store, &new(0)).await, Err(LedgerError::HeadMissing)));
}

#[tokio::test]
async fn a_damaged_checkpoint_shows() {
    let platform = Platform::new();
    platform.edit(&format!("{CHECKPOINT}.ndjson"), |text| text.replacen("ingest", "egress", 1));
    assert_eq!(kinds(&platform).await, [(K::LedgerAltered, Blocks)]);
    platform.remove(&format!("{CHECKPOINT}.ndjson"));
    assert_eq!(kinds(&platform).await, [(K::Missing, Blocks)]);
    let platform = Platform::new();
    platform.remove(&format!("{CHECKPOINT}.manifest.json"));
    assert_eq!(kinds(&platform).await, [(K::LedgerAltered, Blocks)]);
}

#[tokio::test]
async fn a_second_try_appends_nothing() {
    let platform = Platform::new();
    let first = append(&platform.store, &new(0)).await.unwrap();
    assert_eq!(append(&platform.store, &new(0)).await.unwrap(), first);
    assert_eq!(verify(&platform.store, None, HeadDocument::Expected).await.unwrap().records, 49);
}

#[tokio::test]
async fn a_writer_that_was_killed_before_the_head_moved_finishes_on_its_second_try() {
    let platform = Platform::new();
    let before = fs::read(platform.path(HEAD)).unwrap();
    let first = append(&platform.store, &new(0)).await.unwrap();
    fs::write(platform.path(HEAD), before).unwrap();
    assert_eq!(kinds(&platform).await, [(K::LedgerHeadMismatch, Warns)]);
    assert_eq!(append(&platform.store, &new(0)).await.unwrap(), first);
    assert_eq!(kinds(&platform).await, []);
}

#[tokio::test]
async fn a_clock_that_runs_behind_does_not_hide_a_record() {
    let (platform, _) = grown(3).await;
    append(&platform.store, &new(-10_000)).await.unwrap();
    assert_eq!(kinds(&platform).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_that_race_all_come_in_and_the_ledger_stays_whole() {
    let platform = Platform::new();
    let writers = (0..6).map(|writer| {
        let store = platform.store.clone();
        tokio::spawn(async move {
            for at in 0..4 {
                append(&store, &new(writer * 10 + at)).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let report = verify(&platform.store, None, HeadDocument::Expected).await.unwrap();
    assert_eq!((report.records, report.findings), (48 + 24, vec![]));
}

#[tokio::test]
async fn a_record_under_anothers_name_is_refused() {
    let platform = Platform::new();
    let before = fs::read(platform.path(HEAD)).unwrap();
    let first = append(&platform.store, &new(0)).await.unwrap();
    fs::write(platform.path(HEAD), before).unwrap();
    platform.remove(&first.key);
    assert_eq!(platform.store.create(&first.key, "{}".into()).await.unwrap(), Created::Written);
    let refused = append(&platform.store, &new(0)).await;
    assert!(matches!(refused, Err(LedgerError::Occupied { .. })), "{refused:?}");
}

proptest! {
    #[test]
    fn a_flipped_bit_anywhere_in_a_record_is_seen(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut record = Map::new();
        record.insert("subject".into(), json!("dcat://ks_counties@2026-02.9af6383b"));
        record.insert("prev_hash".into(), json!(Digest::sha256(b"before")));
        let hash = Digest::sha256(&canonical_json(&record).unwrap());
        record.insert("event_hash".into(), json!(hash));
        let mut bytes = canonical_json(&record).unwrap();
        prop_assert_eq!(read_link("k", &bytes).1, None);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let (_, finding) = read_link("k", &bytes);
        prop_assert_eq!(finding.map(|finding| finding.kind), Some(K::LedgerAltered));
    }
}
