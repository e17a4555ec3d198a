//! `coppice snapshots`: what a backup store holds, newest first.

use chrono::Utc;
use serde::Serialize;
use serde_json::json;

use super::args::Global;
use super::exit::Exit;
use super::output::{self, Trouble};
use super::stores;
use crate::canonical::{BackupStore, Hold, Holds, Listed, Listing, State};
use crate::model::{Failure, clock, size};

/// A snapshot, and what holds it.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    listed: &'a Listed,
    hold: Option<&'a Hold>,
}

/// `coppice snapshots`.
pub(super) async fn run(global: &Global, store: &str) -> Result<Exit, Trouble> {
    let backup = BackupStore::open(stores::open(store)?).await.map_err(Failure::from)?;
    let listing = backup.list().await.map_err(Failure::from)?;
    let holds = backup.holds().await?;
    let lines: Vec<Line<'_>> = listing.snapshots.iter().map(|one| line(one, &holds)).collect();
    let document = json!({ "snapshots": lines, "findings": listing.damaged });
    output::result(global.format, &document, || table(&lines, &listing))?;
    Ok(if listing.damaged.is_empty() { Exit::Done } else { Exit::Found })
}

fn line<'a>(listed: &'a Listed, holds: &'a Holds) -> Line<'a> {
    let hold = holds.get(&listed.snapshot).filter(|hold| hold.binds(Utc::now()));
    Line { listed, hold }
}

fn table(lines: &[Line<'_>], listing: &Listing) -> String {
    let mut text: Vec<String> = lines.iter().map(row).collect();
    if text.is_empty() {
        text.push("no snapshots yet; seal one with `coppice snapshot`".to_owned());
    }
    text.extend(clock());
    format!("{}{}", text.join("\n"), super::findings::list(&listing.damaged))
}

fn row(line: &Line<'_>) -> String {
    let Line { listed, hold } = line;
    let state = match listed.state {
        State::Clean => "clean",
        State::Suspect => "SUSPECT",
    };
    let row = format!(
        "{}  {}  {state:7}  {:>7} objects  {:>9}  {:10}  {}",
        listed.snapshot.short(),
        listed.as_of.format("%Y-%m-%d %H:%M:%SZ"),
        listed.objects,
        size(listed.bytes),
        listed.source.environment.as_deref().unwrap_or("-"),
        hold.map(Hold::words).unwrap_or_default(),
    );
    row.trim_end().to_owned()
}
