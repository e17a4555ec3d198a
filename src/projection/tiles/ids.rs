//! Holds the highest zoom of a published archive against the tables that it was made of: every
//! feature that has a place on the map must be there.

use std::path::Path;

use futures::TryStreamExt as _;
use quick_protobuf::BytesReader;
use sqlx::{Connection as _, PgConnection, PgPool};

use super::source::{Sources, layers};
use super::statements::LayerSource;
use super::summary::{column, is_whole};
use super::{TilesError, read};
use crate::model::TilesSink;
use crate::postgres::{PgError, SIGNATURE, TRAILER, execute, sql};

type Result<T> = std::result::Result<T, TilesError>;

/// How many features of one layer there should be, and how many of them the highest zoom lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerIds {
    /// The layer.
    pub(crate) layer: String,
    /// Features that have a place on the map.
    pub(crate) eligible: u64,
    /// Those of them that are in no tile of the highest zoom.
    pub(crate) missing: u64,
}

/// How the features of a layer say who they are.
#[derive(Debug, Clone)]
struct Wanted {
    name: String,
    number: i32,
    /// The property that holds the id; a whole number is the feature's own.
    property: Option<String>,
}

/// Compares ids in the database, so that memory stays bounded. Gives counts only: an id may be
/// confidential.
pub(super) async fn check(
    pool: &PgPool,
    sink: &TilesSink,
    sources: &Sources,
    archive: &Path,
) -> Result<Vec<LayerIds>> {
    let layers = layers(sink, sources)?;
    let wanted = layers.iter().map(Wanted::of).collect::<Result<Vec<_>>>()?;
    let options = pool.connect_options();
    let connect = PgConnection::connect_with(&options).await;
    let mut connection = connect.map_err(PgError::sql("connect to check tiles"))?;
    let table = sql("CREATE TEMP TABLE coppice_seen (layer integer, id text)", &[]);
    execute(&mut connection, "check tiles", &table).await?;
    load(&mut connection, sink.max_zoom, wanted, archive).await?;
    let index = sql("CREATE INDEX ON coppice_seen (id, layer); ANALYZE coppice_seen", &[]);
    execute(&mut connection, "check tiles", &index).await?;
    let mut all = Vec::new();
    for layer in &layers {
        let (eligible, missing): (i64, i64) = sqlx::query_as(layer.missing()?.safe())
            .fetch_one(&mut connection)
            .await
            .map_err(PgError::sql("look for features that no tile shows"))?;
        all.push(LayerIds {
            layer: layer.layer.name.clone(),
            eligible: eligible.try_into().unwrap_or(0),
            missing: missing.try_into().unwrap_or(0),
        });
    }
    connection.close().await.map_err(PgError::sql("close a connection"))?;
    Ok(all)
}

/// Copies the ids of the highest zoom into the temporary table.
async fn load(
    connection: &mut PgConnection,
    zoom: u8,
    wanted: Vec<Wanted>,
    archive: &Path,
) -> Result<()> {
    let failed = PgError::sql("copy ids of features");
    let statement = sql("COPY coppice_seen FROM STDIN (FORMAT BINARY)", &[]);
    let mut batches = read::tiles(archive.to_owned(), move |tiles| {
        let mut tuples = Vec::new();
        for (_, bytes) in tiles.iter().filter(|(tile, _)| tile.z() == zoom) {
            seen(bytes, &wanted, &mut tuples)?;
        }
        Ok(tuples)
    });
    let mut copy = connection.copy_in_raw(statement.as_str()).await.map_err(&failed)?;
    copy.send([&SIGNATURE[..], &[0; 8]].concat()).await.map_err(&failed)?;
    while let Some(tuples) = batches.try_next().await? {
        copy.send(tuples).await.map_err(&failed)?;
    }
    copy.send(&TRAILER[..]).await.map_err(&failed)?;
    copy.finish().await.map_err(&failed)?;
    Ok(())
}

impl Wanted {
    fn of(source: &LayerSource<'_>) -> Result<Self> {
        let layer = source.layer;
        let whole = is_whole(column(layer, source.table, &layer.id)?);
        Ok(Self {
            name: layer.name.clone(),
            number: i32::try_from(source.number).unwrap_or(i32::MAX),
            property: (!whole).then(|| layer.id.clone()),
        })
    }
}

/// Appends a COPY tuple (layer, id) for each feature of a tile. Only what names a feature is read
/// of the Mapbox Vector Tile (version 2.1), by the field numbers of its schema.
fn seen(tile: &[u8], wanted: &[Wanted], tuples: &mut Vec<u8>) -> Result<()> {
    let mut reader = BytesReader::from_bytes(tile);
    while !reader.is_eof() {
        match reader.next_tag(tile)? {
            // Tile.layers
            26 => layer(reader.read_bytes(tile)?, wanted, tuples)?,
            tag => reader.read_unknown(tile, tag)?,
        }
    }
    Ok(())
}

fn layer(layer: &[u8], wanted: &[Wanted], tuples: &mut Vec<u8>) -> Result<()> {
    let mut reader = BytesReader::from_bytes(layer);
    let (mut name, mut features, mut keys, mut values) = ("", Vec::new(), Vec::new(), Vec::new());
    while !reader.is_eof() {
        match reader.next_tag(layer)? {
            10 => name = reader.read_string(layer)?,
            18 => features.push(reader.read_bytes(layer)?),
            26 => keys.push(reader.read_string(layer)?),
            34 => values.push(reader.read_bytes(layer)?),
            tag => reader.read_unknown(layer, tag)?,
        }
    }
    let Some(wanted) = wanted.iter().find(|wanted| wanted.name == name) else { return Ok(()) };
    let key = wanted.property.as_ref().map(|name| keys.iter().position(|key| key == name));
    for feature in features {
        let (id, tags) = feature_of(feature)?;
        let id = match key {
            None => id.map(|id| id.to_string()),
            Some(key) => {
                let pairs = tags.as_chunks::<2>().0.iter();
                let mut own = pairs.filter(|pair| Some(pair[0] as usize) == key);
                let value = own.next().and_then(|pair| values.get(pair[1] as usize));
                value.map(|value| text_of(value)).transpose()?.flatten()
            }
        };
        if let Some(id) = id {
            tuple(wanted.number, &id, tuples)?;
        }
    }
    Ok(())
}

/// The id and the tags of a feature.
fn feature_of(feature: &[u8]) -> Result<(Option<u64>, Vec<u32>)> {
    let mut reader = BytesReader::from_bytes(feature);
    let (mut id, mut tags) = (None, Vec::new());
    while !reader.is_eof() {
        match reader.next_tag(feature)? {
            8 => id = Some(reader.read_uint64(feature)?),
            18 => tags = reader.read_packed(feature, BytesReader::read_uint32)?,
            tag => reader.read_unknown(feature, tag)?,
        }
    }
    Ok((id, tags))
}

/// A value that is a text.
fn text_of(value: &[u8]) -> Result<Option<String>> {
    let mut reader = BytesReader::from_bytes(value);
    while !reader.is_eof() {
        match reader.next_tag(value)? {
            10 => return Ok(Some(reader.read_string(value)?.to_owned())),
            tag => reader.read_unknown(value, tag)?,
        }
    }
    Ok(None)
}

fn tuple(layer: i32, id: &str, out: &mut Vec<u8>) -> Result<()> {
    let length = i32::try_from(id.len()).ok().ok_or(TilesError::Row("an id that is too long"))?;
    out.extend_from_slice(&[0, 2, 0, 0, 0, 4]);
    out.extend_from_slice(&layer.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(id.as_bytes());
    Ok(())
}
