use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::StepId;

/// Stands for "no total known".
const UNKNOWN: u64 = u64::MAX;

#[derive(Debug)]
struct Gauge {
    bytes: AtomicU64,
    rows: AtomicU64,
    bytes_total: AtomicU64,
    rows_total: AtomicU64,
}

/// A handle through which work says how far it is. Cheap to clone; never blocks.
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
pub struct Board(Arc<Mutex<BTreeMap<StepId, Meter>>>);

impl Board {
    /// The meter of a step; the shards of a step share one.
    pub fn meter(&self, step: &StepId) -> Meter {
        self.lock().entry(step.clone()).or_default().clone()
    }

    /// Reads the meter of a step, if it has one.
    pub fn read(&self, step: &StepId) -> Option<Reading> {
        self.lock().get(step).map(Meter::read)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<StepId, Meter>> {
        // A panic elsewhere cannot leave a map of counters half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
