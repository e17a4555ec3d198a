use super::super::append::head;
use super::super::error::LedgerError;
use super::*;

#[tokio::test]
async fn the_fixture_is_whole() {
    let report = verify(&Platform::new().store, None, HeadDocument::Expected).await.unwrap();
    assert_eq!(report.findings, vec![]);
    assert_eq!((report.records, report.checkpoints), (56, 2));
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
    assert_eq!((report.findings, report.records), (vec![], 59));
    assert_eq!(report.head.unwrap().records, Some(59));
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
        json!({"version": 1, "event_hash": record["prev_hash"], "records": 55}).to_string()
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
    assert_eq!(kinds(&platform).await, [(K::LedgerCheckpointMismatch, Blocks)]);
    platform.remove(&format!("{CHECKPOINT}.ndjson"));
    assert_eq!(kinds(&platform).await, [(K::Missing, Blocks)]);
    let platform = Platform::new();
    platform.remove(&format!("{CHECKPOINT}.manifest.json"));
    assert_eq!(kinds(&platform).await, [(K::LedgerCheckpointMismatch, Blocks)]);
}

#[tokio::test]
async fn a_ledger_with_checkpoints_is_whole() {
    let closed = Closed::new(3, 4).await;
    let report = closed.report().await;
    assert_eq!((report.findings, report.records, report.checkpoints), (vec![], 12, 3));
    assert_eq!((report.checkpointed, report.lost_head), (Some(closed.name(11)), None));
}

#[tokio::test]
async fn a_tail_that_is_cut_with_its_head_shows_against_the_checkpoint() {
    for (cut, kind) in [(8, K::LedgerDayMissing), (9, K::LedgerCut), (11, K::LedgerCut)] {
        let closed = Closed::new(3, 4).await;
        let lost = closed.name(11);
        closed.rewind(cut - 1);
        closed.remove(&closed.keys[cut..]);
        let report = closed.report().await;
        assert_eq!(report.lost_head, Some(lost));
        let found = closed.found().await;
        assert_eq!(found, [(kind, Blocks, closed.checkpoints[2].clone())], "{cut}");
    }
}

#[tokio::test]
async fn a_day_that_is_gone_tears_the_chain_and_its_checkpoint_tells_which() {
    let closed = Closed::new(3, 4).await;
    closed.remove(&closed.keys[4..8]);
    let found = closed.found().await;
    assert_eq!(
        found,
        [
            (K::LedgerBrokenChain, Blocks, closed.keys[8].clone()),
            (K::LedgerDayMissing, Blocks, closed.checkpoints[1].clone()),
        ]
    );
}

#[tokio::test]
async fn a_torn_line_a_double_line_and_another_order_show() {
    let torn = |text: String| text[..text.len() - 20].to_owned();
    let double = |text: String| format!("{text}{}\n", text.lines().next().unwrap());
    let odd = |text: String| text.replacen('{', "{\"event_hash\":\"sha256:00\",", 1);
    let turned = |text: String| {
        let mut lines: Vec<&str> = text.lines().collect();
        lines.swap(1, 2);
        format!("{}\n", lines.join("\n"))
    };
    let edits: [(&str, &dyn Fn(String) -> String); 4] = [
        ("line 4 of", &torn),
        ("line 5 of", &double),
        ("line 1 of", &odd),
        ("in another order", &turned),
    ];
    for (words, edit) in edits {
        let closed = Closed::new(3, 4).await;
        let key = &closed.checkpoints[1];
        closed.platform.edit(key, edit);
        if words.contains("order") {
            // The manifest was written anew with it.
            let lines = fs::read(closed.platform.path(key)).unwrap();
            let manifest = key.replace(".ndjson", ".manifest.json");
            closed.platform.edit(&manifest, |text| {
                let mut manifest: Value = serde_json::from_str(&text).unwrap();
                manifest["digest"] = json!(Digest::sha256(&lines));
                manifest.to_string()
            });
        }
        let findings = closed.report().await.findings;
        let mismatch = findings.iter().find(|f| f.hint.contains(words));
        let mismatch = mismatch.unwrap_or_else(|| panic!("{words}: {findings:?}"));
        assert_eq!(
            (mismatch.kind, &mismatch.key),
            (K::LedgerCheckpointMismatch, &Some(key.clone()))
        );
        assert!(mismatch.blocks() && mismatch.expected.is_some() && mismatch.actual.is_some());
    }
}

#[tokio::test]
async fn a_manifest_that_says_another_thing_shows() {
    for (member, value) in [
        ("date", json!("2026-02-12")),
        ("records", json!(5)),
        ("digest", json!(Digest::blake3(b"another"))),
        ("first_event_hash", json!(Digest::sha256(b"another"))),
        ("last_event_hash", json!(Digest::sha256(b"another"))),
        ("prev_hash", json!(Digest::sha256(b"another"))),
    ] {
        let closed = Closed::new(2, 4).await;
        let manifest = closed.checkpoints[1].replace(".ndjson", ".manifest.json");
        closed.platform.edit(&manifest, |text| {
            let mut manifest: Value = serde_json::from_str(&text).unwrap();
            manifest[member] = value;
            manifest.to_string()
        });
        let found = closed.found().await;
        let expected = (K::LedgerCheckpointMismatch, Blocks, closed.checkpoints[1].clone());
        assert_eq!(found, [expected], "{member}");
    }
}

#[tokio::test]
async fn two_records_that_changed_their_names_are_misnamed() {
    let closed = Closed::new(2, 4).await;
    let paths = [closed.platform.path(&closed.keys[1]), closed.platform.path(&closed.keys[2])];
    let bytes = paths.clone().map(|path| fs::read(path).unwrap());
    fs::write(&paths[0], &bytes[1]).unwrap();
    fs::write(&paths[1], &bytes[0]).unwrap();
    let mut keys = [closed.keys[1].clone(), closed.keys[2].clone()];
    keys.sort();
    let found = closed.found().await;
    assert_eq!(found, keys.map(|key| (K::LedgerMisnamed, Blocks, key)));
}

#[tokio::test]
async fn a_record_in_the_folder_of_another_day_is_misplaced() {
    let closed = Closed::new(4, 3).await;
    for (at, day) in [(4, 9), (4, 1), (3, 0), (1, 4)] {
        let (from, to) = (&closed.keys[at], &closed.keys[day]);
        let moved =
            format!("{}/{}", to.rsplit_once('/').unwrap().0, from.rsplit_once('/').unwrap().1);
        fs::rename(closed.platform.path(from), closed.platform.path(&moved)).unwrap();
        let found = closed.found().await;
        assert!(
            found.contains(&(K::LedgerMisplaced, Warns, moved.clone())),
            "{at} {day}: {found:?}"
        );
        fs::rename(closed.platform.path(&moved), closed.platform.path(from)).unwrap();
    }
    assert_eq!(closed.found().await, []);
}

#[tokio::test]
async fn a_record_that_stands_twice_is_a_duplicate() {
    let closed = Closed::new(2, 4).await;
    let from = &closed.keys[1];
    let copy = from.replace("rebuild_", "again_");
    fs::copy(closed.platform.path(from), closed.platform.path(&copy)).unwrap();
    let found = closed.found().await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, found[0].1), (K::LedgerDuplicate, Warns));
    assert!(found[0].2 == *from || found[0].2 == copy);
}

#[tokio::test]
async fn a_record_that_others_would_read_in_two_ways_is_altered() {
    let (platform, keys) = grown(4).await;
    platform.edit(&keys[3], |text| text.replacen('{', "{\"subject\":\"another\",", 1));
    let report = verify(&platform.store, None, HeadDocument::Expected).await.unwrap();
    let altered = &report.findings[0];
    assert_eq!((altered.kind, altered.key.as_ref()), (K::LedgerAltered, Some(&keys[3])));
    assert!(altered.actual.as_ref().unwrap().contains("subject"), "{altered:?}");

    let (platform, keys) = grown(4).await;
    platform.edit(&keys[3], |text| text.replacen('{', "{\"rows\":9007199254740993,", 1));
    let report = verify(&platform.store, None, HeadDocument::Expected).await.unwrap();
    let altered = &report.findings[0];
    assert_eq!((altered.kind, altered.key.as_ref()), (K::LedgerAltered, Some(&keys[3])));
    assert!(altered.actual.as_ref().unwrap().contains("2^53"), "{altered:?}");
}

#[tokio::test]
async fn a_fork_from_long_ago_is_told_from_a_tear() {
    let mut closed = Closed::new(9, 3).await;
    let mut record = read(&closed.platform, &closed.keys[4]);
    record.insert("timestamp".into(), json!(new(120 + 1440 * 7).timestamp));
    let (_, hash) = put(&closed.platform, record.clone());
    assert_eq!(kinds(&closed.platform).await, [(K::LedgerForked, Warns)]);
    record.insert("prev_hash".into(), json!(hash));
    put(&closed.platform, record.clone());
    assert_eq!(kinds(&closed.platform).await, [(K::LedgerForked, Blocks)]);

    // Another beginning.
    closed = Closed::new(9, 3).await;
    record.remove("prev_hash");
    let (_, hash) = put(&closed.platform, record.clone());
    record.insert("prev_hash".into(), json!(hash));
    put(&closed.platform, record);
    assert_eq!(kinds(&closed.platform).await, [(K::LedgerForked, Blocks)]);
}
