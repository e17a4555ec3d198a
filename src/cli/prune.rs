//! `coppice prune`: takes away what no snapshot names any more.

use std::fmt::Write;

use super::args::{Global, PruneArgs};
use super::exit::Exit;
use super::output::{self, Trouble};
use super::signals::until_interrupted;
use super::stores;
use crate::access::resolve_actor;
use crate::canonical::{BackupStore, PruneOptions, Pruned, prune};
use crate::model::{Failure, size};

/// Blobs deleted at once.
const AT_ONCE: usize = 16;

/// `coppice prune`.
pub(super) async fn run(global: &Global, args: &PruneArgs) -> Result<Exit, Trouble> {
    let backup = BackupStore::open(stores::open(&args.store)?).await.map_err(Failure::from)?;
    let options = PruneOptions {
        grace: args.grace,
        dry_run: args.dry_run,
        at_once: AT_ONCE,
        actor: resolve_actor(args.actor.as_deref()).principal,
    };
    let done = prune(&backup, &options, &until_interrupted()).await?;
    output::result(global.format, &done, || text(&done))?;
    Ok(if done.complete { Exit::Done } else { Exit::Found })
}

fn text(done: &Pruned) -> String {
    let word = if done.dry_run { "would remove" } else { "removed" };
    let mut text = format!(
        "{word} {} blobs, {}; {} snapshots name {} blobs",
        done.blobs_removed,
        size(done.bytes_removed),
        done.snapshots,
        done.blobs_named,
    );
    if done.blobs_young > 0 {
        let _ = write!(text, "\n{} more are too young: see --grace", done.blobs_young);
    }
    if !done.complete {
        text.push_str("\nstopped, since a snapshot is being sealed; run it again afterwards");
    }
    text
}
