use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt as _;

use super::SparqlError;
use super::by_value::ByValue;
use super::client::Client;
use super::names::{self, term, text};
use super::registry::{Part, Recorded};
use super::{read, stage, switch};
use crate::digest::Digest;
use crate::model::{Covers, Failure, JobId, Proof, Sink};
use crate::projection::graph::source;
use crate::projection::graph::terms::{COLUMNS, check, schema};
use crate::projection::{
    Change, Generation, Held, LastSwitch, Projection, Refusal, StageContext, Stored,
};
use crate::proof::{EncodedStream, RowEncoding, RowsStream};

/// Graphs on a SPARQL server.
#[derive(Clone)]
pub(crate) struct SparqlProjection {
    pub(super) client: Client,
}

type Result<T> = std::result::Result<T, SparqlError>;

impl SparqlProjection {
    /// Fills the server that the client speaks with.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    async fn recorded(&self, generation: &Generation) -> Result<Recorded> {
        let name = names::generation(&generation.job, &generation.digest);
        self.client.recorded(&name).await
    }

    /// The graphs of a generation that came to its end.
    pub(super) async fn parts(&self, generation: &Generation) -> Result<Vec<Part>> {
        let found = self.recorded(generation).await?;
        let parts = found.parts().map(<[Part]>::to_vec);
        Ok(parts.ok_or_else(|| Refusal::absent(&generation.job, &generation.digest))?)
    }

    /// A generation's quads as a job would yield them, so that another target can be filled with
    /// them. What does not fit into memory is sorted in the folder `spill`.
    pub(crate) async fn quads(
        &self,
        generation: &Generation,
        spill: PathBuf,
    ) -> std::result::Result<SendableRecordBatchStream, Failure> {
        let parts = self.parts(generation).await?;
        let batches = read::batches(self.client.anew()?, parts);
        let batches = batches.map_err(|failure| DataFusionError::External(Box::new(failure)));
        Ok(source(Box::pin(RecordBatchStreamAdapter::new(schema(), batches)), spill))
    }

    async fn held(&self, generation: &Generation) -> Result<Held> {
        let found = self.recorded(generation).await?;
        if found.attempts.is_empty() {
            return Ok(Held::Absent);
        }
        let (Some(parts), Some(proof)) = (found.parts(), &found.proof) else {
            return Ok(Held::Partial);
        };
        if self.client.count(parts).await? != proof.rows {
            return Ok(Held::Partial);
        }
        let live = self.client.live_of(&generation.job).await?.generation;
        let proof = proof.clone();
        Ok(if live == Some(generation.digest) { Held::Live(proof) } else { Held::Complete(proof) })
    }

    async fn refuse_live(&self, generation: &Generation) -> Result<()> {
        let (job, digest) = (&generation.job, &generation.digest);
        if self.client.live_of(job).await?.generation == Some(*digest) {
            return Err(Refusal::in_use(job, digest, "live").into());
        }
        Ok(())
    }

    async fn keep(&self, generation: &Generation, proof: &Proof) -> Result<()> {
        let (job, digest) = (&generation.job, &generation.digest);
        if !proof.proven {
            return Err(Refusal::unproven(job, digest).into());
        }
        let listed = self.recorded(generation).await?.listed;
        let listed = listed.ok_or_else(|| Refusal::absent(job, digest))?;
        let (registry, name) = (self.client.space().registry(), names::generation(job, digest));
        let json = text(&serde_json::to_string(proof)?);
        let (list, proves, kept) = (term("listed"), term("proves"), term("proof"));
        let update = format!(
            "DELETE {{ GRAPH <{registry}> {{ <{name}> {kept} ?old ; {proves} ?of }} }} \
             INSERT {{ GRAPH <{registry}> {{ <{name}> {kept} {json} ; {proves} <{listed}> }} }} \
             WHERE {{ GRAPH <{registry}> {{ <{name}> {list} <{listed}> }} \
             OPTIONAL {{ GRAPH <{registry}> {{ <{name}> {kept} ?old ; {proves} ?of }} }} }}"
        );
        self.client.update("record a proof", update).await?;
        match self.recorded(generation).await?.proof {
            Some(_) => Ok(()),
            // It was dropped meanwhile.
            None => Err(Refusal::absent(job, digest).into()),
        }
    }

    async fn take_away(&self, generation: &Generation) -> Result<()> {
        let registry = self.client.space().registry();
        let name = names::generation(&generation.job, &generation.digest);
        let (proves, kept) = (term("proves"), term("proof"));
        let update = format!(
            "DELETE {{ GRAPH <{registry}> {{ <{name}> ?p ?o }} }} WHERE {{ \
             VALUES ?p {{ {proves} {kept} }} GRAPH <{registry}> {{ <{name}> ?p ?o }} }}"
        );
        self.client.update("take a proof away", update).await
    }

    async fn remove(&self, generation: &Generation) -> Result<()> {
        let (job, digest) = (&generation.job, &generation.digest);
        self.refuse_live(generation).await?;
        if self.client.live_of(job).await?.former == Some(*digest) {
            return Err(Refusal::in_use(job, digest, "the one to go back to").into());
        }
        let name = names::generation(job, digest);
        let found = self.client.recorded(&name).await?;
        self.client.drop_attempts(&name, found.attempts.iter(), None).await?;
        self.client.forget(&name, "").await
    }
}

#[async_trait]
impl Projection for SparqlProjection {
    fn covers(&self, _sink: &Sink) -> Covers {
        let words = "every distinct quad, read back from the SPARQL server; numbers, times and truth \
                     values by their value";
        Covers::of(words, COLUMNS)
    }

    fn encoding(
        &self,
        _sink: &Sink,
        schema: &SchemaRef,
    ) -> std::result::Result<Arc<dyn RowEncoding>, Failure> {
        check(schema)?;
        Ok(Arc::new(ByValue))
    }

    async fn holds(&self, generation: &Generation) -> std::result::Result<Held, Failure> {
        Ok(self.held(generation).await?)
    }

    async fn stage(
        &self,
        generation: &Generation,
        rows: EncodedStream,
        cx: &StageContext,
    ) -> std::result::Result<u64, Failure> {
        // Asked first: what is live by now may be what the other has switched.
        self.client.refuse_taken(cx).await?;
        self.refuse_live(generation).await?;
        stage::stage(&self.client, generation, rows, cx).await
    }

    async fn read_back(&self, generation: &Generation) -> std::result::Result<RowsStream, Failure> {
        let parts = self.parts(generation).await?;
        Ok(read::read(self.client.anew()?, parts))
    }

    async fn count(&self, generation: &Generation) -> std::result::Result<u64, Failure> {
        let parts = self.parts(generation).await?;
        Ok(self.client.count(&parts).await?)
    }

    async fn record(
        &self,
        generation: &Generation,
        proof: &Proof,
    ) -> std::result::Result<(), Failure> {
        Ok(self.keep(generation, proof).await?)
    }

    async fn revoke(&self, generation: &Generation) -> std::result::Result<(), Failure> {
        Ok(self.take_away(generation).await?)
    }

    async fn live(&self, job: &JobId) -> std::result::Result<Option<Digest>, Failure> {
        Ok(self.client.live_of(job).await?.generation)
    }

    async fn all_live(&self) -> std::result::Result<BTreeMap<JobId, Digest>, Failure> {
        Ok(self.client.all_live().await?)
    }

    async fn last_switch(&self, job: &JobId) -> std::result::Result<Option<LastSwitch>, Failure> {
        Ok(self.client.live_of(job).await?.last_switch())
    }

    async fn prepare(&self, set: &[Change]) -> std::result::Result<(), Failure> {
        switch::pending(&self.client, set, None).await?;
        Ok(())
    }

    async fn switch(&self, set: &[Change], cx: &StageContext) -> std::result::Result<(), Failure> {
        Ok(switch::switch(&self.client, set, cx).await?)
    }

    async fn stored(&self, job: &JobId) -> std::result::Result<Vec<Stored>, Failure> {
        let all = self.client.all_recorded(job).await?;
        let held = all.into_iter().filter(|(_, found)| !found.attempts.is_empty());
        let stored = |(digest, found): (Digest, Recorded)| {
            let newest = found.attempts.values().max_by_key(|attempt| (attempt.run, attempt.epoch));
            let listed = found.listed.as_ref().and_then(|listed| found.attempts.get(listed));
            let run = listed.or(newest).and_then(|attempt| attempt.run);
            let complete = found.proof.is_some();
            Stored { digest, run, complete, was_live: found.was_live }
        };
        Ok(held.map(stored).collect())
    }

    async fn discard(&self, generation: &Generation) -> std::result::Result<(), Failure> {
        Ok(self.remove(generation).await?)
    }
}
