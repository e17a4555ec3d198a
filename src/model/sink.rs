//! What a rebuild job fills, as its document says it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CommandSink, JobId, TableSink};

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
