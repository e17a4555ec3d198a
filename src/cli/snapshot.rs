//! `coppice snapshot`: seals a snapshot of a canonical store.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::args::{Format, Global, SnapshotArgs};
use super::exit::Exit;
use super::output::{self, Trouble};
use super::progress::Progress;
use super::signals::until_interrupted;
use super::stores;
use super::verify::public;
use crate::canonical::catalog;
use crate::canonical::{BackupStore, CanonicalStores, SealOptions, Sealed, State, seal};
use crate::model::{DatasetVersionId, Failure, Meter, PolicyLabel, size};
use crate::plan::load;
use crate::report::counted;

/// `coppice snapshot`.
pub(super) async fn run(global: &Global, args: &SnapshotArgs) -> Result<Exit, Trouble> {
    let from = stores::canonical(&args.from)?;
    let to = stores::open(&args.to)?;
    let mut files = BTreeMap::new();
    if let Some(plan) = &args.plan {
        let loaded = load(plan)?;
        if let Some(env) = &args.env {
            loaded.environment(env).map_err(|problem| vec![problem])?;
        }
        files = loaded.files;
    }
    let labels = labels(&from).await?;
    global.redactor.show(public(&labels));
    let known = labels.into_iter().filter_map(|(name, label)| Some((name, label?)));
    let options = SealOptions {
        environment: args.env.clone(),
        plan_files: files.into_iter().collect(),
        ..SealOptions::checked(&from, known.collect()).await?
    };
    let to = BackupStore::init(to).await.map_err(Failure::from)?;
    let meter = Meter::default();
    let progress = (!args.quiet).then(|| Progress::show("sealing", &meter));
    let sealed = seal(&from, &to, options, &meter, &until_interrupted()).await?;
    drop(progress);
    let findings = global.redactor.findings(sealed.findings);
    let sealed = Sealed { findings, ..sealed };
    if args.quiet && global.format != Format::Json {
        // One line of a log, however long.
        output::plain(&one_line(&sealed, args.env.as_deref()))?;
    } else {
        output::result(global.format, &sealed, || text(&sealed))?;
    }
    let clean = sealed.state == State::Clean && sealed.findings.is_empty();
    Ok(if clean { Exit::Done } else { Exit::Found })
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
fn one_line(sealed: &Sealed, environment: Option<&str>) -> String {
    let state = match sealed.state {
        State::Clean => "clean",
        State::Suspect => "suspect",
    };
    let of = environment.map(|name| format!(" of {name}")).unwrap_or_default();
    let blocking = sealed.findings.iter().filter(|finding| finding.blocks()).count();
    let warning = sealed.findings.len() - blocking;
    format!(
        "coppice: {state}: snapshot{of} as of {}; {} ({}), {} copied; findings: {blocking} block, \
         {warning} warn; {}",
        crate::model::moment(sealed.as_of),
        counted(sealed.objects, "object"),
        size(sealed.bytes),
        size(sealed.bytes_copied),
        sealed.snapshot,
    )
}

fn text(sealed: &Sealed) -> String {
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
    text.push_str(&super::findings::list(&sealed.findings));
    text
}
