use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::pace::Pace;
use crate::model::StoreLimits;
use crate::store::OWN;

/// The gates of the process: what is opened twice under one name and limits has one.
static GATES: Mutex<BTreeMap<(String, StoreLimits), Weak<Gate>>> = Mutex::new(BTreeMap::new());

/// Where copies of objects are kept that stood in the way.
const DISPLACED: &str = ".coppice/displaced/";

/// Bytes in flight are counted by KiB, so that a semaphore can hold any limit.
const UNIT: u64 = 1024;

/// Whether something waits its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Lane {
    /// It waits.
    Data,
    /// It is counted and does not wait: a lease that is renewed behind gigabytes runs out.
    Own,
}

impl Lane {
    /// The lane of a key, or of the path of a URL.
    pub(in crate::store) fn of(path: &str) -> Self {
        let below = |folder: &str| path.starts_with(folder) || path.contains(&format!("/{folder}"));
        // What was put aside is as large as any data, and no lease waits for it.
        if below(OWN) && !below(DISPLACED) { Self::Own } else { Self::Data }
    }
}

/// What goes to and from a store passes here.
#[derive(Debug)]
pub(crate) struct Gate {
    in_flight: Arc<Semaphore>,
    most: u32,
    at_once: Arc<Semaphore>,
    requests: Option<Pace>,
    bandwidth: Option<Pace>,
}

/// A place among what goes on at once; given back when dropped.
#[derive(Debug)]
pub(in crate::store) struct Turn(
    #[expect(dead_code, reason = "held")] Option<OwnedSemaphorePermit>,
);

impl Gate {
    pub(super) fn new(limits: &StoreLimits) -> Self {
        let most = limits.bytes_in_flight_mib.clamp(1, 1 << 20) * 1024;
        let pace = |limit: Option<u32>, unit: f64| {
            limit.map(|limit| Pace::new(f64::from(limit.max(1)) * unit))
        };
        Self {
            in_flight: Arc::new(Semaphore::new(most as usize)),
            most,
            at_once: Arc::new(Semaphore::new(limits.requests_at_once.max(1) as usize)),
            requests: pace(limits.requests_per_second, 1.0),
            bandwidth: pace(limits.bandwidth_mib_per_second, f64::from(1 << 20)),
        }
    }

    /// The gate of what is called `name`, with these limits.
    pub(crate) fn shared(name: &str, limits: &StoreLimits) -> Arc<Self> {
        let mut gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
        gates.retain(|_, gate| gate.strong_count() > 0);
        let slot = gates.entry((name.to_owned(), limits.clone())).or_default();
        slot.upgrade().unwrap_or_else(|| {
            let gate = Arc::new(Self::new(limits));
            *slot = Arc::downgrade(&gate);
            gate
        })
    }

    /// Waits until so many bytes may be in flight. What is more than the limit goes alone.
    pub(in crate::store) async fn carry(&self, bytes: u64, lane: Lane) -> Turn {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.most);
        if lane == Lane::Own || units == 0 {
            return Turn(None);
        }
        // It is never closed, so there is always a turn.
        Turn(self.in_flight.clone().acquire_many_owned(units).await.ok())
    }

    /// Waits for the turn of one request; held until it is answered.
    pub(in crate::store) async fn ask(&self, lane: Lane) -> Turn {
        let due = self.requests.as_ref().map(|pace| pace.charge(Instant::now(), 1));
        if lane == Lane::Own {
            return Turn(None);
        }
        let turn = self.at_once.clone().acquire_owned().await.ok();
        if let Some(due) = due {
            tokio::time::sleep_until(due).await;
        }
        Turn(turn)
    }

    /// Waits until so many bytes may pass.
    pub(in crate::store) async fn pass(&self, bytes: u64, lane: Lane) {
        if let Some(due) = self.due(bytes, lane) {
            tokio::time::sleep_until(due).await;
        }
    }

    /// Counts bytes that pass; says until when to wait, if at all.
    pub(in crate::store) fn due(&self, bytes: u64, lane: Lane) -> Option<Instant> {
        let pace = self.bandwidth.as_ref().filter(|_| bytes > 0)?;
        let now = Instant::now();
        let due = pace.charge(now, bytes);
        (lane == Lane::Data && due > now).then_some(due)
    }
}
