use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// How long a group may take to end by itself once it was asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How often it is looked at.
const TICK: Duration = Duration::from_millis(20);

/// A program and all that it started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group(Pid);

impl Group {
    /// The group that a process leads.
    pub(super) fn led_by(id: u32) -> Option<Self> {
        Pid::from_raw(i32::try_from(id).ok()?).map(Self)
    }

    /// Its number.
    pub(super) fn id(self) -> i32 {
        self.0.as_raw_nonzero().get()
    }

    /// Kills all of them at once, and does not wait.
    pub(super) fn kill(self) {
        let _gone = kill_process_group(self.0, Signal::KILL);
    }

    /// Asks all of them to end, kills those that do not, and waits until they are gone.
    pub(super) async fn end(self) {
        for signal in [Signal::TERM, Signal::KILL] {
            // Nobody is left to be signalled: that is what is wanted.
            let _gone = kill_process_group(self.0, signal);
            if self.is_gone_within(GRACE).await {
                return;
            }
        }
        tracing::warn!(group = self.id(), "killed processes are still listed");
    }

    async fn is_gone_within(self, limit: Duration) -> bool {
        let until = tokio::time::Instant::now() + limit;
        loop {
            if test_kill_process_group(self.0).is_err() {
                return true;
            }
            if tokio::time::Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(TICK).await;
        }
    }
}
