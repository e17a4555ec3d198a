//! What the server itself remembers: tries, generations with their proofs, and which are live.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::SparqlError;
use super::client::{Client, Solution};
use super::lock::not_taken;
use super::names::{self, term};
use crate::digest::Digest;
use crate::model::{JobId, Proof, RunId};
use crate::projection::{LastSwitch, StageContext};

type Result<T> = std::result::Result<T, SparqlError>;

/// A graph that holds a part of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) graph: String,
    /// The graph of the data that it stands for, as `<IRI>`; empty is the default graph.
    pub(super) stands_for: String,
}

/// One try to build a generation.
#[derive(Debug, Clone, Default)]
pub(super) struct Attempt {
    pub(super) run: Option<RunId>,
    pub(super) epoch: u64,
    pub(super) parts: Vec<Part>,
}

/// What is recorded of a generation.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorded {
    pub(super) attempts: BTreeMap<String, Attempt>,
    /// The try that came to its end.
    pub(super) listed: Option<String>,
    /// The proof of that very try.
    pub(super) proof: Option<Proof>,
    pub(super) was_live: bool,
}

impl Recorded {
    /// The graphs of the try that came to its end.
    pub(super) fn parts(&self) -> Option<&[Part]> {
        Some(&self.attempts.get(self.listed.as_ref()?)?.parts)
    }
}

/// What is live of a job.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    pub(super) generation: Option<Digest>,
    pub(super) former: Option<Digest>,
    pub(super) run: Option<RunId>,
    pub(super) epoch: u64,
    pub(super) at: Option<DateTime<Utc>>,
}

impl Live {
    pub(super) fn last_switch(&self) -> Option<LastSwitch> {
        Some(LastSwitch { former: self.former, run: self.run?, at: self.at? })
    }
}

/// The values of each property of a subject.
type Properties = BTreeMap<String, Vec<String>>;

/// The condition that no later holder of the run has written a thing.
pub(super) fn not_overtaken(registry: &str, subject: &str, cx: &StageContext) -> String {
    let (run, epoch, about) = (term("run"), term("epoch"), term("about"));
    format!(
        "FILTER NOT EXISTS {{ GRAPH <{registry}> {{ ?later {about} <{subject}> ; {run} \"{}\" ; \
         {epoch} ?epoch . FILTER(?epoch > {}) }} }}",
        cx.run, cx.epoch
    )
}

impl Client {
    /// Reads what is recorded of a generation.
    pub(super) async fn recorded(&self, generation: &str) -> Result<Recorded> {
        let (registry, about) = (self.space().registry(), term("about"));
        let query = format!(
            "SELECT ?s ?p ?o WHERE {{ GRAPH <{registry}> {{ ?s {about} <{generation}> ; ?p ?o }} }}"
        );
        let found = self.select("read the record of a generation", &query).await?;
        self.fold(generation, &by_subject(found))
    }

    /// Lists the generations of a job with what is recorded of each.
    pub(super) async fn all_recorded(&self, job: &JobId) -> Result<Vec<(Digest, Recorded)>> {
        let (registry, job) = (self.space().registry(), names::job(job));
        let (of, about) = (term("of"), term("about"));
        let query = format!(
            "SELECT ?g ?s ?p ?o WHERE {{ GRAPH <{registry}> {{ ?g {of} <{job}> . \
             ?s {about} ?g ; ?p ?o }} }}"
        );
        let found = self.select("list the generations of a job", &query).await?;
        let mut all: BTreeMap<String, Vec<Solution>> = BTreeMap::new();
        for row in found {
            all.entry(row.get("g").cloned().unwrap_or_default()).or_default().push(row);
        }
        let read = |(name, rows): (String, Vec<Solution>)| {
            let digest = names::digest_of(&name);
            let digest = digest.ok_or_else(|| self.malformed("list the generations of a job"))?;
            Ok((digest, self.fold(&name, &by_subject(rows))?))
        };
        all.into_iter().map(read).collect()
    }

    fn fold(&self, generation: &str, found: &BTreeMap<String, Properties>) -> Result<Recorded> {
        let mut recorded = Recorded::default();
        let own = found.get(generation);
        recorded.listed = own.and_then(|own| first(own, "listed"));
        recorded.was_live = own.is_some_and(|own| first(own, "was-live").is_some());
        let proves = own.and_then(|own| first(own, "proves"));
        if let (Some(own), true) = (own, proves.is_some() && proves == recorded.listed) {
            let proof = first(own, "proof").map(|json| serde_json::from_str(&json));
            recorded.proof = proof.transpose()?;
        }
        for (subject, own) in found.iter().filter(|(_, own)| first(own, "run").is_some()) {
            let run = first(own, "run").and_then(|run| run.parse().ok());
            let epoch = first(own, "epoch").and_then(|epoch| epoch.parse().ok());
            let epoch = epoch.ok_or_else(|| self.malformed("read the record of a generation"))?;
            let graphs: BTreeSet<_> = all(own, "part").iter().cloned().collect();
            let parts = graphs.into_iter().map(|graph| {
                let known = found.get(&graph).and_then(|part| first(part, "stands-for"));
                let stands_for = known.map(|iri| format!("<{iri}>")).unwrap_or_default();
                Part { graph, stands_for }
            });
            let attempt = Attempt { run, epoch, parts: parts.collect() };
            recorded.attempts.insert(subject.clone(), attempt);
        }
        Ok(recorded)
    }

    /// Reads what is live of a job.
    pub(super) async fn live_of(&self, job: &JobId) -> Result<Live> {
        const DOING: &str = "read what is live";
        let (registry, subject) = (self.space().registry(), names::job(job));
        let query = format!("SELECT ?p ?o WHERE {{ GRAPH <{registry}> {{ <{subject}> ?p ?o }} }}");
        let mut rows = self.select(DOING, &query).await?;
        for row in &mut rows {
            row.insert("s".to_owned(), subject.clone());
        }
        let found = by_subject(rows);
        let Some(own) = found.get(&subject) else { return Ok(Live::default()) };
        let digest = |name: &str| -> Result<Option<Digest>> {
            let Some(found) = first(own, name) else { return Ok(None) };
            names::digest_of(&found).map(Some).ok_or_else(|| self.malformed(DOING))
        };
        Ok(Live {
            generation: digest("live")?,
            former: digest("former")?,
            run: first(own, "run").and_then(|run| run.parse().ok()),
            epoch: first(own, "epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or_default(),
            at: first(own, "at")
                .and_then(|at| DateTime::parse_from_rfc3339(&at).ok())
                .map(|at| at.to_utc()),
        })
    }

    /// Lists what is live of every job.
    pub(super) async fn all_live(&self) -> Result<BTreeMap<JobId, Digest>> {
        const DOING: &str = "list what is live";
        let (registry, live) = (self.space().registry(), term("live"));
        let query =
            format!("SELECT ?job ?live WHERE {{ GRAPH <{registry}> {{ ?job {live} ?live }} }}");
        let found = self.select(DOING, &query).await?;
        let read = |row: Solution| {
            Some((names::job_of(row.get("job")?)?, names::digest_of(row.get("live")?)?))
        };
        found.into_iter().map(|row| read(row).ok_or_else(|| self.malformed(DOING))).collect()
    }

    /// Counts the quads in some graphs.
    pub(super) async fn count(&self, parts: &[Part]) -> Result<u64> {
        const DOING: &str = "count the quads of a generation";
        let mut sum = 0;
        // One after the other: a query that names very many graphs may be refused.
        for part in parts {
            let query = format!(
                "SELECT (COUNT(*) AS ?n) WHERE {{ GRAPH <{}> {{ ?s ?p ?o }} }}",
                part.graph
            );
            let found = self.select(DOING, &query).await?;
            let count = found.first().and_then(|row| row.get("n")?.parse::<u64>().ok());
            sum += count.ok_or_else(|| self.malformed(DOING))?;
        }
        Ok(sum)
    }

    /// Drops tries with their graphs: first what would make them count, then the graphs, and last
    /// what names them, so that a stop in between forgets none. For a run that fills the target
    /// each step is done only while no other has taken the lock: a former holder drops nothing.
    pub(super) async fn drop_attempts(
        &self,
        generation: &str,
        attempts: impl Iterator<Item = (&String, &Attempt)>,
        cx: Option<&StageContext>,
    ) -> Result<()> {
        let fence = cx.map(|cx| not_taken(self.space(), cx)).unwrap_or_default();
        self.unlist(generation, &fence).await?;
        for (name, attempt) in attempts {
            for part in &attempt.parts {
                self.update("drop a generation", drop_of(&part.graph, &fence)).await?;
                self.forget(&part.graph, &fence).await?;
            }
            self.forget(name, &fence).await?;
        }
        Ok(())
    }

    async fn unlist(&self, generation: &str, fence: &str) -> Result<()> {
        let registry = self.space().registry();
        let ours = ["listed", "proof", "proves"].map(term).join(" ");
        let update = format!(
            "DELETE {{ GRAPH <{registry}> {{ <{generation}> ?p ?o }} }} WHERE {{ VALUES ?p {{ {ours} }} \
             GRAPH <{registry}> {{ <{generation}> ?p ?o }} {fence} }}"
        );
        self.update("take a generation out of the list", update).await
    }

    /// Forgets all that is said of a thing, where the condition holds; an empty one always does.
    pub(super) async fn forget(&self, subject: &str, fence: &str) -> Result<()> {
        let registry = self.space().registry();
        let update = format!(
            "DELETE {{ GRAPH <{registry}> {{ <{subject}> ?p ?o }} }} \
             WHERE {{ GRAPH <{registry}> {{ <{subject}> ?p ?o }} {fence} }}"
        );
        self.update("forget a record", update).await
    }
}

/// Drops a graph, where the condition holds: `DROP` itself takes none.
fn drop_of(graph: &str, fence: &str) -> String {
    if fence.is_empty() {
        return format!("DROP SILENT GRAPH <{graph}>");
    }
    // Asked once, and not of each quad.
    format!(
        "DELETE {{ GRAPH <{graph}> {{ ?s ?p ?o }} }} \
         WHERE {{ {{ {fence} }} GRAPH <{graph}> {{ ?s ?p ?o }} }}"
    )
}

fn by_subject(rows: Vec<Solution>) -> BTreeMap<String, Properties> {
    let mut found: BTreeMap<String, Properties> = BTreeMap::new();
    for mut row in rows {
        let (Some(s), Some(p), Some(o)) = (row.remove("s"), row.remove("p"), row.remove("o"))
        else {
            continue;
        };
        found.entry(s).or_default().entry(p).or_default().push(o);
    }
    found
}

fn all<'a>(own: &'a Properties, name: &str) -> &'a [String] {
    own.get(&format!("urn:coppice:term:{name}")).map_or(&[], Vec::as_slice)
}

fn first(own: &Properties, name: &str) -> Option<String> {
    all(own, name).first().cloned()
}
