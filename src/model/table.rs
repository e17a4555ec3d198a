//! What a job fills that makes a table: its columns, and what stands around them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::JobId;

/// A table in PostgreSQL with PostGIS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// A comment for people, on the live table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Who may do what with the live table and with `views`, by role; `public` is everybody.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = &serde_json::json!({ "map_readers": ["select"] }))]
    pub grants: BTreeMap<String, Vec<Privilege>>,
    /// Views over the live table, in its schema, by name: a SELECT each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub views: BTreeMap<String, String>,
    /// Rows of other live tables that each row refers to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_keys: Vec<ForeignKey>,
}

impl TableSink {
    /// The sink without what stands around the rows and changes none of them: grants, comments,
    /// views and foreign keys are put right at a switch, and build nothing anew.
    #[must_use]
    pub fn decisive(&self) -> Self {
        let mut bare = Self {
            comment: None,
            grants: BTreeMap::new(),
            views: BTreeMap::new(),
            foreign_keys: Vec::new(),
            ..self.clone()
        };
        bare.columns.iter_mut().for_each(|column| column.comment = None);
        bare
    }
}

/// What a role may do with a live table.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are PostgreSQL's")]
pub enum Privilege {
    Select,
    Insert,
    Update,
    Delete,
    Trigger,
}

impl Privilege {
    /// The name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Trigger => "TRIGGER",
        }
    }
}

/// A foreign key to the live table of another job, or of the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeignKey {
    /// The columns; a row with NULL in one of them refers to nothing.
    pub columns: Vec<String>,
    /// The job that fills the other table.
    #[schemars(example = &"postgis/counties")]
    pub references: JobId,
    /// The other table's columns: its primary key, or those of a unique index. By default its
    /// primary key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
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
