//! The names that we use on a server. Readers follow `live` and `part`; the rest is ours.

use oxigraph::model::Literal;

use crate::digest::Digest;
use crate::model::{JobId, RunId};
use crate::projection::{Generation, StageContext};

/// What all names of an environment's graphs begin with.
const ENVIRONMENT: &str = "urn:coppice:";
const SCRATCH: &str = "urn:coppice:scratch:";
const JOB: &str = "urn:coppice:job:";

/// Whose graphs on a server are meant. Every graph that is read or written is named by it, so that a
/// rehearsal cannot name one of an environment, nor of another rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Space(String);

impl Space {
    /// Those of the environment that the server belongs to.
    pub(crate) fn environment() -> Self {
        Self(ENVIRONMENT.to_owned())
    }

    /// Those of one rehearsal.
    pub(crate) fn scratch(run: RunId) -> Self {
        Self(format!("{SCRATCH}{run}:"))
    }

    pub(super) fn is_scratch(&self) -> bool {
        self.0.starts_with(SCRATCH)
    }

    /// The graph that says what there is, and what is live.
    pub(super) fn registry(&self) -> String {
        format!("{}registry", self.0)
    }

    /// The graph of the marker.
    pub(super) fn marker(&self) -> String {
        format!("{}environment", self.0)
    }

    /// The graph of the lock.
    pub(super) fn lock(&self) -> String {
        format!("{}lock", self.0)
    }

    /// One try to build a generation: a later holder of the run has another.
    pub(super) fn attempt(&self, generation: &Generation, cx: &StageContext) -> String {
        let name = format!("{}:{}", generation.job, generation.digest.hex());
        format!("{}attempt:{name}:{:020}-{}", self.0, cx.epoch, cx.run)
    }
}

/// `<urn:coppice:term:name>`.
pub(super) fn term(name: &str) -> String {
    format!("<urn:coppice:term:{name}>")
}

pub(super) fn job(job: &JobId) -> String {
    format!("{JOB}{job}")
}

pub(super) fn generation(job: &JobId, digest: &Digest) -> String {
    format!("urn:coppice:generation:{job}:{}", digest.hex())
}

/// The graph that holds what a try has of one graph of the data; `""` is the default graph.
pub(super) fn part(attempt: &str, graph: &str) -> String {
    let name = match graph {
        "" => "default".to_owned(),
        graph => Digest::blake3(graph.as_bytes()).hex()[..32].to_owned(),
    };
    format!("{attempt}:{name}")
}

/// The job that a name stands for.
pub(super) fn job_of(name: &str) -> Option<JobId> {
    name.strip_prefix(JOB)?.parse().ok()
}

/// The digest in the name of a generation.
pub(super) fn digest_of(generation: &str) -> Option<Digest> {
    format!("blake3:{}", generation.rsplit_once(':')?.1).parse().ok()
}

/// A text as SPARQL has it.
pub(super) fn text(text: &str) -> String {
    Literal::new_simple_literal(text).to_string()
}
