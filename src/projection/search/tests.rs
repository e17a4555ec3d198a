use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampSecondArray,
};
use tantivy::TantivyDocument;
use tantivy::collector::TopDocs;

use super::*;
use crate::model::{SearchSink, Sink};
use crate::projection::files::Copy;
use crate::projection::testing::{House, build, generation, house, kansas, of, put_live};
use crate::projection::{Generation, Held, Projection};

fn sink() -> Sink {
    Sink::Search(SearchSink { search_profile_version: 1 })
}

type Columns = Vec<(&'static str, ArrayRef)>;

fn batch(columns: &Columns) -> RecordBatch {
    let columns = columns.iter().map(|(name, array)| (*name, Arc::clone(array), true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn put(columns: &mut Columns, name: &'static str, array: impl Array + 'static) {
    match columns.iter_mut().find(|(column, _)| *column == name) {
        Some((_, old)) => *old = Arc::new(array),
        None => columns.push((name, Arc::new(array))),
    }
}

/// The populated places of the fixture as records.
fn places() -> Columns {
    let text = std::fs::read_to_string(kansas("ks_populated_places", "geojson")).unwrap();
    let features = text.parse::<geojson::FeatureCollection>().unwrap().features;
    let property = |name: &str| -> Vec<Option<String>> {
        let value = |it: &geojson::Feature| match it.property(name) {
            None | Some(serde_json::Value::Null) => None,
            Some(serde_json::Value::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
        };
        features.iter().map(value).collect()
    };
    let ids = property("geonameid").into_iter().flatten();
    let refs: StringArray =
        ids.clone().map(|id| Some(format!("dcat://ks_populated_places@1#{id}"))).collect();
    let rows = features.len();
    let all = |text: &str| StringArray::from(vec![text; rows]);
    let mut columns = Columns::new();
    put(&mut columns, "id", ids.map(Some).collect::<StringArray>());
    put(&mut columns, "dataset", all("ks_populated_places"));
    put(&mut columns, "dataset_version_id", all("2026-02.d1c078f2"));
    put(&mut columns, "title", property("name").into_iter().collect::<StringArray>());
    put(&mut columns, "body", all("A populated place in Kansas"));
    put(&mut columns, "names", property("alternatenames").into_iter().collect::<StringArray>());
    put(&mut columns, "time_start", all("1541-06-29T00:00:00Z"));
    put(&mut columns, "time_end", StringArray::new_null(rows));
    for side in ["west", "south", "east", "north"] {
        put(&mut columns, side, Float64Array::from(vec![-97.5; rows]));
    }
    put(&mut columns, "evidence_ref", refs);
    put(&mut columns, "policy_label", all("public"));
    columns
}

/// A record that a search found.
#[derive(Debug)]
struct Hit {
    id: String,
    title: String,
    evidence_ref: String,
    policy_label: String,
}

/// Asks an index as readers would, by the parser that its proof uses.
async fn find(
    house: &House,
    generation: &Generation,
    query: &str,
    limit: usize,
) -> Result<Vec<Hit>, SearchError> {
    let folder = house.files.fetch(generation, Copy::Reuse).await.unwrap();
    let (index, searcher) = index::open(&folder)?;
    let fields = documents::Fields::new();
    let query = find::parser(&index, &fields).parse_query(query)?;
    let found = searcher.search(&query, &TopDocs::with_limit(limit).order_by_score())?;
    let hits = found.into_iter().map(|(_, address)| {
        let document: TantivyDocument = searcher.doc(address)?;
        let text = |column| fields.text(&document, column).unwrap_or_default().to_owned();
        Ok(Hit {
            id: text("id"),
            title: text("title"),
            evidence_ref: text("evidence_ref"),
            policy_label: text("policy_label"),
        })
    });
    hits.collect()
}

async fn built(house: &House, columns: &Columns) -> (SearchProjection, Generation) {
    let search = SearchProjection::new(house.files.clone());
    let one = generation("search/places", "1", &sink());
    let proof = build(&search, &one, of(batch(columns))).await.unwrap();
    assert!(proof.proven, "{proof:?}");
    (search, one)
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_found_by_their_names_in_any_script() {
    let house = house();
    let (search, one) = built(&house, &places()).await;
    put_live(&search, &one).await;
    assert!(matches!(search.holds(&one).await.unwrap(), Held::Live(proof) if proof.rows == 299));
    let abilene = ["アビリーン", "阿比林", "أبيلين", "애빌린", "Абилин", "ABILENE", "アビリ"];
    for query in abilene {
        let hits = find(&house, &one, query, 3).await.unwrap();
        assert_eq!(hits[0].id, "4267354", "{query}: {hits:?}");
        assert_eq!(hits[0].title, "Abilene");
        assert_eq!(hits[0].evidence_ref, "dcat://ks_populated_places@1#4267354");
        assert_eq!(hits[0].policy_label, "public");
    }
    assert_eq!(find(&house, &one, "\"Fort Scott\"", 1).await.unwrap()[0].title, "Fort Scott");
    assert_eq!(find(&house, &one, "populated place", 500).await.unwrap().len(), 299);
    assert!(find(&house, &one, "Atlantis", 3).await.unwrap().is_empty());
    assert!(find(&house, &one, "\"open", 3).await.is_err());
    assert_eq!(search.unfound_samples(&one, 50).await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_kept_in_one_form_whatever_the_types() {
    let house = house();
    let mut columns = Columns::new();
    let two = |a: &str, b: Option<&str>| StringArray::from(vec![Some(a), b]);
    put(&mut columns, "id", two("a", Some("b")));
    for name in ["dataset", "dataset_version_id", "title", "body"] {
        put(&mut columns, name, two("", None));
    }
    put(&mut columns, "names", two("x||y|", None));
    put(&mut columns, "time_start", two("1541-06-29", None));
    put(&mut columns, "time_end", TimestampSecondArray::from(vec![Some(-5), None]));
    for side in ["west", "south", "east"] {
        put(&mut columns, side, Float64Array::from(vec![Some(-0.0), None]));
    }
    put(&mut columns, "north", Int64Array::from(vec![Some(3), None]));
    for name in ["evidence_ref", "policy_label"] {
        put(&mut columns, name, two("e", Some("e")));
    }
    let (_, first) = built(&house, &columns).await;
    put(&mut columns, "time_start", two("1541-06-29T02:00:00+02:00", None));
    put(&mut columns, "time_end", two("1969-12-31T23:59:55.000Z", None));
    put(&mut columns, "north", Float64Array::from(vec![Some(3.0), None]));
    let search = SearchProjection::new(house.files.clone());
    let other = generation("search/places", "2", &sink());
    let again = build(&search, &other, of(batch(&columns))).await.unwrap();
    let Held::Complete(proof) = search.holds(&first).await.unwrap() else { panic!("no proof") };
    assert_eq!(again.canonical_digest, proof.canonical_digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_record_is_refused() {
    let house = house();
    let search = SearchProjection::new(house.files.clone());
    let one = generation("search/places", "1", &sink());
    let refusals: Vec<(&str, ArrayRef, &str)> = vec![
        ("evidence_ref", Arc::new(StringArray::new_null(299)), "no `evidence_ref`"),
        ("west", Arc::new(Float64Array::from(vec![f64::INFINITY; 299])), "a finite number"),
        ("time_start", Arc::new(StringArray::from(vec!["soon"; 299])), "a time"),
        ("title", Arc::new(Int64Array::from(vec![1; 299])), "not text"),
        ("more", Arc::new(Int64Array::from(vec![1; 299])), "`more`"),
    ];
    for (column, array, why) in refusals {
        let mut columns = places();
        match columns.iter_mut().find(|(name, _)| *name == column) {
            Some((_, old)) => *old = array,
            None => columns.push((column, array)),
        }
        let failure = build(&search, &one, of(batch(&columns))).await.unwrap_err();
        assert!(failure.message.contains(why), "{failure}");
    }
    assert_eq!(search.holds(&one).await.unwrap(), Held::Absent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_lost_from_the_index_is_seen() {
    let house = house();
    let (search, one) = built(&house, &places()).await;
    let folder = house.files.fetch(&one, Copy::Fresh).await.unwrap();
    // Another index under the same name: a local copy that is damaged is fetched again.
    for file in std::fs::read_dir(&folder).unwrap() {
        std::fs::write(file.unwrap().path(), b"damage").unwrap();
    }
    assert_eq!(find(&house, &one, "Abilene", 1).await.unwrap().len(), 1);
    let mut fewer = places();
    for (_, array) in &mut fewer {
        *array = array.slice(0, 298);
    }
    let less = generation("search/places", "2", &sink());
    let proof = build(&search, &less, of(batch(&fewer))).await.unwrap();
    let Held::Complete(whole) = search.holds(&one).await.unwrap() else { panic!("no proof") };
    assert_ne!(proof.projection_digest, whole.projection_digest);
}

#[test]
fn many_segments_become_one_in_the_order_of_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = index::Builder::create(folder.path()).unwrap();
    for part in 0..3 {
        let mut columns = places();
        let id = |row| Some(format!("{part}-{row:03}"));
        put(&mut columns, "id", (0..299).map(id).collect::<StringArray>());
        builder.add(&batch(&columns)).unwrap();
        builder.commit().unwrap();
    }
    assert_eq!(builder.finish().unwrap(), 3 * 299);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(!name.as_encoded_bytes().starts_with(b"."), "{}", name.display());
    }
    let (_, searcher) = index::open(folder.path()).unwrap();
    assert_eq!(searcher.segment_readers().len(), 1);
    let mut ids = Vec::new();
    index::each_batch(folder.path(), |batch| {
        let column = batch.column(0).as_any().downcast_ref::<StringArray>().unwrap().clone();
        ids.extend(column.iter().flatten().map(str::to_owned));
        true
    })
    .unwrap();
    assert_eq!(ids.len(), 3 * 299);
    assert!(ids.is_sorted());
}
