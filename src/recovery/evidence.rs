//! What a proof says beyond equal digests: what readers will look for is found in the published
//! projection, and what it holds is counted.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::graph_server::GraphServer;
use super::programs;
use super::source::tables;
use super::world::World;
use crate::model::{Code, CommandSink, Covers, Failure, Sink};
use crate::plan::ProveParams;
use crate::projection::graph::{Counts, GraphProjection};
use crate::projection::search::SearchProjection;
use crate::projection::tiles::TilesProjection;
use crate::projection::{Generation, Projection as _};

/// Records of a search index, and quads of a graph, that are looked for.
const SAMPLES: u32 = 50;
/// Memory that a quad takes while a graph answers SPARQL.
const QUAD_BYTES: u64 = 512;
/// Names of relations and labels that a proof lists; it goes into the journal.
const LISTED: usize = 40;

/// What was found and counted.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    words: Option<String>,
    counts: BTreeMap<String, u64>,
}

impl Evidence {
    fn of(words: impl Into<String>) -> Self {
        Self { words: Some(words.into()), counts: BTreeMap::new() }
    }

    /// Says it in what the proof covers.
    pub(super) fn add_to(self, covers: &mut Covers) {
        if let Some(words) = self.words {
            covers.words = format!("{}; {words}", covers.words);
        }
        covers.counts.extend(self.counts);
    }
}

/// Tiles: every source feature that has a place on the map is at the highest zoom. Search:
/// sampled records are found through the index. Graph: quads are counted by relation and label,
/// and sampled ones are found by SPARQL. Command: what the job declares as its check.
pub(super) async fn gather(
    world: &World,
    params: &ProveParams,
    generation: &Generation,
    cancel: &CancellationToken,
) -> Result<Evidence, Failure> {
    match &params.sink {
        Sink::Tiles(_) => tiles(world, params, generation).await,
        Sink::Search(_) => search(world, params, generation).await,
        Sink::Graph(_) => graph(world, params, generation).await,
        Sink::Postgis(_) => Ok(Evidence::default()),
        Sink::Command(CommandSink { check: Some(check), .. }) => {
            programs::check(world, params, check, generation, cancel).await?;
            Ok(Evidence::of(format!("{} ended with 0 on the files read back", check.program)))
        }
        Sink::Command(_) => Ok(Evidence::of("the job declares no check of its own")),
    }
}

async fn search(
    world: &World,
    params: &ProveParams,
    generation: &Generation,
) -> Result<Evidence, Failure> {
    let target = SearchProjection::new(world.targets.files().clone());
    let unfound = target.unfound_samples(generation, SAMPLES).await?.len();
    if unfound == 0 {
        return Ok(Evidence::of("sampled records are found by their own words"));
    }
    // Counted only: a record's id may be confidential.
    let message = format!("{unfound} sampled records of {} are not found by search", params.job);
    Err(Failure::permanent(Code::StepFailed, message)
        .hint("the index holds them and does not find them: its tokens do not fit its texts")
        .plain())
}

async fn tiles(
    world: &World,
    params: &ProveParams,
    generation: &Generation,
) -> Result<Evidence, Failure> {
    let target = TilesProjection::new(world.targets.files().clone());
    let pool = world.targets.pool().await?;
    let mut counts = BTreeMap::new();
    for layer in target.check_ids(generation, pool, &tables(&params.inputs)).await? {
        if layer.missing > 0 {
            let message = format!(
                "{} of {} features of the layer {} are in no tile of the highest zoom of {}",
                layer.missing, layer.eligible, layer.layer, params.job
            );
            return Err(Failure::permanent(Code::StepFailed, message)
                .hint("look for geometries that PostGIS cannot clip")
                .plain());
        }
        counts.insert(format!("features of {}", layer.layer), layer.eligible);
    }
    let words = "every source feature with a place on the map is at the highest zoom";
    Ok(Evidence { counts, ..Evidence::of(words) })
}

async fn graph(
    world: &World,
    params: &ProveParams,
    generation: &Generation,
) -> Result<Evidence, Failure> {
    if let Some(server) = world.targets.graph() {
        return graph_server(server, params, generation).await;
    }
    let target = GraphProjection::new(world.targets.files().clone());
    let found = target.invariants(generation).await?;
    // A relation or a label may be a cell value.
    let named = world.setting.public_jobs.contains(&params.job);
    let mut counts = BTreeMap::from([("quads".to_owned(), found.quads)]);
    for (what, by) in
        [("relation", &found.predicates), ("label", &found.types), ("graph", &found.graphs)]
    {
        list(&mut counts, what, by, named);
    }
    let memory = u64::from(world.setting.limits.query_memory_mib) << 20;
    if found.quads.saturating_mul(QUAD_BYTES) > memory {
        let words = "quads counted; not asked by SPARQL, for they exceed limits.query_memory_mib";
        return Ok(Evidence { counts, ..Evidence::of(words) });
    }
    match target.denied_samples(generation, found.quads, SAMPLES).await? {
        0 => Ok(Evidence { counts, ..Evidence::of("sampled quads are found by SPARQL") }),
        denied => {
            let message = format!("{denied} sampled quads of {} are denied by SPARQL", params.job);
            Err(Failure::permanent(Code::StepFailed, message)
                .hint("the archive holds them; look for a store that reads them another way")
                .plain())
        }
    }
}

/// The digests were held against each other on another way of reading; here the server's own count
/// is held against them, so that what queries see is what was proven.
async fn graph_server(
    server: &GraphServer,
    params: &ProveParams,
    generation: &Generation,
) -> Result<Evidence, Failure> {
    let target = server.projection().await?;
    let (counted, samples) = (target.count(generation).await?, target.samples(generation).await?);
    if samples.denied > 0 {
        let message =
            format!("{} sampled quads of {} are denied by SPARQL", samples.denied, params.job);
        return Err(Failure::permanent(Code::StepFailed, message)
            .hint("the server's graph store holds them and its queries deny them")
            .plain());
    }
    let counts =
        BTreeMap::from([("quads".to_owned(), counted), ("graphs".to_owned(), samples.graphs)]);
    Ok(Evidence { counts, ..Evidence::of("quads are counted, and sampled ones found, by SPARQL") })
}

/// Lists counts by name, the largest first, and the rest as one; where names may not be shown,
/// how many there are.
fn list(into: &mut BTreeMap<String, u64>, what: &str, counts: &Counts, named: bool) {
    if !named {
        into.insert(format!("{what}s"), counts.named.len() as u64);
        return;
    }
    let mut sorted: Vec<_> = counts.named.iter().collect();
    sorted.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    let others: u64 = sorted.iter().skip(LISTED).map(|(_, count)| **count).sum();
    for (name, count) in sorted.into_iter().take(LISTED) {
        let name = if name.is_empty() { "(default)" } else { name };
        into.insert(format!("{what} {name}"), *count);
    }
    if others + counts.others > 0 {
        into.insert(format!("other {what}s"), others + counts.others);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_only_where_they_may_be_and_never_too_many() {
        let named = (0..60u64).map(|n| (format!("<p:{n}>"), n + 1)).collect();
        let counts = Counts { named, others: 5 };
        let mut shown = BTreeMap::new();
        list(&mut shown, "relation", &counts, true);
        assert_eq!(shown.len(), LISTED + 1);
        assert_eq!(shown["relation <p:59>"], 60);
        assert_eq!(shown["other relations"], (1..=20).sum::<u64>() + 5);
        let mut hidden = BTreeMap::new();
        list(&mut hidden, "relation", &counts, false);
        assert_eq!(hidden, [("relations".to_owned(), 60)].into());
    }
}
