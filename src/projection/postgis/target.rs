use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use sqlx::{PgConnection, PgPool};

use super::encoding::PgCopy;
use super::{PostgisError, Roles, around, others, read, registry, show, stage, switch, table};
use crate::digest::Digest;
use crate::model::{Covers, Failure, JobId, Proof, Sink, TableSink};
use crate::postgres::{CopyEncoder, PgError, has_registry};
use crate::projection::{
    Change, Generation, Held, LastSwitch, Projection, Refusal, StageContext, Stored,
};
use crate::proof::{EncodedStream, RowEncoding, RowsStream};

/// Tables in one PostgreSQL database with PostGIS.
#[derive(Debug, Clone)]
pub(crate) struct PostgisProjection {
    pool: PgPool,
    roles: Roles,
}

impl PostgisProjection {
    /// Uses the database that `pool` reaches.
    pub(crate) fn new(pool: PgPool, roles: Roles) -> Self {
        Self { pool, roles }
    }

    async fn held(&self, generation: &Generation) -> Result<Held, PostgisError> {
        let failed = PgError::sql("look for a generation");
        let (job, digest) = (&generation.job, &generation.digest);
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        let home = table::generation_schema(digest);
        let mut recorded = None;
        if has_registry(&self.pool).await? {
            recorded = registry::recorded(&mut connection, job, digest).await?;
        }
        let Some(recorded) = recorded else {
            let there = schema_exists(&mut connection, &home).await?;
            return Ok(if there { Held::Partial } else { Held::Absent });
        };
        let stored = table::table_of(&recorded.sink)?;
        if !table_exists(&mut connection, &home, stored).await? {
            // Somebody dropped it: the record proves nothing any more.
            return Ok(Held::Absent);
        }
        let Some(proof) = recorded.proof.filter(|proof| proof.proven) else {
            return Ok(Held::Partial);
        };
        let live = registry::live(&mut connection, job).await?;
        // What somebody dropped, or is declared otherwise by now, is put right by a switch to the
        // same generation.
        let is_live = live.generation == Some(*digest)
            && self.is_shown(&mut connection, generation, stored).await?;
        Ok(if is_live { Held::Live(proof) } else { Held::Complete(proof) })
    }

    /// Whether readers get it, with all that is declared around it.
    async fn is_shown(
        &self,
        connection: &mut PgConnection,
        generation: &Generation,
        stored: &TableSink,
    ) -> Result<bool, PostgisError> {
        let wanted = around::effective(stored, table::table_of(&generation.sink)?);
        let (job, digest) = (&generation.job, &generation.digest);
        Ok(show::is_shown(connection, digest, stored).await?
            && around::is_whole(connection, job, digest, stored, &wanted).await?)
    }

    async fn told(&self, job: &JobId, sink: &Sink) -> Result<Vec<String>, PostgisError> {
        if !has_registry(&self.pool).await? {
            return Ok(Vec::new());
        }
        let failed = PgError::sql("look for what others have built upon a live table");
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        others::told(&mut connection, job, table::table_of(sink)?).await
    }

    async fn state(&self, job: &JobId) -> Result<registry::Live, PostgisError> {
        if !has_registry(&self.pool).await? {
            return Ok(registry::Live::default());
        }
        let failed = PgError::sql("read what is live");
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        registry::live(&mut connection, job).await
    }

    async fn list_live(&self) -> Result<BTreeMap<JobId, Digest>, PostgisError> {
        if !has_registry(&self.pool).await? {
            return Ok(BTreeMap::new());
        }
        let failed = PgError::sql("list what is live");
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        registry::all_live(&mut connection).await
    }

    async fn record_proof(
        &self,
        generation: &Generation,
        proof: &Proof,
    ) -> Result<(), PostgisError> {
        let (job, digest) = (generation.job.clone(), generation.digest);
        if !proof.proven {
            return Err(Refusal::unproven(&job, &digest).into());
        }
        let failed = PgError::sql("record a proof");
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        if registry::record_proof(&mut connection, generation, proof).await? {
            return Ok(());
        }
        Err(Refusal::absent(&job, &digest).into())
    }

    async fn revoke_proof(&self, generation: &Generation) -> Result<(), PostgisError> {
        let failed = PgError::sql("take a proof away");
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        registry::revoke_proof(&mut connection, &generation.job, &generation.digest).await
    }

    async fn list(&self, job: &JobId) -> Result<Vec<Stored>, PostgisError> {
        if !has_registry(&self.pool).await? {
            return Ok(Vec::new());
        }
        let failed = PgError::sql("list the generations of a job");
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        registry::stored(&mut connection, job).await
    }

    async fn drop_generation(&self, generation: &Generation) -> Result<(), PostgisError> {
        if !has_registry(&self.pool).await? {
            return Ok(());
        }
        let (job, digest) = (&generation.job, &generation.digest);
        let last = self.state(job).await?.last_switch();
        if last.and_then(|last| last.former) == Some(*digest) {
            return Err(Refusal::in_use(job, digest, "the one to go back to").into());
        }
        stage::discard(&self.pool, generation).await
    }
}

async fn schema_exists(connection: &mut PgConnection, schema: &str) -> Result<bool, PgError> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
        .bind(schema)
        .fetch_one(connection)
        .await
        .map_err(PgError::sql("look for a generation"))
}

async fn table_exists(
    connection: &mut PgConnection,
    schema: &str,
    table: &TableSink,
) -> Result<bool, PgError> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'r')",
    )
    .bind(schema)
    .bind(&table.table)
    .fetch_one(connection)
    .await
    .map_err(PgError::sql("look for a generation"))
}

#[async_trait]
impl Projection for PostgisProjection {
    fn covers(&self, sink: &Sink) -> Covers {
        let words = "every row of the table, duplicates counted, with all declared columns, byte \
                     for byte as PostgreSQL stores them";
        let fields = match sink {
            Sink::Postgis(table) => table.columns.as_slice(),
            _ => &[],
        };
        let fields = fields.iter().map(|column| column.name.clone());
        Covers::of(words, fields)
    }

    fn encoding(&self, sink: &Sink, schema: &SchemaRef) -> Result<Arc<dyn RowEncoding>, Failure> {
        let table = table::table_of(sink)?;
        Ok(Arc::new(PgCopy(CopyEncoder::new(&table.columns, schema)?)))
    }

    async fn holds(&self, generation: &Generation) -> Result<Held, Failure> {
        Ok(self.held(generation).await?)
    }

    async fn stage(
        &self,
        generation: &Generation,
        rows: EncodedStream,
        cx: &StageContext,
    ) -> Result<u64, Failure> {
        Ok(stage::stage(&self.pool, generation, rows, cx).await?)
    }

    async fn read_back(&self, generation: &Generation) -> Result<RowsStream, Failure> {
        Ok(read::read_back(&self.pool, generation).await?)
    }

    async fn count(&self, generation: &Generation) -> Result<u64, Failure> {
        Ok(read::count(&self.pool, generation).await?)
    }

    async fn record(&self, generation: &Generation, proof: &Proof) -> Result<(), Failure> {
        Ok(self.record_proof(generation, proof).await?)
    }

    async fn revoke(&self, generation: &Generation) -> Result<(), Failure> {
        Ok(self.revoke_proof(generation).await?)
    }

    async fn live(&self, job: &JobId) -> Result<Option<Digest>, Failure> {
        Ok(self.state(job).await?.generation)
    }

    async fn all_live(&self) -> Result<BTreeMap<JobId, Digest>, Failure> {
        Ok(self.list_live().await?)
    }

    async fn last_switch(&self, job: &JobId) -> Result<Option<LastSwitch>, Failure> {
        Ok(self.state(job).await?.last_switch())
    }

    async fn prepare(&self, set: &[Change]) -> Result<(), Failure> {
        Ok(switch::prepare(&self.pool, set, self.roles).await?)
    }

    async fn switch(&self, set: &[Change], cx: &StageContext) -> Result<(), Failure> {
        Ok(switch::switch(&self.pool, set, cx, self.roles, switch::AFTER).await?)
    }

    async fn others(&self, job: &JobId, sink: &Sink) -> Result<Vec<String>, Failure> {
        Ok(self.told(job, sink).await?)
    }

    async fn stored(&self, job: &JobId) -> Result<Vec<Stored>, Failure> {
        Ok(self.list(job).await?)
    }

    async fn discard(&self, generation: &Generation) -> Result<(), Failure> {
        Ok(self.drop_generation(generation).await?)
    }
}
