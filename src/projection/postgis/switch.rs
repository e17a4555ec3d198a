//! Puts a set of generations live, or proves that it could be done, in one transaction.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use super::around::{self, Roles};
use super::live::{self, LiveTables};
use super::patience::{Hold, patiently};
use super::{PostgisError, others, registry, show, table};
use crate::digest::Digest;
use crate::model::{JobId, Meter, Sink, TableSink};
use crate::postgres::{PgError, execute, has_registry, sql};
use crate::projection::{Change, Refusal, StageContext};

/// How long locks that others hold are waited for before the decision, when giving up is free.
const BEFORE: Duration = Duration::from_secs(30);
/// How long after it: a reader in the middle of a long query delays a switch, and stops none.
pub(super) const AFTER: Duration = Duration::from_mins(15);

type Result<T> = std::result::Result<T, PostgisError>;

/// Does the whole switch and takes it back: what could be in its way has then shown.
pub(super) async fn prepare(pool: &PgPool, set: &[Change], roles: Roles) -> Result<()> {
    if !has_registry(pool).await? {
        return match set.iter().find_map(|change| Some((&change.job, change.to.or(change.from)?))) {
            Some((job, generation)) => Err(Refusal::absent(job, &generation).into()),
            None => Ok(()),
        };
    }
    let (never, nobody) = (CancellationToken::new(), Meter::default());
    let tables = tables(set);
    patiently(pool, &tables, BEFORE, (&never, &nobody), || attempt(pool, set, None, roles)).await
}

/// Puts the set live, waiting for others as long as `patience`.
pub(super) async fn switch(
    pool: &PgPool,
    set: &[Change],
    cx: &StageContext,
    roles: Roles,
    patience: Duration,
) -> Result<()> {
    crate::postgres::ensure_registry(pool).await?;
    let tables = tables(set);
    let told = (&cx.cancel, &cx.meter);
    patiently(pool, &tables, patience, told, || attempt(pool, set, Some(cx), roles)).await
}

fn tables(set: &[Change]) -> Vec<TableSink> {
    let tables = set.iter().filter_map(|change| match &change.sink {
        Sink::Postgis(table) => Some(table.clone()),
        _ => None,
    });
    tables.collect()
}

/// What is live of a job, or will be.
type Shown = Option<(Digest, TableSink)>;

/// One job of the set.
struct Step<'a> {
    job: &'a JobId,
    from: Shown,
    to: Shown,
    /// Whether the generation is live by the record already.
    stands: bool,
}

impl Step<'_> {
    /// What was put around the same name before.
    fn former(&self) -> Option<&TableSink> {
        let (_, to) = self.to.as_ref()?;
        let (_, from) = self.from.as_ref()?;
        ((&from.schema, &from.table) == (&to.schema, &to.table)).then_some(from)
    }
}

async fn attempt(
    pool: &PgPool,
    set: &[Change],
    cx: Option<&StageContext>,
    roles: Roles,
) -> Result<()> {
    let failed = PgError::sql("switch what is live");
    let mut connection = pool.acquire().await.map_err(&failed)?;
    let mut transaction = connection.begin().await.map_err(&failed)?;
    let mut hold = Hold::of(&mut transaction).await?;
    let lock = sql("LOCK TABLE coppice.live IN SHARE ROW EXCLUSIVE MODE", &[]);
    execute(&mut transaction, "lock what is live", &lock).await?;
    if let Some(cx) = cx {
        live::fence(&mut transaction, cx).await?;
    }
    let steps = steps(&mut transaction, set, cx).await?;
    refer(&mut transaction, &steps).await?;
    show_all(&mut transaction, &steps, roles, &mut hold).await?;
    let Some(cx) = cx else {
        transaction.rollback().await.map_err(&failed)?;
        return Ok(());
    };
    for step in &steps {
        let name = |shown: &Shown| shown.as_ref().map(|(digest, _)| *digest);
        let (to, from) = (name(&step.to), name(&step.from));
        if !step.stands {
            registry::set_live(&mut transaction, step.job, to, from, cx).await?;
            registry::mark_shown(&mut transaction, step.job, [to, from]).await?;
        }
        if let Some((digest, table)) = &step.to {
            live::record_sink(&mut transaction, step.job, digest, table).await?;
        }
    }
    Ok(transaction.commit().await.map_err(&failed)?)
}

/// Compares what is live with the set. Nothing is changed.
async fn steps<'a>(
    connection: &mut PgConnection,
    set: &'a [Change],
    cx: Option<&StageContext>,
) -> Result<Vec<Step<'a>>> {
    let mut steps = Vec::new();
    for change in set {
        let job = &change.job;
        let live = registry::live(connection, job).await?;
        if let Some(cx) = cx {
            live.fence(cx)?;
        }
        let stands = live.generation == change.to;
        if !stands && live.generation != change.from {
            return Err(Refusal::NotFormer { job: job.clone(), live: live.generation }.into());
        }
        let from = match live.generation {
            Some(digest) => {
                recorded(connection, job, &digest).await?.map(|stored| (digest, stored))
            }
            None => None,
        };
        let to = match change.to {
            Some(digest) => {
                let stored = proven_table(connection, job, &digest).await?;
                let declared = table::table_of(&change.sink)?;
                Some((digest, around::effective(&stored, declared)))
            }
            None => None,
        };
        if let (false, Some((digest, stored))) = (stands, &from) {
            others::refuse_to_leave(connection, digest, stored).await?;
        }
        steps.push(Step { job, from, to, stands });
    }
    Ok(steps)
}

/// Makes the foreign keys of what will be live, before anything that readers feel.
async fn refer(connection: &mut PgConnection, steps: &[Step<'_>]) -> Result<()> {
    let mut after: LiveTables = live::live_tables(connection).await?;
    for step in steps {
        match &step.to {
            Some(shown) => drop(after.insert(step.job.clone(), shown.clone())),
            None => drop(after.remove(step.job)),
        }
    }
    let in_set = |job: &JobId| steps.iter().any(|step| step.job == job);
    around::refer(connection, &after, in_set).await
}

async fn show_all(
    connection: &mut PgConnection,
    steps: &[Step<'_>],
    roles: Roles,
    hold: &mut Hold,
) -> Result<()> {
    // Names go first: one job may take the name that another gives up.
    for step in steps.iter().filter(|step| !step.stands && step.former().is_none()) {
        if let Some((_, old)) = &step.from {
            show::remove(connection, step.job, old, hold).await?;
        }
    }
    for step in steps {
        let Some((digest, table)) = &step.to else { continue };
        if step.stands && stands_whole(connection, step.job, digest, table).await? {
            continue;
        }
        show::show(connection, step.job, digest, table, step.former(), (roles, hold)).await?;
        around::drop_undeclared(connection, digest, table, hold).await?;
    }
    Ok(())
}

/// Live by the record, though somebody may have dropped the view or what stands around it.
async fn stands_whole(
    connection: &mut PgConnection,
    job: &JobId,
    digest: &Digest,
    table: &TableSink,
) -> Result<bool> {
    let Some(recorded) = recorded(connection, job, digest).await? else { return Ok(false) };
    Ok(show::is_shown(connection, digest, table).await?
        && around::is_whole(connection, job, digest, &recorded, table).await?)
}

async fn recorded(
    connection: &mut PgConnection,
    job: &JobId,
    generation: &Digest,
) -> Result<Option<TableSink>> {
    let recorded = registry::recorded(connection, job, generation).await?;
    recorded.map(|recorded| Ok(table::table_of(&recorded.sink)?.clone())).transpose()
}

/// The table of a generation that may go live: nothing is live without a proof.
async fn proven_table(
    connection: &mut PgConnection,
    job: &JobId,
    generation: &Digest,
) -> Result<TableSink> {
    let recorded = registry::recorded(connection, job, generation).await?;
    let recorded = recorded.ok_or_else(|| Refusal::absent(job, generation))?;
    if !recorded.proof.as_ref().is_some_and(|proof| proof.proven) {
        return Err(Refusal::unproven(job, generation).into());
    }
    let Sink::Postgis(_) = &recorded.sink else {
        return Err(PostgisError::Malformed { job: job.to_string() });
    };
    Ok(table::table_of(&recorded.sink)?.clone())
}
