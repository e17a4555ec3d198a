//! A ledger that is written to while it is verified.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Appends records that are hours apart, so that folders before and after the walk's place grow.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn records_that_come_while_it_is_verified_are_no_findings() {
    let (platform, _) = grown(200).await;
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let (store, done) = (platform.store.clone(), done.clone());
            tokio::spawn(async move {
                let mut at = 0;
                while !done.load(Ordering::Relaxed) {
                    let mut record = new(200 * 60 + 601 * at);
                    record.audit_ref = format!("kfm://run/{writer}/{at}");
                    append(&store, &record).await.unwrap();
                    at += 1;
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
                at
            })
        })
        .collect();
    for _ in 0..12 {
        let report = verify(&platform.store, None, HeadDocument::Expected).await.unwrap();
        assert_eq!(report.findings, vec![]);
    }
    done.store(true, Ordering::Relaxed);
    let mut appended = 0;
    for writer in writers {
        appended += writer.await.unwrap();
    }
    let report = verify(&platform.store, None, HeadDocument::Expected).await.unwrap();
    assert_eq!((report.findings, report.records), (vec![], 200 + appended.unsigned_abs()));
    assert!(appended > 0);
}
