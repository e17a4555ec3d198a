use super::super::append::head;
use super::super::error::LedgerError;
use super::*;
use crate::store::Created;

#[tokio::test]
async fn a_second_try_appends_nothing() {
    let platform = Platform::new();
    let first = append(&platform.store, &new(0)).await.unwrap();
    assert_eq!(append(&platform.store, &new(0)).await.unwrap(), first);
    assert_eq!(verify(&platform.store, None, HeadDocument::Expected).await.unwrap().records, 57);
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
    assert_eq!((report.records, report.findings), (56 + 24, vec![]));
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

/// How many records of the chain say the same as `new`.
fn times(platform: &Platform, new: &NewRecord) -> usize {
    let records = platform.keys(RECORDS).into_iter().map(|key| read(platform, &key));
    records.filter(|record| record["audit_ref"] == json!(new.audit_ref)).count()
}

#[tokio::test]
async fn an_entry_that_others_followed_is_not_appended_again() {
    let (platform, _) = grown(2).await;
    let entry = new(200);
    let first = append(&platform.store, &entry).await.unwrap();
    // Today's and those of later days.
    for at in [210, 220, 4000, 9000] {
        append(&platform.store, &new(at)).await.unwrap();
    }
    assert_eq!(append(&platform.store, &entry).await.unwrap(), first);
    assert_eq!((times(&platform, &entry), kinds(&platform).await), (1, vec![]));
}

#[tokio::test]
async fn a_writer_that_was_killed_and_overtaken_appends_once_and_names_what_it_lost() {
    let (platform, _) = grown(2).await;
    let (entry, before) = (new(200), fs::read(platform.path(HEAD)).unwrap());
    let lost = append(&platform.store, &entry).await.unwrap();
    fs::write(platform.path(HEAD), before).unwrap();
    append(&platform.store, &new(210)).await.unwrap();
    assert_eq!(kinds(&platform).await, [(K::LedgerForked, Warns)]);

    let second = append(&platform.store, &entry).await.unwrap();
    assert_ne!(second.event_hash, lost.event_hash);
    assert_eq!(read(&platform, &second.key)["supersedes"], json!([lost.event_hash]));
    assert_eq!(append(&platform.store, &entry).await.unwrap(), second);
    assert_eq!((times(&platform, &entry), kinds(&platform).await), (2, vec![]));
}

#[tokio::test]
async fn a_writer_that_was_killed_twice_finishes_what_it_wrote_last() {
    let (platform, _) = grown(2).await;
    let entry = new(200);
    let mut heads = Vec::new();
    for other in [210, 220] {
        heads.push(fs::read(platform.path(HEAD)).unwrap());
        append(&platform.store, &entry).await.unwrap();
        fs::write(platform.path(HEAD), heads.last().unwrap()).unwrap();
        if other == 210 {
            append(&platform.store, &new(other)).await.unwrap();
        }
    }
    let third = append(&platform.store, &entry).await.unwrap();
    assert_eq!((third.records, times(&platform, &entry)), (Some(4), 2));
    assert_eq!(kinds(&platform).await, []);
}

#[tokio::test]
async fn the_very_first_entry_is_finished_too() {
    let platform = Platform::empty();
    let first = append(&platform.store, &new(0)).await.unwrap();
    platform.remove(HEAD);
    assert!(matches!(append(&platform.store, &new(1)).await, Err(LedgerError::HeadMissing)));
    assert_eq!(append(&platform.store, &new(0)).await.unwrap(), first);
    assert_eq!(head(&platform.store).await.unwrap().unwrap().records, Some(1));
}

#[tokio::test]
async fn another_receipt_or_another_type_is_another_entry() {
    let (platform, _) = grown(1).await;
    let (mut entry, mut other) = (new(5), new(5));
    entry.extra.insert("receipt_digest".into(), json!(Digest::blake3(b"one")));
    append(&platform.store, &entry).await.unwrap();
    entry.extra.insert("receipt_digest".into(), json!(Digest::blake3(b"two")));
    append(&platform.store, &entry).await.unwrap();
    other.event_type = "rollback".into();
    let last = append(&platform.store, &other).await.unwrap();
    assert_eq!((last.records, kinds(&platform).await), (Some(4), vec![]));
}
