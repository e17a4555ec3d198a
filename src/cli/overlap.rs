//! A lock instead of overlap: a scheduler that starts a rehearsal before the last one ended gets a
//! clear answer at once.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::digest::Digest;
use crate::journal::Holder;
use crate::model::{Code, Failure, RunId};

/// Held while a rehearsal goes on; the kernel ends it with the process.
pub(super) struct Overlap(File);

impl Overlap {
    /// Locks the rehearsals of an environment of a plan, or says who holds them.
    pub(super) fn lock(state: &Path, plan: &Path, env: &str) -> Result<Self, Failure> {
        // The same plan by another way is the same plan.
        let plan = std::fs::canonicalize(plan).unwrap_or_else(|_| plan.to_owned());
        let name = Digest::blake3(format!("{}\n{env}", plan.display()).as_bytes()).hex();
        let path = state.join("locks").join(format!("rehearse-{}.lock", &name[..16]));
        let cannot = |error: &std::io::Error| {
            Failure::permanent(Code::Journal, format!("failed to lock {}", path.display()))
                .because(error)
                .hint("give --state DIR of a directory that you may write to")
        };
        let open = || {
            std::fs::create_dir_all(state.join("locks"))?;
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false).open(&path)
        };
        let mut file = open().map_err(|error| cannot(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(&mut file, env)),
            Err(TryLockError::Error(error)) => return Err(cannot(&error)),
        }
        let mut lock = Self(file);
        lock.say("run not begun yet").map_err(|error| cannot(&error))?;
        Ok(lock)
    }

    /// Notes which run it is held for; only people read it.
    pub(super) fn is_for(&mut self, run: RunId) {
        if let Err(error) = self.say(&format!("run {run}")) {
            tracing::warn!("failed to note the run beside its lock: {error}");
        }
    }

    fn say(&mut self, run: &str) -> std::io::Result<()> {
        let holder = Holder::this_process(&crate::access::resolve_actor(None).principal);
        self.0.set_len(0)?;
        self.0.seek(SeekFrom::Start(0))?;
        write!(self.0, "{run}, {holder}")
    }
}

fn held(file: &mut File, env: &str) -> Failure {
    let mut by = String::new();
    // It may be written just now; then it is not known who.
    if file.read_to_string(&mut by).is_err() || by.is_empty() {
        "another process".clone_into(&mut by);
    }
    Failure::permanent(Code::Locked, format!("a rehearsal of {env} goes on already: {by}")).hint(
        "let it end; `coppice status RUN` shows how far it is, once its first seconds are over \
         and it is in the journal",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let plan = Path::new("plans/kansas.yaml");
        let mut first = Overlap::lock(dir.path(), plan, "dev").unwrap();
        let run: RunId = "01900000-0000-7000-8000-000000000001".parse().unwrap();
        first.is_for(run);
        let refused = Overlap::lock(dir.path(), plan, "dev").err().unwrap();
        assert_eq!(refused.code, Code::Locked);
        assert!(refused.message.contains(&run.to_string()), "{}", refused.message);
        assert!(Overlap::lock(dir.path(), plan, "stage").is_ok());
        drop(first);
        assert!(Overlap::lock(dir.path(), plan, "dev").is_ok());
    }
}
