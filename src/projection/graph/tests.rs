use std::collections::BTreeSet;

use futures::TryStreamExt;
use oxigraph::sparql::QueryResults;

use super::archive::{self, NAME};
use super::*;
use crate::model::{Failure, GraphSink, Sink};
use crate::projection::files::Copy;
use crate::projection::testing::{House, build, generation, house, kansas, put_live, texts};
use crate::projection::{Generation, Held, Projection};

const COLUMNS: [&str; 4] = terms::COLUMNS;

fn sink() -> Sink {
    Sink::Graph(GraphSink { graph_profile_version: 1 })
}

fn row(s: &str, p: &str, o: &str, g: Option<&str>) -> Vec<Option<String>> {
    let text = |text: &str| Some(text.to_owned());
    vec![text(s), text(p), text(o), g.map(str::to_owned)]
}

/// County beside county, as the fixture's table says it, in both directions.
fn adjacency() -> Vec<Vec<Option<String>>> {
    let text = std::fs::read_to_string(kansas("ks_county_adjacency", "csv")).unwrap();
    let mut rows = Vec::new();
    for line in text.lines().skip(1) {
        let [src, _, dst] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let county = |geoid| format!("<kfm://county/{geoid}>");
        for (a, b) in [(src, dst), (dst, src)] {
            let predicate = "<kfm://term/adjacent_to>";
            rows.push(row(&county(a), predicate, &county(b), Some("<kfm://graph/adjacency>")));
        }
    }
    rows
}

async fn built(house: &House, rows: &[Vec<Option<String>>]) -> (GraphProjection, Generation) {
    let graph = GraphProjection::new(house.files.clone());
    let one = generation("graph/kansas", "1", &sink());
    let proof = build(&graph, &one, source(texts(&COLUMNS, rows), house.spill())).await.unwrap();
    assert!(proof.proven, "{proof:?}");
    (graph, one)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counties_around_sedgwick_are_found() {
    let house = house();
    let (graph, one) = built(&house, &adjacency()).await;
    put_live(&graph, &one).await;
    assert!(matches!(graph.holds(&one).await.unwrap(), Held::Live(proof) if proof.rows == 562));
    let sparql = "SELECT ?other WHERE { <kfm://county/20173> <kfm://term/adjacent_to> ?other }";
    let store = query::load(&house.files.fetch(&one, Copy::Reuse).await.unwrap()).unwrap();
    let QueryResults::Solutions(found) = query::ask(&store, sparql).unwrap() else { panic!() };
    let found: BTreeSet<_> = found.map(|row| row.unwrap()["other"].to_string()).collect();
    // Butler, Cowley, Harvey, Kingman, Reno and Sumner.
    let expected = ["20015", "20035", "20079", "20095", "20155", "20191"];
    let expected: Vec<_> = expected.map(|geoid| format!("<kfm://county/{geoid}>")).into();
    assert!(found.iter().eq(&expected), "{found:?}");
    let far = "ASK { <kfm://county/20173> <kfm://term/adjacent_to> <kfm://county/20091> }";
    assert!(matches!(query::ask(&store, far).unwrap(), QueryResults::Boolean(false)));
    assert!(query::ask(&store, "SELECT nonsense").is_err());
    let counts = graph.invariants(&one).await.unwrap();
    assert_eq!(counts.quads, 562);
    assert_eq!(counts.predicates.named["<kfm://term/adjacent_to>"], 562);
    assert_eq!(counts.graphs.named["<kfm://graph/adjacency>"], 562);
    assert_eq!(graph.denied_samples(&one, counts.quads, 50).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_come_in_one_form_once_and_sorted() {
    let house = house();
    let string = r#""é"^^<http://www.w3.org/2001/XMLSchema#string>"#;
    let rows = [
        row("<a:b>", "<a:p>", string, None),
        row("<a:b>", "<a:p>", r#""\u00E9""#, None),
        row("<a:b>", "<a:p>", r#""line\nbreak \"quoted\" \\ back""#, Some("<a:g>")),
        row("<a:b>", "<a:p>", r#""x"@EN"#, None),
        row("<a:a>", "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>", "<a:T>", None),
    ];
    let (graph, one) = built(&house, &rows).await;
    let folder = house.files.fetch(&one, Copy::Fresh).await.unwrap();
    let bytes = zstd::decode_all(std::fs::File::open(folder.join(NAME)).unwrap()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let mut sorted = lines.clone();
    sorted.sort_unstable();
    assert_eq!(lines, sorted);
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines.contains(&r#"<a:b> <a:p> "é" ."#), "{text}");
    assert_eq!(graph.invariants(&one).await.unwrap().types.named["<a:T>"], 1);
    // The same quads in another order are the same bytes.
    let other = generation("graph/kansas", "2", &sink());
    let mut reversed = rows.to_vec();
    reversed.reverse();
    build(&graph, &other, source(texts(&COLUMNS, &reversed), house.spill())).await.unwrap();
    let again = house.files.fetch(&other, Copy::Fresh).await.unwrap();
    assert_eq!(std::fs::read(again.join(NAME)).unwrap(), std::fs::read(folder.join(NAME)).unwrap());
    assert_eq!(archive::quads(&again).unwrap().count(), 4);
    // Escapes, language tags and the default graph are asked for as they are written.
    assert_eq!(graph.denied_samples(&other, 4, 50).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_no_quad_is_refused() {
    let house = house();
    let graph = GraphProjection::new(house.files.clone());
    let bad = [
        row("_:b0", "<a:p>", "<a:o>", None),
        row("<a:s>", "<a:p>", "_:b0", None),
        row("<a:s>", "\"p\"", "<a:o>", None),
        row("<a:s>", "<a:p>", "plain text", None),
        row("<a:s>", "<a:p>", "\"open", None),
        row("<a:s>", "<no iri>", "<a:o>", None),
        row("<a:s>", "<a:p>", "<a:o> . <a:x>", None),
    ];
    for bad in bad {
        let rows = source(texts(&COLUMNS, std::slice::from_ref(&bad)), house.spill());
        let error = rows.try_collect::<Vec<_>>().await.unwrap_err();
        assert!(format!("{error:?}").contains("failed to read a quad"), "{bad:?}: {error:?}");
    }
    let one = generation("graph/kansas", "1", &sink());
    let unsorted = [row("<a:b>", "<a:p>", "<a:o>", None), row("<a:a>", "<a:p>", "<a:o>", None)];
    assert!(build(&graph, &one, texts(&COLUMNS, &unsorted)).await.is_err());
    assert_eq!(graph.holds(&one).await.unwrap(), Held::Absent);
    let schema = texts(&COLUMNS[..3], &[]).schema();
    let failure: Failure = graph.encoding(&sink(), &schema).err().unwrap();
    assert!(failure.message.contains("`graph`"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_archive_proves_nothing() {
    let house = house();
    let (graph, one) = built(&house, &adjacency()).await;
    let root = house.store.local_root().unwrap().to_owned();
    let find = |name: &str| {
        let folder = root.join("generations/graph/kansas").join(one.digest.hex());
        let attempts = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        attempts.filter(|path| path.is_dir()).map(|path| path.join(name)).next().unwrap()
    };
    let path = find(NAME);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let failure = graph.read_back(&one).await.err().unwrap();
    assert!(failure.message.contains(NAME), "{failure}");
}
