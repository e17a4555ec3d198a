//! Time is given, never measured.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, poll};
use object_store::path::Path;
use object_store::{GetOptions, GetResultPayload, ObjectStore};
use tokio::time::Instant;

use super::pace::Pace;
use super::*;
use crate::model::StoreLimits;
use crate::store::backend::{Commit, Condition};
use crate::store::{Attributes, Location, Store};

const MIB: u64 = 1 << 20;

fn narrow() -> StoreLimits {
    StoreLimits { bytes_in_flight_mib: 1, requests_at_once: 1, ..StoreLimits::default() }
}

/// One request a second, and ten minutes of them asked for already.
async fn owing_requests() -> Arc<Gate> {
    let limits = StoreLimits { requests_per_second: Some(1), ..StoreLimits::default() };
    let gate = Arc::new(Gate::new(&limits));
    for _ in 0..600 {
        drop(gate.ask(Lane::Own).await);
    }
    gate
}

fn slow() -> Arc<Gate> {
    let limits = StoreLimits { bandwidth_mib_per_second: Some(1), ..StoreLimits::default() };
    Arc::new(Gate::new(&limits))
}

/// One MiB a second, and ten minutes' worth gone through already.
fn owing_bytes() -> Arc<Gate> {
    let gate = slow();
    assert_eq!(gate.due(600 * MIB, Lane::Data), None);
    gate
}

/// A store in memory behind a gate, with an object that came there by another way.
async fn behind(gate: &Arc<Gate>) -> Store {
    let location = Location::new(format!("memory://limits-{}", uuid::Uuid::now_v7()));
    let open = Store::open(&location).unwrap();
    open.create("raw/a", Bytes::from_static(b"0123456789")).await.unwrap();
    Store::open(&Location { gate: gate.clone(), ..location }).unwrap()
}

#[test]
fn a_rate_holds_over_time_and_any_amount_passes() {
    let (pace, start) = (Pace::new(10.0), Instant::now());
    let after = |amount| pace.charge(start, amount) - start;
    assert_eq!(after(30), Duration::ZERO, "nobody is charged before it passes");
    assert_eq!(after(10), Duration::from_secs(3), "who comes next pays for it");
    assert_eq!(after(1), Duration::from_secs(4));
    let later = start + Duration::from_mins(1);
    assert_eq!(pace.charge(later, 5), later, "what was not used is not saved up");
    assert_eq!(pace.charge(later, 5), later + Duration::from_millis(500));
}

#[tokio::test]
async fn bytes_in_flight_are_bounded_and_one_that_is_larger_goes_alone() {
    let gate = Gate::new(&narrow());
    let first = gate.carry(700 * 1024, Lane::Data).await;
    let mut second = Box::pin(gate.carry(700 * 1024, Lane::Data));
    assert!(poll!(&mut second).is_pending());
    // A lease is never behind data.
    gate.carry(700 * 1024, Lane::Own).await;
    drop(first);
    let second = second.await;
    let mut large = Box::pin(gate.carry(900 * MIB, Lane::Data));
    assert!(poll!(&mut large).is_pending());
    drop(second);
    let large = large.await;
    let mut small = Box::pin(gate.carry(1, Lane::Data));
    assert!(poll!(&mut small).is_pending(), "it goes alone");
    drop(large);
    small.await;
}

#[tokio::test]
async fn requests_wait_for_those_that_are_not_answered() {
    let gate = Gate::new(&narrow());
    let first = gate.ask(Lane::Data).await;
    let mut second = Box::pin(gate.ask(Lane::Data));
    assert!(poll!(&mut second).is_pending());
    gate.ask(Lane::Own).await;
    drop(first);
    second.await;
}

#[tokio::test]
async fn requests_are_paced_and_only_data_wait() {
    let gate = owing_requests().await;
    let mut data = Box::pin(gate.ask(Lane::Data));
    assert!(poll!(&mut data).is_pending(), "what a lease asked counts too");
    assert!(gate.ask(Lane::Own).now_or_never().is_some());
}

#[tokio::test]
async fn what_is_read_waits_for_what_is_owed() {
    let store = behind(&owing_bytes()).await;
    let (_, mut parts) = store.stream("raw/a", None).await.unwrap().unwrap();
    assert!(poll!(parts.next()).is_pending());
}

#[tokio::test]
async fn who_reads_through_object_store_waits_for_those_that_are_not_answered() {
    let gate = Arc::new(Gate::new(&narrow()));
    let objects = behind(&gate).await.objects();
    let (path, wanted) = (Path::parse("raw/a").unwrap(), [1..3, 7..9]);
    let turn = gate.ask(Lane::Data).await;
    let mut whole = objects.get_opts(&path, GetOptions::new());
    let mut ranges = objects.get_ranges(&path, &wanted);
    let mut list = objects.list(None);
    assert!(poll!(&mut whole).is_pending());
    assert!(poll!(&mut ranges).is_pending());
    assert!(poll!(list.next()).is_pending());
    drop(turn);
    assert_eq!(whole.await.unwrap().bytes().await.unwrap(), "0123456789");
    assert_eq!(ranges.await.unwrap(), ["12", "78"]);
    assert_eq!(list.next().await.unwrap().unwrap().location, path);
}

#[tokio::test]
async fn who_reads_through_object_store_waits_for_what_is_owed() {
    let path = Path::parse("raw/a").unwrap();
    let objects = behind(&owing_requests().await).await.objects();
    let mut whole = objects.get_opts(&path, GetOptions::new());
    assert!(poll!(&mut whole).is_pending());

    let objects = behind(&owing_bytes()).await.objects();
    let mut parts = objects.get_opts(&path, GetOptions::new()).await.unwrap().into_stream();
    assert!(poll!(parts.next()).is_pending());
    let wanted = [0..1, 9..10];
    let mut ranges = objects.get_ranges(&path, &wanted);
    assert!(poll!(&mut ranges).is_pending());
}

/// Whoever gets it reads it without us.
#[tokio::test]
async fn a_file_that_is_handed_over_counts_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    // It takes no room on the disk.
    let file = std::fs::File::create(folder.path().join("a")).unwrap();
    file.set_len(600 * MIB).unwrap();
    let gate = slow();
    let location = Location::of_path(folder.path()).unwrap();
    let objects = Store::open(&Location { gate: gate.clone(), ..location }).unwrap().objects();
    let path = Path::parse("a").unwrap();
    let found = objects.get_opts(&path, GetOptions::new()).await.unwrap();
    assert!(matches!(found.payload, GetResultPayload::File(..)));
    let due = gate.due(1, Lane::Data).unwrap();
    assert!(due > Instant::now() + Duration::from_mins(9));
}

#[tokio::test]
async fn bandwidth_is_charged_to_all_and_only_data_wait() {
    let limits = StoreLimits { bandwidth_mib_per_second: Some(1), ..narrow() };
    let gate = Gate::new(&limits);
    assert_eq!(gate.due(600 * MIB, Lane::Data), None);
    assert_eq!(gate.due(MIB, Lane::Own), None);
    let due = gate.due(1, Lane::Data).unwrap();
    assert!(due > Instant::now() + Duration::from_mins(9), "what a lease brought counts too");
    assert_eq!(Gate::new(&narrow()).due(600 * MIB, Lane::Data), None);
}

#[test]
fn one_name_and_limits_have_one_gate() {
    let gate = Gate::shared("s3://one", &narrow());
    assert!(Arc::ptr_eq(&gate, &Gate::shared("s3://one", &narrow())));
    assert!(!Arc::ptr_eq(&gate, &Gate::shared("s3://one", &StoreLimits::default())));
    assert!(!Arc::ptr_eq(&gate, &Gate::shared("s3://two", &narrow())));
}

#[test]
fn locks_and_markers_have_a_lane_of_their_own() {
    for own in [".coppice/lock.json", "/bucket/kfm/.coppice/sealing/x"] {
        assert_eq!(Lane::of(own), Lane::Own, "{own}");
    }
    let displaced = [".coppice/displaced/1/raw/a", "/bucket/kfm/.coppice/displaced/1/.coppice/x"];
    for data in ["raw/a", "/bucket/raw/coppice/x", "raw/x.coppice/y"].into_iter().chain(displaced) {
        assert_eq!(Lane::of(data), Lane::Data, "{data}");
    }
}

#[tokio::test]
async fn what_is_staged_is_in_flight_until_it_is_committed_or_gone() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::new(&narrow()));
    let location = Location::of_path(folder.path()).unwrap();
    let store = Store::open(&Location { gate: gate.clone(), ..location }).unwrap();
    let none = Attributes::default();
    let first = store.backend.stage("raw/a", MIB, &none).await.unwrap();
    let mut second = Box::pin(store.backend.stage("raw/b", MIB, &none));
    assert!(poll!(&mut second).is_pending());
    assert_eq!(first.commit(Condition::Any).await.unwrap(), Commit::Done);
    let second = second.await.unwrap();
    let mut small = Box::pin(store.backend.put("raw/c", Bytes::from_static(b"c"), Condition::Any));
    assert!(poll!(&mut small).is_pending());
    second.abort().await.unwrap();
    assert_eq!(small.await.unwrap(), Commit::Done);
    // One that is dropped, as when its run is stopped, is in flight no longer.
    drop(store.backend.stage("raw/d", MIB, &none).await.unwrap());
    drop(gate.carry(MIB, Lane::Data).await);
}
