//! What a rebuild job fills, as its document says it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CommandSink, JobId};

/// What a job fills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Sink {
    /// A table.
    Postgis(TableSink),
    /// A search index.
    Search(SearchSink),
    /// A set of quads.
    Graph(GraphSink),
    /// A tile archive.
    Tiles(TilesSink),
    /// Flat files that another program makes.
    Command(CommandSink),
}

impl Sink {
    /// The projection kind: what stands before the slash in the job's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Postgis(_) => "postgis",
            Self::Search(_) => "search",
            Self::Graph(_) => "graph",
            Self::Tiles(_) => "tiles",
            Self::Command(_) => "command",
        }
    }

    /// Whether its job has a query.
    pub fn has_query(&self) -> bool {
        !matches!(self, Self::Tiles(_) | Self::Command(_))
    }
}

/// A table in PostgreSQL with PostGIS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableSink {
    /// The schema of the live table.
    pub schema: String,
    /// The name of the live table.
    pub table: String,
    /// The columns, in order; the query must give them by name.
    pub columns: Vec<Column>,
    /// The primary key.
    #[serde(default)]
    pub primary_key: Vec<String>,
    /// The indexes.
    #[serde(default)]
    pub indexes: Vec<Index>,
}

/// A typed column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub data_type: ColumnType,
    /// Whether NULL is refused.
    #[serde(default)]
    pub not_null: bool,
    /// Of a geometry: its kind, such as `Point`, `MultiPolygon`; by default any.
    #[serde(default)]
    pub geometry: Option<String>,
    /// Of a geometry: its SRID; by default 4326.
    #[serde(default)]
    pub srid: Option<i32>,
    /// A comment for people.
    #[serde(default)]
    pub comment: Option<String>,
}

/// The types that a column may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are PostgreSQL's")]
pub enum ColumnType {
    Boolean,
    Smallint,
    Integer,
    Bigint,
    Real,
    Double,
    Text,
    Bytea,
    Date,
    Timestamptz,
    Json,
    Geometry,
}

/// An index of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The columns.
    pub columns: Vec<String>,
    /// The method.
    #[serde(default)]
    pub method: IndexMethod,
    /// Whether two rows with equal columns are refused.
    #[serde(default)]
    pub unique: bool,
}

/// How an index is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are PostgreSQL's")]
pub enum IndexMethod {
    #[default]
    Btree,
    Gist,
    Gin,
    Brin,
}

/// A search index. The query gives the columns `id`, `dataset`, `dataset_version_id`, `title`,
/// `body`, `names` (joined by `|`), `time_start`, `time_end`, `west`, `south`, `east`, `north`,
/// `evidence_ref`, `policy_label`; all but `id`, `evidence_ref` and `policy_label` may be NULL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchSink {
    /// Raised by hand when the same input should give other records.
    pub search_profile_version: u32,
}

impl SearchSink {
    /// The columns that the query gives, in order.
    pub const COLUMNS: [&str; 14] = [
        "id",
        "dataset",
        "dataset_version_id",
        "title",
        "body",
        "names",
        "time_start",
        "time_end",
        "west",
        "south",
        "east",
        "north",
        "evidence_ref",
        "policy_label",
    ];
}

/// A set of RDF quads. The query gives the columns `subject`, `predicate`, `object` and `graph`
/// as N-Quads terms; `graph` may be NULL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GraphSink {
    /// Raised by hand when the same input should give other quads.
    pub graph_profile_version: u32,
}

impl GraphSink {
    /// The columns that the query gives, in order.
    pub const COLUMNS: [&str; 4] = ["subject", "predicate", "object", "graph"];
}

/// A `PMTiles` archive of Mapbox Vector Tiles, made out of `PostGIS` projections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TilesSink {
    /// Raised by hand when the same input should give other tiles.
    pub tile_profile_version: u32,
    /// The layers, in order.
    pub layers: Vec<Layer>,
    /// The lowest zoom.
    pub min_zoom: u8,
    /// The highest zoom.
    pub max_zoom: u8,
    /// Whom to thank, as shown on a map.
    #[serde(default)]
    pub attribution: Option<String>,
}

/// One layer of a tile archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Its name in the tiles.
    pub name: String,
    /// The job whose table it is made of.
    pub from: JobId,
    /// The column with the geometry.
    pub geometry: String,
    /// The columns that become properties.
    pub properties: Vec<String>,
    /// The column that identifies a feature; its order is the order in the tile.
    pub id: String,
    /// The lowest zoom at which it is shown; by default the archive's.
    #[serde(default)]
    pub min_zoom: Option<u8>,
}
