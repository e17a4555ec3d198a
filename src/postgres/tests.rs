//! The room against a real server.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use futures::TryStreamExt as _;
use sqlx::{ConnectOptions as _, PgPool};

use super::testing::database;
use super::*;
use crate::model::{Code, Column, ColumnType, Failure, FailureKind, RunId};

fn column(name: &str, data_type: ColumnType) -> Column {
    Column {
        name: name.to_owned(),
        data_type,
        not_null: false,
        geometry: None,
        srid: None,
        comment: None,
    }
}

fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.iter().map(|(_, array)| Arc::clone(array)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

mod cluster;
mod codec;
