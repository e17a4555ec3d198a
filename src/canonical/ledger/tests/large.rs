//! A ledger of many days, and how much memory it takes.

use std::time::Instant;

use super::*;

/// The most memory that the process had, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn write(platform: &Platform, records: i64, days: i64) {
    let each = records / days;
    let mut prev = json!(null);
    let mut last = json!(null);
    for day in 0..days {
        let mut keys = Vec::new();
        for at in 0..each {
            let time = new(120 + 1440 * day).timestamp + TimeDelta::milliseconds(at);
            let record = json!({
                "audit_ref": format!("kfm://run/{day}/{at}"),
                "timestamp": time.to_rfc3339(),
                "actor": {"principal": "ada", "role": "operator"},
                "event_type": "rebuild",
                "subject": "kfm://environment/dev",
                "evidence_refs": [],
                "prev_hash": prev,
            });
            let folder = super::super::link::folder_of(time.date_naive());
            if at == 0 {
                fs::create_dir_all(platform.path(&folder)).unwrap();
            }
            let (key, hash) = put(platform, record.as_object().unwrap().clone());
            prev = json!(hash);
            last = json!({"event_hash": hash, "key": key, "records": day * each + at + 1});
            keys.push(key);
        }
        close(platform, new(120 + 1440 * day).timestamp.date_naive(), &keys);
    }
    fs::create_dir_all(platform.path(HEAD).parent().unwrap()).unwrap();
    fs::write(platform.path(HEAD), last.to_string()).unwrap();
}

fn asked(name: &str, otherwise: i64) -> i64 {
    std::env::var(name).map_or(otherwise, |number| number.parse().unwrap())
}

/// Few by default; `COPPICE_TEST_RECORDS` and `COPPICE_TEST_DAYS` make it a measurement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_of_many_days_is_followed_to_its_head() {
    let days = asked("COPPICE_TEST_DAYS", 20);
    let records = asked("COPPICE_TEST_RECORDS", 2_000) / days * days;
    let platform = Platform::empty();
    write(&platform, records, days);
    let (before, start) = (peak(), Instant::now());
    let report = verify(&platform.store, None, HeadDocument::Expected).await.unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!((report.findings, report.records), (vec![], records.unsigned_abs()));
    assert_eq!(report.checkpoints, days.unsigned_abs());
    println!("{records} records: {seconds:.1} s, peak {} MiB, {before} MiB before", peak());
}
