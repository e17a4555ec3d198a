//! `coppice verify`: proves a backup store's snapshot, a canonical store against one, or a canonical
//! store by itself.

use std::path::PathBuf;

use super::args::{EnvArgs, Global, VerifyArgs};
use super::exit::Exit;
use super::output::{self, Trouble};
use super::plans::choose;
use super::progress::Progress;
use super::signals::until_interrupted;
use super::snapshot::labels;
use super::stores;
use crate::access::Public;
use crate::canonical::{
    Accepts, BackupStore, CanonicalStores, Choice, Filter, Manifest, Standing, Verified, Verify,
    Withdrawals, is_canonical, sealed_labels, verify_backup, verify_standing, verify_whole,
};
use crate::digest::Digest;
use crate::model::{Code, DatasetVersionId, Failure, Meter, PolicyLabel, size};
use crate::plan::StoreSpec;
use crate::recovery;
use crate::report::counted;
use crate::store::Store;

/// Objects read at once.
const AT_ONCE: usize = 8;

/// `coppice verify`.
pub(super) async fn run(global: &Global, args: &VerifyArgs) -> Result<Exit, Trouble> {
    let meter = Meter::default();
    let progress = Progress::show("verifying", &meter);
    let verified = match &args.against {
        Some(backup) => against(global, args, backup, &meter).await?,
        None if stands(args).await? => standing(global, args, &meter).await?,
        None => backup(global, args, &meter).await?,
    };
    drop(progress);
    let findings = global.redactor.findings(verified.findings);
    let verified = Verified { findings, ..verified };
    output::result(global.format, &verified, || text(&verified))?;
    Ok(if verified.ok { Exit::Done } else { Exit::Found })
}

/// Whether the store is no backup store and holds zones. What is neither is said to be no backup.
async fn stands(args: &VerifyArgs) -> Result<bool, Trouble> {
    if args.snapshot.is_some() || args.as_of.is_some() {
        return Ok(false);
    }
    let store = stores::open(&args.store)?;
    if BackupStore::is_at(&store).await.map_err(Failure::from)? {
        return Ok(false);
    }
    Ok(is_canonical(&canonical(args)?.stores).await?)
}

/// Proves a canonical store by itself.
async fn standing(global: &Global, args: &VerifyArgs, meter: &Meter) -> Result<Verified, Trouble> {
    let canonical = canonical(args)?;
    let labels = labels(&canonical.stores).await?;
    global.redactor.show(public(&labels));
    let standing = Standing {
        stores: &canonical.stores,
        withdrawals: &canonical.withdrawals().await?,
        at_once: AT_ONCE,
        meter,
        cancel: &until_interrupted(),
    };
    Ok(verify_standing(&standing).await?)
}

/// Proves a snapshot in its backup store.
async fn backup(global: &Global, args: &VerifyArgs, meter: &Meter) -> Result<Verified, Trouble> {
    let chosen = chosen(global, args, &args.store, &Accepts::Any).await?;
    let (backup, snapshot, manifest) = &chosen;
    let cancel = until_interrupted();
    let mut verified = verify_backup(backup, *snapshot, manifest, AT_ONCE, meter, &cancel).await?;
    if args.snapshot.is_none() {
        // The newest may be one that cannot be read any more.
        verified.findings.extend(backup.list().await.map_err(Failure::from)?.damaged);
        verified.ok = verified.findings.is_empty();
    }
    Ok(verified)
}

/// Proves a canonical store against a snapshot.
async fn against(
    global: &Global,
    args: &VerifyArgs,
    backup: &str,
    meter: &Meter,
) -> Result<Verified, Trouble> {
    let canonical = canonical(args)?;
    is_there(canonical.stores.default_store())?;
    let (backup, snapshot, manifest) = chosen(global, args, backup, &canonical.accepts).await?;
    let verify = Verify {
        backup: &backup,
        stores: &canonical.stores,
        filter: &Filter::default(),
        withdrawals: &canonical.withdrawals().await?,
        shards: &manifest.shards,
        at_once: AT_ONCE,
        meter,
        cancel: &until_interrupted(),
    };
    Ok(verify_whole(&verify, snapshot, &manifest).await?)
}

/// A folder that is not there is a slip or a disk that is not mounted, and nothing of it was lost.
fn is_there(store: &Store) -> Result<(), Failure> {
    let Some(root) = store.local_root().filter(|root| !root.is_dir()) else { return Ok(()) };
    Err(Failure::permanent(Code::Usage, format!("{} is not there", root.display()))
        .hint("check the path, or mount it; of an empty folder all is told that is missing"))
}

/// The snapshot that is meant. From here on names of its public versions may be printed.
async fn chosen(
    global: &Global,
    args: &VerifyArgs,
    store: &str,
    accepts: &Accepts,
) -> Result<(BackupStore, Digest, Manifest), Trouble> {
    let backup = BackupStore::open(stores::open(store)?).await.map_err(Failure::from)?;
    let choice = match (&args.snapshot, args.as_of) {
        (Some(id), _) => Choice::Named(id.clone()),
        (None, Some(at)) => Choice::AsOf(at),
        (None, None) => Choice::NewestClean,
    };
    let (snapshot, manifest) = backup.choose(&choice, accepts).await.map_err(Failure::from)?;
    let labels = sealed_labels(&backup, &manifest).await.map_err(Failure::from)?;
    global.redactor.show(public(&labels));
    Ok((backup, snapshot, manifest))
}

/// The canonical stores that are meant, whose snapshots count, and where the plan lists what was
/// withdrawn.
struct Canonical {
    stores: CanonicalStores,
    accepts: Accepts,
    listed: Option<(StoreSpec, PathBuf)>,
}

impl Canonical {
    async fn withdrawals(&self) -> Result<Withdrawals, Failure> {
        match &self.listed {
            Some((spec, plan)) => recovery::withdrawals(spec, plan).await,
            None => Ok(Withdrawals::default()),
        }
    }
}

/// Reads what the command line and the plan say of the canonical stores.
fn canonical(args: &VerifyArgs) -> Result<Canonical, Trouble> {
    let Some(plan) = &args.plan else {
        let stores = stores::canonical(std::slice::from_ref(&args.store))?;
        return Ok(Canonical { stores, accepts: Accepts::Any, listed: None });
    };
    let chosen = choose(&EnvArgs { plan: plan.clone(), env: args.env.clone() })?;
    let environment = chosen.plan.environment(&chosen.env).map_err(|problem| vec![problem])?;
    let accepts = recovery::accepts(environment, &chosen.env);
    let zones = recovery::zones_of(environment, plan)?;
    let stores = CanonicalStores::new(stores::open(&args.store)?, zones);
    let listed = environment.withdrawals.clone().map(|spec| (spec, plan.clone()));
    Ok(Canonical { stores, accepts, listed })
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
        n => counted(n as u64, "finding"),
    };
    let against = match &verified.snapshot {
        Some(snapshot) => format!("against snapshot {}", snapshot.short()),
        None => "by their own catalogs, manifests and ledger".to_owned(),
    };
    format!(
        "{verdict}: {}, {}, {against}{}",
        counted(verified.objects_checked, "object"),
        size(verified.bytes_checked),
        super::findings::list(&verified.findings)
    )
}
