use std::sync::Arc;

use chrono::Utc;
use futures::TryStreamExt as _;
use pmtiles::{AsyncPmTilesReader, TileCoord};
use sqlx::PgPool;

use super::ids::LayerIds;
use super::source::Sources;
use super::*;
use crate::digest::Digest;
use crate::model::{
    Column, ColumnType, Failure, JobId, Layer, Meter, Proof, RunId, Sink, TableSink, TilesSink,
};
use crate::postgres::testing::database;
use crate::projection::files::Copy;
use crate::projection::postgis::generation_schema;
use crate::projection::testing::{self, context, house};
use crate::projection::{Change, Generation, Held, Projection as _};
use crate::proof::{compare, digest_rows, tee};

fn table(name: &str, columns: &[(&str, ColumnType)]) -> TableSink {
    let column = |&(name, data_type): &(&str, ColumnType)| Column {
        name: name.to_owned(),
        data_type,
        not_null: false,
        geometry: None,
        srid: None,
        comment: None,
    };
    TableSink {
        schema: "kansas".to_owned(),
        table: name.to_owned(),
        columns: columns.iter().map(column).collect(),
        ..TableSink::default()
    }
}

/// Points with whole numbers as ids, and areas with texts; some of them where no map shows them.
async fn sources(pool: &PgPool) -> Sources {
    use ColumnType::{Bigint, Boolean, Date, Double, Geometry, Json, Text};
    let places = table(
        "places",
        &[
            ("id", Bigint),
            ("name", Text),
            ("big", Boolean),
            ("height", Double),
            ("seen", Date),
            ("more", Json),
            ("geom", Geometry),
        ],
    );
    let areas = table("areas", &[("code", Text), ("geom", Geometry)]);
    let (first, second) = (Digest::blake3(b"places"), Digest::blake3(b"areas"));
    let setup = format!(
        r#"
        CREATE SCHEMA {one}; CREATE SCHEMA {two};
        CREATE TABLE {one}.places (id bigint, name text, big boolean, height float8, seen date,
            more json, geom geometry(Geometry, 4326));
        INSERT INTO {one}.places SELECT n, 'Ñandú ' || n, n % 2 = 0, n / 3.0,
            date '2020-01-01' + n, '{{"a": 1}}',
            ST_SetSRID(ST_MakePoint(-102 + (n * 7919 % 1000) / 125.0, 37 + (n * 104729 % 1000) / 333.0), 4326)
            FROM generate_series(1, 600) n;
        INSERT INTO {one}.places VALUES (601, 'pole', true, 0, NULL, NULL, 'SRID=4326;POINT(0 90)'),
            (602, NULL, NULL, NULL, NULL, NULL, 'SRID=4326;POINT EMPTY'),
            (603, NULL, NULL, NULL, NULL, NULL, NULL),
            (604, 'edge', NULL, NULL, NULL, NULL, 'SRID=4326;POINT(180 -85.05)');
        CREATE TABLE {two}.areas (code text, geom geometry(MultiPolygon, 26914));
        INSERT INTO {two}.areas SELECT 'K' || n, ST_Multi(ST_Transform(ST_MakeEnvelope(
            -102 + n * 0.4, 37, -101.6 + n * 0.4, 40, 4326), 26914)) FROM generate_series(0, 19) n;
        "#,
        one = generation_schema(&first),
        two = generation_schema(&second),
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(setup)).execute(pool).await.unwrap();
    let job = |name: &str| name.parse::<JobId>().unwrap();
    [(job("postgis/places"), (first, places)), (job("postgis/areas"), (second, areas))].into()
}

fn sink() -> TilesSink {
    let layer = |name: &str, id: &str, properties: &[&str], min_zoom| Layer {
        name: name.to_owned(),
        from: format!("postgis/{name}").parse().unwrap(),
        geometry: "geom".to_owned(),
        properties: properties.iter().map(|&name| name.to_owned()).collect(),
        id: id.to_owned(),
        min_zoom,
    };
    TilesSink {
        tile_profile_version: 3,
        layers: vec![
            layer("areas", "code", &[], None),
            layer("places", "id", &["name", "big", "height", "seen", "more"], Some(2)),
        ],
        min_zoom: 1,
        max_zoom: 7,
        attribution: Some("© somebody".to_owned()),
    }
}

fn generation(seed: &str) -> Generation {
    testing::generation("tiles/kansas", seed, &Sink::Tiles(sink()))
}

async fn build(
    target: &TilesProjection,
    pool: &PgPool,
    sources: &Sources,
    generation: &Generation,
) -> Result<Proof, Failure> {
    let rows = tiles_source(pool, &sink(), sources).await?;
    let encoding = target.encoding(&generation.sink, &rows.schema())?;
    let (rows, handle) = tee(rows, Arc::clone(&encoding));
    let count = target.stage(generation, rows, &context(RunId::now(), 1)).await?;
    let canonical = handle.finish()?;
    assert_eq!(canonical.count, count);
    let back = target.read_back(generation).await?;
    let projected = digest_rows(back, encoding.name(), &Meter::default()).await?;
    Ok(compare(&canonical, &projected, target.covers(&generation.sink), Utc::now()))
}

#[tokio::test]
async fn an_archive_is_made_proven_and_the_same_each_time() {
    let pool = database().await;
    let sources = sources(&pool).await;
    let house = house();
    let target = TilesProjection::new(house.files.clone());
    let (one, two) = (generation("1"), generation("2"));
    let proof = build(&target, &pool, &sources, &one).await.unwrap();
    assert!(proof.proven && proof.rows > 20, "{proof:?}");
    // The same rows in another order on disk.
    let home = generation_schema(&sources[&"postgis/places".parse().unwrap()].0);
    let shuffle = format!(
        "CREATE TABLE {home}.p2 AS SELECT * FROM {home}.places ORDER BY md5(id::text); \
         DROP TABLE {home}.places; ALTER TABLE {home}.p2 RENAME TO places"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(shuffle)).execute(&pool).await.unwrap();
    let again = build(&target, &pool, &sources, &two).await.unwrap();
    assert_eq!(again.projection_digest, proof.projection_digest);
    let archive = house.files.fetch(&one, Copy::Fresh).await.unwrap().join(archive::NAME);
    let other = house.files.fetch(&two, Copy::Fresh).await.unwrap().join(archive::NAME);
    let bytes = std::fs::read(&archive).unwrap();
    assert_eq!(bytes, std::fs::read(other).unwrap());

    let reader = AsyncPmTilesReader::new_with_path(&archive).await.unwrap();
    let header = reader.get_header();
    assert!(header.clustered());
    assert_eq!((header.min_zoom, header.max_zoom), (1, 7));
    assert!(header.min_longitude < -101.9 && header.max_longitude > 179.9, "{header:?}");
    let metadata: serde_json::Value =
        serde_json::from_str(&reader.get_metadata().await.unwrap()).unwrap();
    assert_eq!(metadata["name"], "kansas");
    assert_eq!(metadata["attribution"], "© somebody");
    let layers = &metadata["vector_layers"];
    assert_eq!(layers[0]["id"], "areas");
    assert_eq!(layers[0]["fields"], serde_json::json!({"code": "String"}));
    assert_eq!((&layers[1]["minzoom"], &layers[1]["maxzoom"]), (&2.into(), &7.into()));
    assert_eq!(layers[1]["fields"]["big"], "Boolean");

    let tile = |z, x, y| {
        let reader = &reader;
        async move {
            let tile = reader.get_tile_decompressed(TileCoord::new(z, x, y).unwrap()).await;
            String::from_utf8_lossy(&tile.unwrap().unwrap_or_default()).into_owned()
        }
    };
    let low = tile(1, 0, 0).await;
    assert!(low.contains("areas") && low.contains("K7") && !low.contains("places"));
    let high = tile(2, 0, 1).await;
    assert!(high.contains("areas") && high.contains("Ñandú 17") && high.contains("2020-01-18"));
    assert!(high.contains(r#"{"a": 1}"#) && !high.contains("coppice"));
}

#[tokio::test]
async fn a_feature_that_no_tile_shows_is_counted() {
    let pool = database().await;
    let sources = sources(&pool).await;
    let house = house();
    let target = TilesProjection::new(house.files.clone());
    let one = generation("1");
    let proof = build(&target, &pool, &sources, &one).await.unwrap();
    let ids =
        |layer: &str, eligible, missing| LayerIds { layer: layer.to_owned(), eligible, missing };
    let found = target.check_ids(&one, &pool, &sources).await.unwrap();
    // 601 to 603 have no place on the map.
    assert_eq!(found, [ids("areas", 20, 0), ids("places", 601, 0)]);
    let add = format!(
        "INSERT INTO {}.places (id, geom) VALUES (999, 'SRID=4326;POINT(-100 38)')",
        generation_schema(&sources[&"postgis/places".parse().unwrap()].0)
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(add)).execute(&pool).await.unwrap();
    let found = target.check_ids(&one, &pool, &sources).await.unwrap();
    assert_eq!(found, [ids("areas", 20, 0), ids("places", 602, 1)]);

    assert_eq!(target.holds(&one).await.unwrap(), Held::Partial);
    target.record(&one, &proof).await.unwrap();
    let (job, sink) = (one.job.clone(), one.sink.clone());
    let set = [Change { job, sink, from: None, to: Some(one.digest) }];
    target.prepare(&set).await.unwrap();
    target.switch(&set, &context(RunId::now(), 1)).await.unwrap();
    assert_eq!(target.holds(&one).await.unwrap(), Held::Live(proof));
}

#[tokio::test]
async fn what_makes_no_tiles_is_refused() {
    let pool = database().await;
    let sources = sources(&pool).await;
    let refused = async |change: &dyn Fn(&mut TilesSink)| {
        let mut sink = sink();
        change(&mut sink);
        let made = tiles_source(&pool, &sink, &sources).await;
        made.err().map(|failure| failure.message).unwrap_or_default()
    };
    assert_eq!(refused(&|_| {}).await, "");
    assert!(refused(&|s| s.layers[0].id = "nope".to_owned()).await.contains("no column nope"));
    assert!(refused(&|s| s.layers[1].geometry = "name".to_owned()).await.contains("no geometry"));
    assert!(refused(&|s| s.layers[1].name = "areas".to_owned()).await.contains("one name"));
    assert!(refused(&|s| s.max_zoom = 0).await.contains("zooms"));
    let other = |s: &mut TilesSink| s.layers[0].from = "postgis/none".parse().unwrap();
    assert!(refused(&other).await.contains("postgis/none"));

    // A table that is gone fails while the tiles are made or before, never as an empty archive.
    let home = generation_schema(&sources[&"postgis/areas".parse().unwrap()].0);
    let drop = format!("DROP SCHEMA {home} CASCADE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&pool).await.unwrap();
    let rows = tiles_source(&pool, &sink(), &sources).await;
    let failed = match rows {
        Err(_) => true,
        Ok(rows) => rows.try_collect::<Vec<_>>().await.is_err(),
    };
    assert!(failed);
}
