//! `coppice snapshots`: what a backup store holds, newest first.

use serde_json::json;

use super::args::Global;
use super::exit::Exit;
use super::output::{self, Trouble};
use super::stores;
use crate::canonical::{BackupStore, Listing, State};
use crate::model::Failure;
use crate::report;

/// `coppice snapshots`.
pub(super) async fn run(global: &Global, store: &str) -> Result<Exit, Trouble> {
    let backup = BackupStore::open(stores::open(store)?).await.map_err(Failure::from)?;
    let listing = backup.list().await.map_err(Failure::from)?;
    let document = json!({ "snapshots": listing.snapshots, "findings": listing.damaged });
    output::result(global.format, &document, || table(&listing))?;
    Ok(if listing.damaged.is_empty() { Exit::Done } else { Exit::Found })
}

fn table(listing: &Listing) -> String {
    let mut lines = Vec::new();
    if listing.snapshots.is_empty() {
        lines.push("no snapshots yet; seal one with `coppice snapshot`".to_owned());
    }
    for listed in &listing.snapshots {
        let state = match listed.state {
            State::Clean => "clean",
            State::Suspect => "SUSPECT",
        };
        lines.push(format!(
            "{}  {}  {state:7}  {:>7} objects  {:>9}  {}",
            listed.snapshot.short(),
            listed.as_of.format("%Y-%m-%d %H:%M:%SZ"),
            listed.objects,
            report::bytes(listed.bytes),
            listed.source.environment.as_deref().unwrap_or("-"),
        ));
    }
    format!("{}{}", lines.join("\n"), super::findings::list(&listing.damaged))
}
