//! What Ctrl-C and SIGTERM do: the first asks for a good end, the second ends the process.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::output;

/// Both signals.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens from now on; `None` where the system does not let it.
    pub(super) fn listen() -> Option<Self> {
        let interrupt = signal(SignalKind::interrupt()).ok()?;
        Some(Self { interrupt, terminate: signal(SignalKind::terminate()).ok()? })
    }

    /// Waits for the next of either.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Cancelled by the first Ctrl-C or SIGTERM; a second one does not wait.
pub(super) fn until_interrupted() -> CancellationToken {
    let cancel = CancellationToken::new();
    let asked = cancel.clone();
    tokio::spawn(async move {
        let Some(mut signals) = Signals::listen() else { return };
        signals.next().await;
        asked.cancel();
        signals.next().await;
        end_now();
    });
    cancel
}

/// Ends the process as a kill would, from which every command recovers.
#[expect(clippy::exit, reason = "asked for twice: nothing is waited for any more")]
pub(super) fn end_now() {
    output::note("stopped at once: what was in flight is done again by the next run");
    std::process::exit(i32::from(Exit::Interrupted as u8));
}
