use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::StepId;

/// Stands for "no total known".
const UNKNOWN: u64 = u64::MAX;

/// Others that work waits for. It goes on by itself once they have ended, and ends nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdup {
    /// Who they are and since when; nothing of what they do.
    pub by: String,
    /// What ends the wait.
    pub unblock: String,
}

#[derive(Debug)]
struct Gauge {
    bytes: AtomicU64,
    rows: AtomicU64,
    bytes_total: AtomicU64,
    rows_total: AtomicU64,
    holdup: Mutex<Option<Holdup>>,
}

/// A handle through which work says how far it is, and whom it waits for. Cheap to clone; never
/// blocks for long.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Gauge>);

/// How far one step is, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Bytes so far.
    pub bytes: u64,
    /// Rows or objects so far.
    pub rows: u64,
    /// All bytes, where known.
    pub bytes_total: Option<u64>,
    /// All rows or objects, where known.
    pub rows_total: Option<u64>,
}

impl Default for Meter {
    fn default() -> Self {
        Self(Arc::new(Gauge {
            bytes: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            bytes_total: AtomicU64::new(UNKNOWN),
            rows_total: AtomicU64::new(UNKNOWN),
            holdup: Mutex::new(None),
        }))
    }
}

impl Meter {
    /// Says that so many more bytes are done.
    pub fn add_bytes(&self, bytes: u64) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Says that so many more rows or objects are done.
    pub fn add_rows(&self, rows: u64) {
        self.0.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Says how many bytes and rows there are in all, where that is known.
    pub fn set_totals(&self, bytes: Option<u64>, rows: Option<u64>) {
        self.0.bytes_total.store(bytes.unwrap_or(UNKNOWN), Ordering::Relaxed);
        self.0.rows_total.store(rows.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    /// Says whom the work waits for; `None`: for nobody any more.
    pub fn waits_for(&self, by: Option<Holdup>) {
        // One value takes the place of another: there is nothing half done in it.
        *self.0.holdup.lock().unwrap_or_else(PoisonError::into_inner) = by;
    }

    /// Whom the work waits for.
    pub fn holdup(&self) -> Option<Holdup> {
        self.0.holdup.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads it.
    pub fn read(&self) -> Reading {
        let known = |value: u64| (value != UNKNOWN).then_some(value);
        Reading {
            bytes: self.0.bytes.load(Ordering::Relaxed),
            rows: self.0.rows.load(Ordering::Relaxed),
            bytes_total: known(self.0.bytes_total.load(Ordering::Relaxed)),
            rows_total: known(self.0.rows_total.load(Ordering::Relaxed)),
        }
    }
}

/// The latest progress of every step: a board that reports sample, never a log of events.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<StepId, Shards>>>);

/// The meters of a step's shards, and how many shards it has.
#[derive(Debug, Default)]
struct Shards {
    all: u32,
    meters: BTreeMap<u32, Meter>,
}

impl Board {
    /// The meter of work that is one piece.
    pub fn meter(&self, step: &StepId) -> Meter {
        let mut steps = self.lock();
        let shards = steps.entry(step.clone()).or_default();
        shards.all = shards.all.max(1);
        shards.meters.entry(0).or_default().clone()
    }

    /// A new meter for a try of one of `all` shards; what a try before it had counted is
    /// forgotten.
    pub fn meter_of_try(&self, step: &StepId, shard: u32, all: u32) -> Meter {
        let meter = Meter::default();
        let mut steps = self.lock();
        let shards = steps.entry(step.clone()).or_default();
        shards.all = all;
        shards.meters.insert(shard, meter.clone());
        meter
    }

    /// Reads how far a step is, if it began. Totals are known when those of every shard are.
    pub fn read(&self, step: &StepId) -> Option<Reading> {
        let steps = self.lock();
        let shards = steps.get(step)?;
        let none = Reading { bytes: 0, rows: 0, bytes_total: Some(0), rows_total: Some(0) };
        let mut sum = shards.meters.values().map(Meter::read).fold(none, |sum, one| Reading {
            bytes: sum.bytes + one.bytes,
            rows: sum.rows + one.rows,
            bytes_total: sum.bytes_total.zip(one.bytes_total).map(|(a, b)| a + b),
            rows_total: sum.rows_total.zip(one.rows_total).map(|(a, b)| a + b),
        });
        if (shards.meters.len() as u64) < u64::from(shards.all) {
            (sum.bytes_total, sum.rows_total) = (None, None);
        }
        Some(sum)
    }

    /// Whom a step waits for, if one of its shards does.
    pub fn holdup(&self, step: &StepId) -> Option<Holdup> {
        self.lock().get(step)?.meters.values().find_map(Meter::holdup)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<StepId, Shards>> {
        // A panic elsewhere cannot leave a map of counters half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_try_counts_anew_and_totals_wait_for_every_shard() {
        let (board, step) = (Board::default(), "a".parse().unwrap());
        let first = board.meter_of_try(&step, 0, 2);
        first.set_totals(Some(10), None);
        first.add_bytes(7);
        let again = board.meter_of_try(&step, 0, 2);
        again.set_totals(Some(10), None);
        again.add_bytes(2);
        let reading = board.read(&step).unwrap();
        assert_eq!((reading.bytes, reading.bytes_total), (2, None));
        board.meter_of_try(&step, 1, 2).set_totals(Some(5), Some(1));
        let reading = board.read(&step).unwrap();
        assert_eq!((reading.bytes_total, reading.rows_total), (Some(15), None));
    }
}
