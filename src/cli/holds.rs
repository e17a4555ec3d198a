//! `coppice hold` and `coppice release`: snapshots that may not be forgotten.

use chrono::Utc;
use serde_json::json;

use super::args::{Global, HoldArgs, ReleaseArgs};
use super::exit::Exit;
use super::output::{self, Trouble};
use super::stores;
use crate::access::resolve_actor;
use crate::canonical::{self, Accepts, BackupStore, Choice, Hold};
use crate::digest::Digest;
use crate::model::{Code, Failure};

/// `coppice hold`.
pub(super) async fn hold(global: &Global, args: &HoldArgs) -> Result<Exit, Trouble> {
    if args.until.is_some_and(|until| until <= Utc::now()) {
        let message = "the time after --until is over already";
        return Err(Failure::permanent(Code::Usage, message).into());
    }
    let (backup, snapshot) = open(&args.store, &args.snapshot).await?;
    let new = Hold {
        until: args.until,
        legal: args.legal,
        reason: reason(&args.reason)?,
        actor: resolve_actor(args.actor.as_deref()).principal,
        at: Utc::now(),
    };
    let hold = canonical::hold(&backup, &snapshot, new).await?;
    show(global, &snapshot, Some(&hold))
}

/// `coppice release`.
pub(super) async fn release(global: &Global, args: &ReleaseArgs) -> Result<Exit, Trouble> {
    let (backup, snapshot) = open(&args.store, &args.snapshot).await?;
    let by = Hold {
        until: None,
        legal: false,
        reason: reason(&args.reason)?,
        actor: resolve_actor(args.actor.as_deref()).principal,
        at: Utc::now(),
    };
    let left = canonical::release(&backup, &snapshot, by).await?;
    show(global, &snapshot, left.as_ref())
}

async fn open(store: &str, name: &str) -> Result<(BackupStore, Digest), Failure> {
    let backup = BackupStore::open(stores::open(store)?).await?;
    let choice = Choice::Named(name.to_owned());
    let (snapshot, _) = backup.choose(&choice, &Accepts::Any).await?;
    Ok((backup, snapshot))
}

fn reason(text: &str) -> Result<String, Failure> {
    if text.trim().is_empty() {
        return Err(Failure::permanent(Code::Usage, "the reason is empty")
            .hint("say why with --reason TEXT: whoever finds the hold in years will ask"));
    }
    Ok(text.to_owned())
}

fn show(global: &Global, snapshot: &Digest, hold: Option<&Hold>) -> Result<Exit, Trouble> {
    let document = json!({ "snapshot": snapshot, "hold": hold });
    output::result(global.format, &document, || {
        let words = hold.map_or_else(|| "not held".to_owned(), Hold::words);
        format!("snapshot {} is {words}", snapshot.short())
    })?;
    Ok(Exit::Done)
}
