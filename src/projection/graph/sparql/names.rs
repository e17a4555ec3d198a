//! The names that we use on a server. Readers follow `live` and `part`; the rest is ours.

use oxigraph::model::Literal;

use crate::digest::Digest;
use crate::model::JobId;
use crate::projection::{Generation, StageContext};

/// The graph that says what there is, and what is live.
pub(super) const REGISTRY: &str = "urn:coppice:registry";

/// `<urn:coppice:term:name>`.
pub(super) fn term(name: &str) -> String {
    format!("<urn:coppice:term:{name}>")
}

pub(super) fn job(job: &JobId) -> String {
    format!("urn:coppice:job:{job}")
}

pub(super) fn generation(job: &JobId, digest: &Digest) -> String {
    format!("urn:coppice:generation:{job}:{}", digest.hex())
}

/// One try to build a generation: a later holder of the run has another.
pub(super) fn attempt(generation: &Generation, cx: &StageContext) -> String {
    let name = format!("{}:{}", generation.job, generation.digest.hex());
    format!("urn:coppice:attempt:{name}:{:020}-{}", cx.epoch, cx.run)
}

/// The graph that holds what a try has of one graph of the data; `""` is the default graph.
pub(super) fn part(attempt: &str, graph: &str) -> String {
    let name = match graph {
        "" => "default".to_owned(),
        graph => Digest::blake3(graph.as_bytes()).hex()[..32].to_owned(),
    };
    format!("{attempt}:{name}")
}

/// The digest in the name of a generation.
pub(super) fn digest_of(generation: &str) -> Option<Digest> {
    format!("blake3:{}", generation.rsplit_once(':')?.1).parse().ok()
}

/// A text as SPARQL has it.
pub(super) fn text(text: &str) -> String {
    Literal::new_simple_literal(text).to_string()
}
