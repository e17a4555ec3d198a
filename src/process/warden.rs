//! Who ends a program when this process can no more: one that was killed with SIGKILL cleans up
//! nothing.

use std::process::Stdio;

use tokio::process::{Child, Command};

use super::group::Group;

/// What the warden does: `read` comes back when nobody holds the other end of its input any more.
const WATCH: &str = r#"read -r _; kill -s KILL -- "-$1""#;

/// A shell that waits for the end of this process, and then kills a group. Dropped, it does nothing.
pub(super) struct Warden(Child);

impl Warden {
    /// Watches over a group.
    pub(super) fn of(group: Group) -> std::io::Result<Self> {
        // A group of its own: Ctrl-C on a terminal is no reason to end.
        let shell = Command::new("/bin/sh")
            .args(["-c", WATCH, "coppice-warden", &group.id().to_string()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self(shell))
    }

    /// Sends it home, once the group is gone.
    pub(super) async fn dismiss(mut self) {
        // Killed before its input closes: what has the group's number by then is another's.
        if let Err(error) = self.0.kill().await {
            tracing::warn!("failed to stop the watch over a program that ended: {error}");
        }
    }

    /// What happens when this process is killed: its end of the input closes.
    #[cfg(test)]
    pub(super) fn orphan(&mut self) {
        drop(self.0.stdin.take());
    }
}
