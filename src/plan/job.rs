//! A rebuild job as written in `rebuild/**/*.yaml`: a query over canonical data, and a sink.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::{ApiVersion, Metadata};
use crate::model::{Audience, JobId, OnBadRow, ReadAs, Sink};

/// A rebuild job: one projection derived from canonical datasets or from another projection.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RebuildJob {
    /// Always `coppice/v1`.
    #[serde(rename = "apiVersion")]
    pub(crate) api_version: ApiVersion,
    /// Always `RebuildJob`.
    pub(crate) kind: JobKind,
    /// Its name, `<kind>/<name>`, such as `postgis/places`.
    pub(crate) metadata: Metadata,
    /// What it says.
    pub(crate) spec: JobSpec,
}

/// The kind of a rebuild job document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum JobKind {
    /// The only one.
    RebuildJob,
}

/// What a job says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobSpec {
    /// What it reads.
    pub(crate) inputs: Vec<Input>,
    /// The query: SQL, or the name of a `.sql` file beside the job. Tiles and commands have none.
    #[serde(default)]
    pub(crate) query: Option<String>,
    /// What it fills.
    pub(crate) sink: Sink,
    /// Who reads the projection; by default `public` for search and tiles, else `governed`.
    #[serde(default)]
    pub(crate) audience: Option<Audience>,
    /// What must hold of the rows.
    #[serde(default)]
    pub(crate) expect: Expect,
    /// What is done with rows that cannot be read as declared: `refuse`, the default; `skip` with
    /// a bound; or `repair`.
    #[serde(default)]
    pub(crate) on_bad_row: OnBadRow,
}

/// One thing that a job reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Input {
    /// A dataset, as a table.
    Dataset {
        /// The dataset's name in the catalog.
        dataset: String,
        /// The table's name in the query; by default the dataset's.
        #[serde(default, rename = "as")]
        alias: Option<String>,
        /// The version; by default the released one, else the newest.
        #[serde(default)]
        version: Option<String>,
        /// What its artifacts do not say of themselves.
        #[serde(default)]
        read: ReadAs,
    },
    /// Another job's projection.
    Projection {
        /// The job.
        projection: JobId,
    },
    /// The catalogs of dataset versions that the job's audience may see: the tables
    /// `catalog_datasets` and `catalog_quads`.
    Catalog {
        /// Of which versions.
        catalog: CatalogScope,
    },
}

/// Of which dataset versions a job reads the catalogs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CatalogScope {
    /// Every version of every dataset.
    All,
    /// Of each dataset the version that a job reads: the one that the job names, else the
    /// released one, else the newest. So one row of `catalog_datasets` speaks for a dataset.
    Current,
}

/// What must hold of a job's rows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// At least so many rows.
    pub(crate) min_rows: Option<u64>,
    /// At most so many rows.
    pub(crate) max_rows: Option<u64>,
    /// Whether no row at all is right though the inputs have some.
    pub(crate) allow_empty: bool,
    /// Columns in which, taken together, no two rows are the same; a row with NULL in one of them
    /// is like no other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unique: Vec<String>,
    /// Columns that have a value in every row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) not_null: Vec<String>,
    /// Where all geometries lie: west, south, east, north in degrees; west > east crosses the
    /// antimeridian. Of a search index the columns of these names are held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) extent: Option<[f64; 4]>,
}
