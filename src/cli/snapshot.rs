//! `coppice snapshot`: seals a snapshot of a canonical store.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use bytes::Bytes;
use serde::Serialize;

use super::args::{Format, Global, SnapshotArgs};
use super::exit::Exit;
use super::output::{self, Trouble};
use super::progress::Progress;
use super::signals::until_interrupted;
use super::stores;
use super::verify::public;
use crate::canonical::catalog;
use crate::canonical::{
    BackupStore, CanonicalStores, SealOptions, Sealed, State, Withdrawals, seal,
};
use crate::model::{DatasetVersionId, Failure, Finding, FindingKind, Meter, PolicyLabel, size};
use crate::plan::{StoreSpec, load};
use crate::recovery;
use crate::report::counted;
use crate::store::Store;

/// What was sealed, and where it went; its JSON is part of the contract.
#[derive(Serialize)]
struct Stored {
    #[serde(flatten)]
    sealed: Sealed,
    /// The backup store.
    to: String,
    /// Whether there was none before.
    new_store: bool,
}

/// `coppice snapshot`.
pub(super) async fn run(global: &Global, args: &SnapshotArgs) -> Result<Exit, Trouble> {
    let from = stores::canonical(&args.from)?;
    let to = stores::open(&args.to)?;
    let (plan_files, withdrawals) = planned(args).await?;
    let labels = labels(&from).await?;
    global.redactor.show(public(&labels));
    let known = labels.into_iter().filter_map(|(name, label)| Some((name, label?)));
    let options = SealOptions {
        environment: args.env.clone(),
        plan_files: plan_files.into_iter().collect(),
        withdrawals,
        ..SealOptions::checked(&from, known.collect()).await?
    };
    let new_store = !BackupStore::is_at(&to).await.map_err(Failure::from)?;
    let to = BackupStore::init(to).await.map_err(Failure::from)?;
    let meter = Meter::default();
    let progress = (!args.quiet).then(|| Progress::show("sealing", &meter));
    let sealed = seal(&from, &to, options, &meter, &until_interrupted()).await?;
    drop(progress);
    let findings = global.redactor.findings(sealed.findings);
    let stored = Stored { sealed: Sealed { findings, ..sealed }, to: place(to.store()), new_store };
    if args.quiet && global.format != Format::Json {
        // One line of a log, however long.
        output::plain(&one_line(&stored, args.env.as_deref()))?;
    } else {
        output::result(global.format, &stored, || text(&stored))?;
    }
    let sealed = &stored.sealed;
    let clean = sealed.state == State::Clean && sealed.findings.iter().all(is_expected);
    Ok(if clean { Exit::Done } else { Exit::Found })
}

/// Where a store is, as people name it.
fn place(store: &Store) -> String {
    store.local_root().map_or_else(|| store.url().to_owned(), |root| root.display().to_string())
}

/// What was erased on purpose and is gone is as it should be.
fn is_expected(finding: &Finding) -> bool {
    finding.kind == FindingKind::Withdrawn && !finding.blocks()
}

/// What the plan adds to a snapshot: its files, and what was withdrawn.
async fn planned(args: &SnapshotArgs) -> Result<(BTreeMap<String, Bytes>, Withdrawals), Trouble> {
    let Some(path) = &args.plan else {
        return Ok((BTreeMap::new(), Withdrawals::default()));
    };
    let loaded = load(path)?;
    let mut withdrawn = Withdrawals::default();
    if let Some(env) = &args.env {
        let environment = loaded.environment(env).map_err(|problem| vec![problem])?;
        withdrawn = listed(environment.withdrawals.as_ref(), path).await;
    }
    Ok((loaded.files, withdrawn))
}

/// Reads the list of withdrawals. Without it what was erased counts as missing, and the snapshot is
/// sealed all the same: to have none is worse.
async fn listed(spec: Option<&StoreSpec>, plan: &Path) -> Withdrawals {
    let Some(spec) = spec else { return Withdrawals::default() };
    recovery::withdrawals(spec, plan).await.unwrap_or_else(|failure| {
        output::note(&format!("{failure}; what was erased counts as missing here"));
        Withdrawals::default()
    })
}

/// The policy label of each dataset version that the catalog knows; an unknown one is none.
pub(super) async fn labels(
    from: &CanonicalStores,
) -> Result<BTreeMap<(String, DatasetVersionId), Option<PolicyLabel>>, Failure> {
    let versions = catalog::versions(from).await?;
    let versions: Vec<_> =
        versions.into_iter().map(|known| (known.dataset, known.version)).collect();
    let raw = catalog::labels(from, &versions).await?;
    let label = |name: &_| raw.get(name).and_then(|label: &String| label.parse().ok());
    Ok(versions.into_iter().map(|name| (label(&name), name)).map(|(l, name)| (name, l)).collect())
}

/// What was sealed in one line, for the log of a scheduler.
fn one_line(stored: &Stored, environment: Option<&str>) -> String {
    let Stored { sealed, to, new_store } = stored;
    let state = match sealed.state {
        State::Clean => "clean",
        State::Suspect => "suspect",
    };
    let of = environment.map(|name| format!(" of {name}")).unwrap_or_default();
    let blocking = sealed.findings.iter().filter(|finding| finding.blocks()).count();
    let warning = sealed.findings.len() - blocking;
    let made = if *new_store { format!("new backup store {to}; ") } else { String::new() };
    format!(
        "coppice: {state}: snapshot{of} as of {}; {} ({}), {} copied; findings: {blocking} block, \
         {warning} warn; {made}{}",
        crate::model::moment(sealed.as_of),
        counted(sealed.objects, "object"),
        size(sealed.bytes),
        size(sealed.bytes_copied),
        sealed.snapshot,
    )
}

fn text(stored: &Stored) -> String {
    let Stored { sealed, to, new_store } = stored;
    let state = match sealed.state {
        State::Clean => "clean",
        State::Suspect => "SUSPECT: it is not recovered from unless it is named",
    };
    let mut text = format!(
        "snapshot {}\n  state    {state}\n  as of    {}\n  objects  {} ({} copied, {} reused)\n  \
         bytes    {} ({} copied)",
        sealed.snapshot,
        crate::model::moment(sealed.as_of),
        sealed.objects,
        sealed.objects_copied,
        sealed.objects_reused,
        size(sealed.bytes),
        size(sealed.bytes_copied),
    );
    if let Some(head) = &sealed.ledger_head {
        let _ = write!(text, "\n  ledger   {head}");
    }
    let _ = write!(text, "\n  to       {to}");
    if *new_store {
        text.push_str("\n  a new backup store was made there");
    }
    text.push_str(&super::findings::list(&sealed.findings));
    text
}
