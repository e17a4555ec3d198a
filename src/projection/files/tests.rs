use chrono::Utc;
use futures::StreamExt as _;

use super::*;
use crate::digest::Digest;
use crate::model::{Covers, Failure, FailureKind, GraphSink, Proof, RunId, Sink};
use crate::projection::graph::GraphProjection;
use crate::projection::testing::{self, House, context, house};
use crate::projection::{Change, Generation, Held, Projection as _, Refusal, StageContext};

fn generation(job: &str, what: &str) -> Generation {
    testing::generation(job, what, &Sink::Graph(GraphSink { graph_profile_version: 1 }))
}

fn proof(proven: bool) -> Proof {
    let digest = Digest::blake3(b"rows").hex();
    Proof {
        rows: 2,
        canonical_digest: format!("t-v1:{digest}:2"),
        projection_digest: format!("t-v1:{digest}:2"),
        proven,
        proof_at: Utc::now(),
        covers: Covers::of::<String>("all", []),
        made_of: None,
    }
}

fn change(job: &str, from: Option<&Generation>, to: Option<&Generation>) -> Change {
    let sink = Sink::Graph(GraphSink { graph_profile_version: 1 });
    let digest = |generation: &Generation| generation.digest;
    Change { job: job.parse().unwrap(), sink, from: from.map(digest), to: to.map(digest) }
}

async fn stage(house: &House, generation: &Generation, content: &[u8], cx: &StageContext) {
    let staged = house.files.staging().unwrap();
    std::fs::write(staged.path().join("a.bin"), content).unwrap();
    std::fs::write(staged.path().join("empty"), b"").unwrap();
    house.files.publish(generation, staged.path(), 2, cx).await.unwrap();
}

async fn complete(house: &House, generation: &Generation, cx: &StageContext) {
    stage(house, generation, generation.digest.hex().as_bytes(), cx).await;
    house.files.record(generation, &proof(true)).await.unwrap();
}

#[tokio::test]
async fn a_generation_goes_from_absent_to_live_and_back() {
    let house = house();
    let files = &house.files;
    let cx = context(RunId::now(), 1);
    let (one, two) = (generation("graph/kansas", "1"), generation("graph/kansas", "2"));
    assert_eq!(files.holds(&one).await.unwrap(), Held::Absent);
    stage(&house, &one, b"content", &cx).await;
    assert_eq!(files.holds(&one).await.unwrap(), Held::Partial);
    let set = [change("graph/kansas", None, Some(&one))];
    assert!(matches!(
        files.switch(&set, &cx).await,
        Err(FilesError::Refused(Refusal::Unproven { .. }))
    ));
    assert!(matches!(
        files.record(&one, &proof(false)).await,
        Err(FilesError::Refused(Refusal::Unproven { .. }))
    ));
    files.record(&one, &proof(true)).await.unwrap();
    assert!(matches!(files.holds(&one).await.unwrap(), Held::Complete(_)));
    files.switch(&set, &cx).await.unwrap();
    files.switch(&set, &cx).await.unwrap();
    assert_eq!(files.pointer().await.unwrap().unwrap().seq, 1);
    assert!(matches!(files.holds(&one).await.unwrap(), Held::Live(_)));

    complete(&house, &two, &cx).await;
    files.switch(&[change("graph/kansas", Some(&one), Some(&two))], &cx).await.unwrap();
    let last = files.last_switch(&two.job).await.unwrap().unwrap();
    assert_eq!((last.former, last.run), (Some(one.digest), cx.run));
    for kept in [&one, &two] {
        assert!(matches!(
            files.discard(kept).await,
            Err(FilesError::Refused(Refusal::InUse { .. }))
        ));
    }
    files.switch(&[change("graph/kansas", Some(&two), Some(&one))], &cx).await.unwrap();
    assert_eq!(files.live(&one.job).await.unwrap(), Some(one.digest));
    let last = files.last_switch(&one.job).await.unwrap().unwrap();
    assert_eq!(last.former, Some(two.digest));
    files.switch(&[change("graph/kansas", Some(&one), None)], &cx).await.unwrap();
    assert_eq!(files.live(&one.job).await.unwrap(), None);
    files.discard(&two).await.unwrap();
    assert_eq!(files.holds(&two).await.unwrap(), Held::Absent);
}

#[tokio::test]
async fn a_copy_is_verified_and_reused_only_while_whole() {
    let house = house();
    let cx = context(RunId::now(), 1);
    let one = generation("graph/kansas", "1");
    // More than two parts, so that the transfer is in parts.
    let content: Vec<u8> = (0..17 * 1024 * 1024u32).map(|i| (i >> 7).to_le_bytes()[0]).collect();
    stage(&house, &one, &content, &cx).await;
    let folder = house.files.fetch(&one, Copy::Fresh).await.unwrap();
    assert!(std::fs::read(folder.join("a.bin")).unwrap() == content);
    assert_eq!(std::fs::read(folder.join("empty")).unwrap(), b"");
    std::fs::write(folder.join("a.bin"), b"local damage").unwrap();
    assert_eq!(house.files.fetch(&one, Copy::Reuse).await.unwrap(), folder);
    assert!(std::fs::read(folder.join("a.bin")).unwrap() == content);

    let (listing, _) = house.files.published(&one.job, &one.digest).await.unwrap();
    let key = listing::place(&one.job, &one.digest, &listing.files["a.bin"]);
    let mut damaged = content.clone();
    damaged[16_000_000] ^= 1;
    std::fs::write(house.store.local_root().unwrap().join(key), damaged).unwrap();
    // The good local copy stays usable; a proof reads what is published.
    house.files.fetch(&one, Copy::Reuse).await.unwrap();
    let error = house.files.fetch(&one, Copy::Fresh).await.unwrap_err();
    assert!(matches!(error, FilesError::Altered { .. }), "{error}");
    assert!(Failure::from(error).hint.is_some());
}

#[tokio::test]
async fn what_is_not_whole_is_not_complete() {
    let house = house();
    let cx = context(RunId::now(), 1);
    let one = generation("graph/kansas", "1");
    complete(&house, &one, &cx).await;
    let (listing, _) = house.files.published(&one.job, &one.digest).await.unwrap();
    house
        .store
        .delete(&listing::place(&one.job, &one.digest, &listing.files["a.bin"]))
        .await
        .unwrap();
    assert_eq!(house.files.holds(&one).await.unwrap(), Held::Partial);
    // Built again by a later attempt, it needs a proof of its own, and nothing is left over.
    stage(&house, &one, b"again", &context(cx.run, 2)).await;
    assert_eq!(house.files.holds(&one).await.unwrap(), Held::Partial);
    house.files.record(&one, &proof(true)).await.unwrap();
    assert!(matches!(house.files.holds(&one).await.unwrap(), Held::Complete(_)));
    let left = objects::list(&house.store, "generations").await.unwrap();
    assert_eq!(left.len(), 4, "{left:?}");
}

#[tokio::test]
async fn a_former_holder_is_fenced() {
    let house = house();
    let run = RunId::now();
    let (old, new) = (context(run, 1), context(run, 2));
    let (one, two) = (generation("graph/kansas", "1"), generation("graph/kansas", "2"));
    complete(&house, &one, &new).await;
    let staged = house.files.staging().unwrap();
    let late = house.files.publish(&one, staged.path(), 0, &old).await;
    assert!(matches!(late, Err(FilesError::Refused(Refusal::Stale { .. }))));
    assert!(matches!(house.files.holds(&one).await.unwrap(), Held::Complete(_)));
    house.files.switch(&[change("graph/kansas", None, Some(&one))], &new).await.unwrap();
    complete(&house, &two, &new).await;
    let set = [change("graph/kansas", Some(&one), Some(&two))];
    let failure = Failure::from(house.files.switch(&set, &old).await.unwrap_err());
    assert_eq!(failure.kind, FailureKind::Fenced);
    let set = [change("graph/kansas", None, Some(&two))];
    let failure = Failure::from(house.files.switch(&set, &new).await.unwrap_err());
    assert_eq!(failure.kind, FailureKind::Fenced);
    assert_eq!(house.files.live(&one.job).await.unwrap(), Some(one.digest));
}

#[tokio::test]
async fn switches_of_different_jobs_at_once_all_land() {
    let house = house();
    let cx = context(RunId::now(), 1);
    let names = ["graph/a", "search/b", "tiles/c", "graph/d"];
    let mut switches = Vec::new();
    for name in names {
        let one = generation(name, name);
        complete(&house, &one, &cx).await;
        let (files, cx) = (house.files.clone(), cx.clone());
        switches.push(tokio::spawn(async move {
            files.switch(&[change(&one.job.to_string(), None, Some(&one))], &cx).await
        }));
    }
    for switch in switches {
        switch.await.unwrap().unwrap();
    }
    let pointer = house.files.pointer().await.unwrap().unwrap();
    assert_eq!((pointer.seq, pointer.generations.len()), (4, 4));
}

#[tokio::test]
async fn what_a_dead_process_staged_is_swept_and_what_a_living_one_stages_is_not() {
    let house = house();
    let (used, left) = (house.files.staging().unwrap(), house.files.staging().unwrap());
    std::fs::write(used.path().join("a"), b"a").unwrap();
    std::fs::write(left.path().join("b"), b"b").unwrap();
    // As after a kill: the folder stays, and the kernel has let its lock go.
    let dead = left.path().to_owned();
    left.keep();
    let copy = dead.parent().unwrap().join("graph");
    std::fs::create_dir(&copy).unwrap();
    assert_eq!(house.files.sweep().await.unwrap(), std::slice::from_ref(&dead));
    assert!(!dead.exists() && copy.exists() && used.path().join("a").exists());
    assert_eq!(house.files.sweep().await.unwrap(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn the_store_says_what_it_holds_and_what_was_live() {
    let house = house();
    let runs = [RunId::now(), RunId::now(), RunId::now()];
    let all = ["1", "2", "3"].map(|what| generation("graph/kansas", what));
    for (one, run) in all.iter().zip(runs) {
        complete(&house, one, &context(run, 1)).await;
    }
    let cx = context(runs[2], 1);
    house.files.switch(&[change("graph/kansas", None, Some(&all[0]))], &cx).await.unwrap();
    house.files.switch(&[change("graph/kansas", Some(&all[0]), Some(&all[1]))], &cx).await.unwrap();
    // What was killed half way through its publication, and what is no generation.
    let half = generation("graph/kansas", "4");
    let key = format!("generations/graph/kansas/{}/00000001-{}/a.bin", half.digest.hex(), runs[0]);
    house.store.create(&key, "half".into()).await.unwrap();
    house.store.create("generations/graph/kansas/notes.txt", "x".into()).await.unwrap();
    let job = "graph/kansas".parse().unwrap();
    let mut found = house.files.stored(&job).await.unwrap();
    found.sort_by_key(|one| (one.run, one.complete));
    let told = found.iter().map(|one| (one.digest, one.run, one.complete, one.was_live));
    let wanted = [
        (half.digest, Some(runs[0]), false, false),
        (all[0].digest, Some(runs[0]), true, true),
        (all[1].digest, Some(runs[1]), true, true),
        (all[2].digest, Some(runs[2]), true, false),
    ];
    assert_eq!(told.collect::<Vec<_>>(), wanted);
    house.files.discard(&half).await.unwrap();
    house.files.discard(&all[2]).await.unwrap();
    assert_eq!(house.files.stored(&job).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_live_is_not_built_over_and_damage_takes_its_proof() {
    let house = house();
    let graph = GraphProjection::new(house.files.clone());
    let cx = context(RunId::now(), 1);
    let one = generation("graph/kansas", "1");
    complete(&house, &one, &cx).await;
    house.files.switch(&[change("graph/kansas", None, Some(&one))], &cx).await.unwrap();
    let none = futures::stream::empty().boxed();
    let refused = graph.stage(&one, none, &cx).await.unwrap_err();
    assert!(refused.message.contains("it is live"), "{refused:?}");
    assert!(matches!(graph.holds(&one).await.unwrap(), Held::Live(_)));

    let (listing, _) = house.files.published(&one.job, &one.digest).await.unwrap();
    let key = listing::place(&one.job, &one.digest, &listing.files["a.bin"]);
    let path = house.store.local_root().unwrap().join(key);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(path, bytes).unwrap();
    assert!(graph.read_back(&one).await.is_err());
    // Live by the pointer, and without a proof: it is to be built anew.
    assert_eq!(graph.holds(&one).await.unwrap(), Held::Partial);
    assert_eq!(graph.live(&one.job).await.unwrap(), Some(one.digest));
}
