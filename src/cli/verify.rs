//! `coppice verify`: proves a backup store's snapshot, or a canonical store against one.

use super::args::{EnvArgs, Global, VerifyArgs};
use super::exit::Exit;
use super::output::{self, Trouble};
use super::plans::choose;
use super::progress::{Progress, until_interrupted};
use super::stores;
use crate::canonical::{
    Accepts, BackupStore, CanonicalStores, Choice, Filter, Verified, Verify, verify_backup,
    verify_whole,
};
use crate::model::{Failure, Meter};
use crate::recovery;
use crate::report;

/// Objects read at once.
const AT_ONCE: usize = 8;

/// `coppice verify`.
pub(super) async fn run(global: &Global, args: &VerifyArgs) -> Result<Exit, Trouble> {
    let choice = match (&args.snapshot, args.as_of) {
        (Some(id), _) => Choice::Named(id.clone()),
        (None, Some(at)) => Choice::AsOf(at),
        (None, None) => Choice::NewestClean,
    };
    let backup = stores::open(args.against.as_ref().unwrap_or(&args.store))?;
    let backup = BackupStore::open(backup).await.map_err(Failure::from)?;
    let (stores, accepts) = against(args)?;
    let (snapshot, manifest) = backup.choose(&choice, &accepts).await.map_err(Failure::from)?;
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
                at_once: AT_ONCE,
                meter: &meter,
                cancel: &cancel,
            };
            verify_whole(&verify, snapshot, &manifest).await?
        }
    };
    drop(progress);
    output::result(global.format, &verified, || text(&verified))?;
    Ok(if verified.ok { Exit::Done } else { Exit::Found })
}

/// What is held against the snapshot, and whose snapshots count.
fn against(args: &VerifyArgs) -> Result<(Option<CanonicalStores>, Accepts), Trouble> {
    if args.against.is_none() {
        return Ok((None, Accepts::Any));
    }
    let Some(plan) = &args.plan else {
        return Ok((Some(stores::canonical(std::slice::from_ref(&args.store))?), Accepts::Any));
    };
    let chosen = choose(&EnvArgs { plan: plan.clone(), env: args.env.clone() })?;
    let environment = chosen.plan.environment(&chosen.env).map_err(|problem| vec![problem])?;
    let accepts = recovery::accepts(environment, &chosen.env);
    let zones = recovery::zones_of(environment, plan)?;
    Ok((Some(CanonicalStores::new(stores::open(&args.store)?, zones)), accepts))
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
