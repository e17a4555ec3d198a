//! `coppice verify`: proves a backup store's snapshot, or a canonical store against one.

use std::path::PathBuf;

use super::args::{EnvArgs, Global, VerifyArgs};
use super::exit::Exit;
use super::output::{self, Trouble};
use super::plans::choose;
use super::progress::{Progress, until_interrupted};
use super::stores;
use crate::access::Public;
use crate::canonical::{
    Accepts, BackupStore, CanonicalStores, Choice, Filter, Verified, Verify, Withdrawals,
    sealed_labels, verify_backup, verify_whole,
};
use crate::model::{DatasetVersionId, Failure, Meter, PolicyLabel};
use crate::plan::StoreSpec;
use crate::recovery;
use crate::report;

/// Objects read at once.
const AT_ONCE: usize = 8;

/// `coppice verify`.
pub(super) async fn run(global: &Global, args: &VerifyArgs) -> Result<Exit, Trouble> {
    let choice = args.snapshot.clone().map_or(Choice::NewestClean, Choice::Named);
    let backup = stores::open(args.against.as_ref().unwrap_or(&args.store))?;
    let backup = BackupStore::open(backup).await.map_err(Failure::from)?;
    let (stores, accepts, listed) = against(args)?;
    let (snapshot, manifest) = backup.choose(&choice, &accepts).await.map_err(Failure::from)?;
    let labels = sealed_labels(&backup, &manifest).await.map_err(Failure::from)?;
    global.redactor.show(public(&labels));
    let withdrawals = match listed {
        Some((spec, plan)) => recovery::withdrawals(&spec, &plan).await?,
        None => Withdrawals::default(),
    };
    let meter = Meter::default();
    let progress = Progress::show("verifying", &meter);
    let cancel = until_interrupted();
    let verified = match &stores {
        None => {
            let mut verified =
                verify_backup(&backup, snapshot, &manifest, AT_ONCE, &meter, &cancel).await?;
            if args.snapshot.is_none() {
                // The newest may be one that cannot be read any more.
                verified.findings.extend(backup.list().await.map_err(Failure::from)?.damaged);
                verified.ok = verified.findings.is_empty();
            }
            verified
        }
        Some(stores) => {
            let verify = Verify {
                backup: &backup,
                stores,
                filter: &Filter::default(),
                withdrawals: &withdrawals,
                shards: &manifest.shards,
                at_once: AT_ONCE,
                meter: &meter,
                cancel: &cancel,
            };
            verify_whole(&verify, snapshot, &manifest).await?
        }
    };
    drop(progress);
    let findings = global.redactor.findings(verified.findings);
    let verified = Verified { findings, ..verified };
    output::result(global.format, &verified, || text(&verified))?;
    Ok(if verified.ok { Exit::Done } else { Exit::Found })
}

/// What is held against the snapshot, whose snapshots count, and where the plan lists what was
/// withdrawn.
type Against = (Option<CanonicalStores>, Accepts, Option<(StoreSpec, PathBuf)>);

/// Reads what the command line and the plan say of it.
fn against(args: &VerifyArgs) -> Result<Against, Trouble> {
    if args.against.is_none() {
        return Ok((None, Accepts::Any, None));
    }
    let Some(plan) = &args.plan else {
        let stores = stores::canonical(std::slice::from_ref(&args.store))?;
        return Ok((Some(stores), Accepts::Any, None));
    };
    let chosen = choose(&EnvArgs { plan: plan.clone(), env: args.env.clone() })?;
    let environment = chosen.plan.environment(&chosen.env).map_err(|problem| vec![problem])?;
    let accepts = recovery::accepts(environment, &chosen.env);
    let mut texts = vec![args.store.clone()];
    for (zone, url) in &environment.canonical.zones {
        texts.push(format!("{zone}={url}"));
    }
    let listed = environment.withdrawals.clone().map(|spec| (spec, plan.clone()));
    Ok((Some(stores::canonical(&texts)?), accepts, listed))
}

/// Of which versions names may be printed. An embargo counts as not yet over.
pub(super) fn public<'a>(
    labels: impl IntoIterator<Item = (&'a (String, DatasetVersionId), &'a Option<PolicyLabel>)>,
) -> Public {
    Public::of(labels.into_iter().map(|((dataset, version), label)| {
        (dataset.as_str(), version, label.is_some_and(PolicyLabel::is_public))
    }))
}

fn text(verified: &Verified) -> String {
    let verdict = match verified.findings.len() {
        0 => "proven intact".to_owned(),
        1 => "1 finding".to_owned(),
        n => format!("{n} findings"),
    };
    format!(
        "{verdict}: {} objects, {}, against snapshot {}{}",
        verified.objects_checked,
        report::bytes(verified.bytes_checked),
        verified.snapshot.short(),
        super::findings::list(&verified.findings)
    )
}
