use std::time::Duration;

use super::testing::{Server, endpoints};
use super::*;
use crate::model::{Code, Failure, FailureKind, GraphSink, Proof, RunId, Sink};
use crate::projection::graph::{source, terms};
use crate::projection::testing::{build, context, generation, put_live, texts};
use crate::projection::{Change, Generation, Held, Projection, StageContext};
use crate::proof::{compare, digest_rows, tee};
use chrono::Utc;

type Row = Vec<Option<String>>;

fn sink() -> Sink {
    Sink::Graph(GraphSink { graph_profile_version: 1 })
}

fn named(what: &str) -> Generation {
    generation("graph/kansas", what, &sink())
}

fn row(s: &str, p: &str, o: &str, g: Option<&str>) -> Row {
    let text = |text: &str| Some(text.to_owned());
    vec![text(s), text(p), text(o), g.map(str::to_owned)]
}

/// Every form of term, in two graphs and the default one.
fn forms() -> Vec<Row> {
    vec![
        row("<a:b>", "<a:p>", r#""é \u00E9""#, None),
        row("<a:b>", "<a:p>", r#""line\nbreak \"quoted\" \\ back""#, Some("<a:g>")),
        row("<a:b>", "<a:p>", r#""x"@EN"#, Some("<a:h>")),
        row(
            "<a:b>",
            "<a:p>",
            r#""007"^^<http://www.w3.org/2001/XMLSchema#nonNegativeInteger>"#,
            None,
        ),
        row("<a:b>", "<a:p>", "<a:o>", Some("<a:g>")),
        row("<a:b>", "<a:p>", "<a:o>", Some("<a:h>")),
    ]
}

/// More than one update takes.
fn many(count: usize) -> Vec<Row> {
    let object = |n: usize| format!("\"{n:06} {}\"", "x".repeat(100));
    (0..count).map(|n| row(&format!("<a:{}>", n % 7), "<a:p>", &object(n), Some("<a:g>"))).collect()
}

fn rows(rows: &[Row]) -> datafusion::execution::SendableRecordBatchStream {
    let spill = std::env::temp_dir().join("coppice-test-spill");
    source(texts(&terms::COLUMNS, rows), spill)
}

fn change(from: Option<&Generation>, to: Option<&Generation>) -> [Change; 1] {
    let digest = |generation: Option<&Generation>| generation.map(|generation| generation.digest);
    let one = from.or(to).unwrap();
    [Change { job: one.job.clone(), sink: sink(), from: digest(from), to: digest(to) }]
}

/// The graphs of quads that a client's space has.
async fn graphs(client: &Client) -> usize {
    let registry = client.space().registry();
    let attempts = registry.replace("registry", "attempt:");
    all_graphs(client).await.iter().filter(|graph| graph.starts_with(&attempts)).count()
}

async fn all_graphs(client: &Client) -> Vec<String> {
    let query = "SELECT DISTINCT ?g WHERE { GRAPH ?g { ?s ?p ?o } }";
    let found = client.select("list graphs", query).await.unwrap();
    found.into_iter().map(|mut row| row.remove("g").unwrap()).collect()
}

/// The whole life of generations: what every target of projections must do.
pub(super) async fn suite(client: Client) {
    let target = SparqlProjection::new(client.clone());
    let (one, two) = (named("1"), named("2"));
    assert_eq!(target.holds(&one).await.unwrap(), Held::Absent);
    assert_eq!(target.live(&one.job).await.unwrap(), None);
    assert_eq!(target.last_switch(&one.job).await.unwrap(), None);
    assert!(target.read_back(&one).await.is_err());
    let proof = build(&target, &one, rows(&forms())).await.unwrap();
    assert!(proof.proven && proof.rows == 6, "{proof:?}");
    assert_eq!(target.count(&one).await.unwrap(), 6);
    assert_eq!(target.holds(&one).await.unwrap(), Held::Complete(proof.clone()));
    let samples = target.samples(&one).await.unwrap();
    assert_eq!((samples.graphs, samples.asked, samples.denied), (3, 6, 0));

    put_live(&target, &one).await;
    assert_eq!(target.holds(&one).await.unwrap(), Held::Live(proof));
    // What readers have in their hands is neither built anew nor dropped.
    assert!(build(&target, &one, rows(&forms())).await.is_err());
    assert!(target.discard(&one).await.is_err());

    let cx = context(RunId::now(), 3);
    let there = change(Some(&one), Some(&two));
    assert!(target.prepare(&there).await.is_err(), "it is not there");
    let (encoded, handle) =
        tee(rows(&many(50)), target.encoding(&sink(), &terms::schema()).unwrap());
    target.stage(&two, encoded, &cx).await.unwrap();
    handle.finish().unwrap();
    assert_eq!(target.holds(&two).await.unwrap(), Held::Partial);
    assert!(target.prepare(&there).await.is_err(), "it has no proof");
    assert!(target.switch(&there, &cx).await.is_err());
    let second = build(&target, &two, rows(&many(50))).await.unwrap();
    target.prepare(&there).await.unwrap();
    // Killed here, the former one is live still; the next try goes on.
    assert_eq!(target.live(&one.job).await.unwrap(), Some(one.digest));
    target.switch(&there, &cx).await.unwrap();
    target.switch(&there, &cx).await.unwrap();
    assert_eq!(target.holds(&two).await.unwrap(), Held::Live(second));
    let last = target.last_switch(&one.job).await.unwrap().unwrap();
    assert_eq!((last.former, last.run), (Some(one.digest), cx.run));
    assert!(target.discard(&one).await.is_err(), "the one to go back to");

    // A former holder of the run, and somebody who expects another.
    let back = change(Some(&two), Some(&one));
    let late = target.switch(&back, &context(cx.run, 2)).await.unwrap_err();
    assert_eq!((late.kind, late.code), (FailureKind::Fenced, Code::Locked));
    let third = named("3");
    build(&target, &third, rows(&many(3))).await.unwrap();
    let wrong = target.switch(&change(Some(&one), Some(&third)), &cx).await.unwrap_err();
    assert_eq!((wrong.kind, wrong.code), (FailureKind::Fenced, Code::Fenced));

    target.switch(&back, &cx).await.unwrap();
    assert_eq!(target.live(&one.job).await.unwrap(), Some(one.digest));
    let stored = target.stored(&one.job).await.unwrap();
    let was_live = |what: &Generation| {
        let found = stored.iter().find(|stored| stored.digest == what.digest).unwrap();
        (found.complete, found.was_live)
    };
    assert_eq!(stored.len(), 3);
    assert_eq!(
        [was_live(&one), was_live(&two), was_live(&third)],
        [(true, true), (true, true), (true, false)]
    );
    target.discard(&third).await.unwrap();
    assert_eq!(target.holds(&third).await.unwrap(), Held::Absent);
    target.revoke(&one).await.unwrap();
    assert_eq!(target.holds(&one).await.unwrap(), Held::Partial);
    assert_eq!(target.live(&one.job).await.unwrap(), Some(one.digest));
    target.switch(&change(Some(&one), None), &cx).await.unwrap();
    assert_eq!(target.live(&one.job).await.unwrap(), None);
    target.discard(&two).await.unwrap();
    assert_eq!(target.stored(&one.job).await.unwrap().len(), 1);
    assert_eq!(graphs(&client).await, 3, "graphs of what was dropped are there still");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_what_a_target_must() {
    let server = Server::start();
    suite(server.client()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_graph_store_does_too() {
    let server = Server::start();
    suite(server.client_without_store()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_has_all_of_that_beside_others_and_is_cleared_without_a_trace() {
    let server = Server::start();
    let (environment, run, other) = (server.client(), RunId::now(), RunId::now());
    let rehearsal =
        |run| Client::new(endpoints(server.port(), true), Auth::None, Space::scratch(run)).unwrap();
    let (ours, theirs) = (rehearsal(run), rehearsal(other));
    let one = named("1");
    for client in [&environment, &theirs] {
        build(&SparqlProjection::new(client.clone()), &one, rows(&many(3))).await.unwrap();
    }
    assert_eq!(SparqlProjection::new(ours.clone()).holds(&one).await.unwrap(), Held::Absent);
    suite(ours.clone()).await;
    ours.mark("scratch", "here", Utc::now()).await.unwrap();
    assert_eq!(environment.marker().await.unwrap(), None);
    assert_eq!(ours.environments_marker().await.unwrap(), None);
    // Named by the run, each of them.
    let prefix = format!("urn:coppice:scratch:{run}:");
    let all = all_graphs(&environment).await;
    let mine = all.iter().filter(|graph| graph.starts_with(&prefix)).count();
    assert_eq!((all.len() - mine, mine), (2 + 2, 3 + 2), "{all:#?}");

    assert_eq!(ours.clear_scratch().await.unwrap(), 5);
    assert_eq!(ours.clear_scratch().await.unwrap(), 0);
    assert_eq!(all_graphs(&environment).await.len(), 4);
    for client in [&environment, &theirs] {
        let held = SparqlProjection::new(client.clone()).holds(&one).await.unwrap();
        assert!(matches!(held, Held::Complete(_)), "{held:?}");
    }
    assert!(environment.clear_scratch().await.is_err());
    assert_eq!(all_graphs(&environment).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_behind_our_back_is_found() {
    let server = Server::start();
    let client = server.client();
    let target = SparqlProjection::new(client.clone());
    let one = named("1");
    let proof = build(&target, &one, rows(&forms())).await.unwrap();
    let parts = target.parts(&one).await.unwrap();
    let graph = &parts.iter().find(|part| part.stands_for == "<a:h>").unwrap().graph;
    let taken = format!("DELETE DATA {{ GRAPH <{graph}> {{ <a:b> <a:p> <a:o> }} }}");
    client.update("damage", taken).await.unwrap();
    assert_eq!(target.holds(&one).await.unwrap(), Held::Partial, "the count tells");
    let other = format!("INSERT DATA {{ GRAPH <{graph}> {{ <a:b> <a:p> <a:wrong> }} }}");
    client.update("damage", other).await.unwrap();
    assert!(matches!(target.holds(&one).await.unwrap(), Held::Complete(_)));
    let encoding = target.encoding(&sink(), &terms::schema()).unwrap();
    let (encoded, handle) = tee(rows(&forms()), encoding.clone());
    let drained: Vec<_> = futures::StreamExt::collect(encoded).await;
    assert!(drained.iter().all(Result::is_ok));
    let cx = context(RunId::now(), 1);
    let back = target.read_back(&one).await.unwrap();
    let found = digest_rows(back, encoding.name(), &cx.meter).await.unwrap();
    let again = compare(&handle.finish().unwrap(), &found, target.covers(&sink()), Utc::now());
    assert!(proof.proven && !again.proven, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_staging_is_dropped_and_its_late_writer_writes_nothing() {
    let server = Server::start();
    let client = server.client();
    let target = SparqlProjection::new(client.clone());
    let one = named("1");
    let encoding = target.encoding(&sink(), &terms::schema()).unwrap();
    let former = context(RunId::now(), 1);
    // It breaks off after more than one update was written.
    let (encoded, _handle) = tee(rows(&many(30_000)), encoding.clone());
    let torn = futures::StreamExt::chain(
        futures::StreamExt::take(encoded, 2),
        futures::stream::once(async { Err(Failure::cancelled()) }),
    );
    target.stage(&one, Box::pin(torn), &former).await.unwrap_err();
    assert_eq!(target.holds(&one).await.unwrap(), Held::Partial);
    let stored = target.stored(&one.job).await.unwrap();
    assert_eq!((stored[0].run, stored[0].complete), (Some(former.run), false));
    assert!(target.read_back(&one).await.is_err(), "nothing of it is to be read");
    assert_eq!(graphs(&client).await, 1);

    let later = StageContext { epoch: 2, ..former.clone() };
    let (encoded, handle) = tee(rows(&many(30_000)), encoding);
    assert_eq!(target.stage(&one, encoded, &later).await.unwrap(), 30_000);
    handle.finish().unwrap();
    assert_eq!(graphs(&client).await, 1, "the torn one is there still");
    assert_eq!(target.count(&one).await.unwrap(), 30_000);

    // The former process wakes up with quads in its hands.
    let name = names::generation(&one.job, &one.digest);
    let (registry, attempt) = (client.space().registry(), client.space().attempt(&one, &former));
    let mut batch = batch::Batch::new(registry, attempt, String::new());
    batch.add(["<a:late>", "<a:p>", "<a:o>", "<a:late>"]);
    client.update("write late", batch.take(&name).unwrap()).await.unwrap();
    assert_eq!(graphs(&client).await, 1, "a late writer has written");
    let (encoded, _handle) =
        tee(rows(&many(3)), target.encoding(&sink(), &terms::schema()).unwrap());
    let stale = target.stage(&one, encoded, &former).await.unwrap_err();
    assert_eq!((stale.kind, stale.code), (FailureKind::Fenced, Code::Locked));
    assert_eq!(target.count(&one).await.unwrap(), 30_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_holds_a_server_and_a_marker_stays() {
    let server = Server::start();
    let client = server.client();
    let request = |process: &'static str, is_gone: &'static (dyn Fn(&str) -> bool + Sync)| {
        let lease = Duration::from_mins(1);
        LockRequest { run: RunId::now(), holder: "kim", process, epoch: 1, lease, is_gone }
    };
    let first = GraphLock::take(&client, &request("first", &|_| false)).await.unwrap();
    first.check().await.unwrap();
    assert!(held(&client).await.unwrap().unwrap().contains("kim"));
    let refused = GraphLock::take(&client, &request("second", &|_| false)).await.err().unwrap();
    let refused = Failure::from(refused);
    assert_eq!((refused.kind, refused.code), (FailureKind::Fenced, Code::Locked));
    // Of one that is known to be gone the lock is taken at once; it finds out before it writes.
    let second = GraphLock::take(&client, &request("second", &|by| by == "first")).await.unwrap();
    assert!(first.check().await.is_err());
    first.release().await.unwrap();
    second.check().await.unwrap();
    second.release().await.unwrap();
    assert_eq!(held(&client).await.unwrap(), None);

    // A lease that ran out is nobody's.
    let lease = Duration::ZERO;
    let out = LockRequest { lease, ..request("third", &|_| false) };
    let _out = GraphLock::take(&client, &out).await.unwrap();
    // The clock has to come to another millisecond.
    tokio::time::sleep(Duration::from_millis(5)).await;
    GraphLock::take(&client, &request("fourth", &|_| false)).await.unwrap();

    assert_eq!(client.marker().await.unwrap(), None);
    for environment in ["stage", "prod"] {
        client.mark(environment, "sparql:here", Utc::now()).await.unwrap();
        let found = client.marker().await.unwrap().unwrap();
        assert_eq!((&*found.environment, &*found.identity), ("stage", "sparql:here"));
    }
}

/// What a run asks for; `holder` is its process too.
fn asks<'a>(
    cx: &StageContext,
    holder: &'a str,
    is_gone: &'a (dyn Fn(&str) -> bool + Sync),
) -> LockRequest<'a> {
    let (run, epoch, lease) = (cx.run, cx.epoch, Duration::from_mins(1));
    LockRequest { run, holder, process: holder, epoch, lease, is_gone }
}

/// Builds a generation as a run does that holds the server.
async fn complete(
    target: &SparqlProjection,
    what: &Generation,
    cx: &StageContext,
) -> Result<Proof, Failure> {
    let encoding = target.encoding(&sink(), &terms::schema())?;
    let (encoded, handle) = tee(rows(&many(20)), encoding.clone());
    target.stage(what, encoded, cx).await?;
    let back = target.read_back(what).await?;
    let found = digest_rows(back, encoding.name(), &cx.meter).await?;
    let proof = compare(&handle.finish()?, &found, target.covers(&sink()), Utc::now());
    target.record(what, &proof).await?;
    Ok(proof)
}

#[track_caller]
fn refused_as_taken<T: std::fmt::Debug>(done: Result<T, impl Into<Failure>>, by: &str) {
    let failure: Failure = done.map_err(Into::into).unwrap_err();
    assert_eq!((failure.kind, failure.code), (FailureKind::Fenced, Code::Locked), "{failure:?}");
    assert!(failure.message.contains("has taken it since"), "{failure:?}");
    assert!(failure.message.contains(by), "{failure:?}");
}

/// A former holder that wakes: its lease ended, and another run has taken the server. It has looked
/// for its lock just before.
#[tokio::test(flavor = "multi_thread")]
async fn a_holder_whose_lock_was_taken_over_flips_and_builds_nothing() {
    let server = Server::start();
    let client = server.client();
    let target = SparqlProjection::new(client.clone());
    let (first, second) = (context(RunId::now(), 1), context(RunId::now(), 1));
    let lock = GraphLock::take(&client, &asks(&first, "first", &|_| false)).await.unwrap();
    let (one, two) = (named("1"), named("2"));
    complete(&target, &one, &first).await.unwrap();
    lock.check().await.unwrap();
    let other = asks(&second, "second", &|by| by == "first");
    let other = GraphLock::take(&client, &other).await.unwrap();
    assert!(lock.check().await.is_err());

    let set = change(None, Some(&one));
    refused_as_taken(target.switch(&set, &first).await, "second, for run");
    refused_as_taken(complete(&target, &two, &first).await, "second, for run");
    assert_eq!(target.live(&one.job).await.unwrap(), None);
    assert_eq!(target.holds(&two).await.unwrap(), Held::Absent);
    lock.release().await.unwrap();
    complete(&target, &two, &second).await.unwrap();
    target.switch(&set, &second).await.unwrap();
    // Nor does it after the other has ended.
    other.release().await.unwrap();
    assert_eq!(held(&client).await.unwrap(), None);
    let back = change(Some(&one), Some(&two));
    refused_as_taken(target.switch(&back, &first).await, &second.run.to_string());
    assert_eq!(target.live(&one.job).await.unwrap(), Some(one.digest));
    // A later process of the same run has a higher number.
    let third = StageContext { epoch: 2, ..second.clone() };
    let again = GraphLock::take(&client, &asks(&third, "third", &|_| false)).await.unwrap();
    refused_as_taken(target.switch(&back, &second).await, "third, for run");
    target.switch(&back, &third).await.unwrap();
    assert_eq!(target.live(&one.job).await.unwrap(), Some(two.digest));
    again.release().await.unwrap();
}

/// What was sent while the lock was held, and is done when it is another's: nothing looks any more
/// but the updates themselves.
#[tokio::test(flavor = "multi_thread")]
async fn an_update_of_a_former_holder_that_comes_late_does_nothing() {
    let server = Server::start();
    let client = server.client();
    let target = SparqlProjection::new(client.clone());
    let (first, second) = (context(RunId::now(), 1), context(RunId::now(), 1));
    let lock = GraphLock::take(&client, &asks(&first, "first", &|_| false)).await.unwrap();
    let (one, two, torn) = (named("1"), named("2"), named("3"));
    let name = |of: &Generation| names::generation(&of.job, &of.digest);
    let attempt = |of: &Generation| client.space().attempt(of, &first);
    complete(&target, &one, &first).await.unwrap();
    stage::begin(&client, &torn, &name(&torn), &attempt(&torn), &first).await.unwrap();
    let other = asks(&second, "second", &|by| by == "first");
    let _other = GraphLock::take(&client, &other).await.unwrap();
    let proof = complete(&target, &two, &second).await.unwrap();
    let before = everything(&client).await;

    // It moves nothing ...
    let set = change(None, Some(&one));
    let late = switch::swap(client.space(), &set.each_ref(), &first);
    client.update("switch late", late).await.unwrap();
    // ... drops nothing of the other's, whether it knew of that before or looks now ...
    let found = client.recorded(&name(&two)).await.unwrap();
    client.drop_attempts(&name(&two), found.attempts.iter(), Some(&first)).await.unwrap();
    let begun = stage::begin(&client, &two, &name(&two), &attempt(&two), &first).await;
    refused_as_taken(begun, "second, for run");
    assert_eq!(target.holds(&two).await.unwrap(), Held::Complete(proof));
    // ... and neither writes a quad of what it had begun nor lists it.
    let fence = lock::not_taken(client.space(), &first);
    let mut batch = batch::Batch::new(client.space().registry(), attempt(&torn), fence);
    batch.add(["<a:late>", "<a:p>", "<a:o>", "<a:late>"]);
    client.update("write late", batch.take(&name(&torn)).unwrap()).await.unwrap();
    let ended = stage::end(&client, &name(&torn), &attempt(&torn), &first).await;
    refused_as_taken(ended, "second, for run");
    assert_eq!(everything(&client).await, before);
    target.switch(&set, &second).await.unwrap();
    assert_eq!(target.live(&one.job).await.unwrap(), Some(one.digest));
    drop(lock);
}

/// All quads but those of the lock, which is renewed.
async fn everything(client: &Client) -> Vec<[String; 4]> {
    let query = format!(
        "SELECT ?g ?s ?p ?o WHERE {{ GRAPH ?g {{ ?s ?p ?o }} FILTER(STR(?g) != \"{}\") }}",
        client.space().lock()
    );
    let found = client.select("list quads", &query).await.unwrap();
    let quad = |mut row: client::Solution| ["g", "s", "p", "o"].map(|of| row.remove(of).unwrap());
    let mut all: Vec<_> = found.into_iter().map(quad).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_respected_for_half_of_it_more_as_clocks_are_apart() {
    let server = Server::start();
    let client = server.client();
    let (first, second) = (context(RunId::now(), 1), context(RunId::now(), 1));
    let lease = Duration::from_hours(1);
    let request = LockRequest { lease, ..asks(&first, "first", &|_| false) };
    // Nobody renews it any more, nor lets it go.
    drop(GraphLock::take(&client, &request).await.unwrap());
    let ended_for = async |minutes: u64| {
        let until = (Utc::now() - Duration::from_mins(minutes))
            .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let (graph, term) = (client.space().lock(), names::term("until"));
        let update = format!(
            "DELETE {{ GRAPH <{graph}> {{ ?s {term} ?o }} }} \
             INSERT {{ GRAPH <{graph}> {{ ?s {term} \"{until}\" }} }} \
             WHERE {{ GRAPH <{graph}> {{ ?s {term} ?o }} }}"
        );
        client.update("let time pass", update).await.unwrap();
    };
    ended_for(25).await;
    assert!(held(&client).await.unwrap().unwrap().contains("first"));
    let refused = GraphLock::take(&client, &asks(&second, "second", &|_| false)).await;
    assert!(matches!(refused, Err(SparqlError::Held { .. })));
    ended_for(35).await;
    assert_eq!(held(&client).await.unwrap(), None);
    GraphLock::take(&client, &asks(&second, "second", &|_| false)).await.unwrap();
}
