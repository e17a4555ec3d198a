//! The SQL of one generation's table.

use super::PostgisError;
use crate::digest::Digest;
use crate::model::{Column, ColumnType, Index, IndexMethod, Sink, TableSink};
use crate::postgres::{Part, Sql, geometry_kind, sql};

/// PostgreSQL cuts longer names without a word.
const LONGEST_NAME: usize = 63;

/// The schema that holds a generation: `coppice_<16 hex>`.
pub(crate) fn generation_schema(generation: &Digest) -> String {
    format!("coppice_{}", generation.short())
}

/// The table of a sink, if it is one that can be built.
pub(super) fn table_of(sink: &Sink) -> Result<&TableSink, PostgisError> {
    let Sink::Postgis(table) = sink else {
        return Err(PostgisError::Sink("the sink is no table".to_owned()));
    };
    let names = [&table.schema, &table.table].into_iter();
    for name in names.chain(table.columns.iter().map(|column| &column.name)) {
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains('\0') {
            return Err(PostgisError::Sink(format!("`{name}` is no name for PostgreSQL")));
        }
    }
    if table.schema.starts_with("coppice") {
        return Err(PostgisError::Sink(format!("the schema {} is coppice's own", table.schema)));
    }
    if table.columns.is_empty() {
        return Err(PostgisError::Sink("the sink has no columns".to_owned()));
    }
    Ok(table)
}

/// The declared columns as a list.
pub(super) fn columns(table: &TableSink) -> Sql {
    Sql::idents(table.columns.iter().map(|column| column.name.as_str()))
}

/// Makes the table, empty.
pub(super) fn create(schema: &str, table: &TableSink) -> Result<Sql, PostgisError> {
    let columns = table.columns.iter().map(define).collect::<Result<Vec<_>, _>>()?;
    let columns = Sql::join(columns, ", ");
    let name = Part::Qualified(schema, &table.table);
    Ok(sql("CREATE TABLE {} ({})", &[name, Part::Sql(&columns)]))
}

fn define(column: &Column) -> Result<Sql, PostgisError> {
    let data_type = match column.data_type {
        ColumnType::Boolean => sql("boolean", &[]),
        ColumnType::Smallint => sql("smallint", &[]),
        ColumnType::Integer => sql("integer", &[]),
        ColumnType::Bigint => sql("bigint", &[]),
        ColumnType::Real => sql("real", &[]),
        ColumnType::Double => sql("double precision", &[]),
        ColumnType::Text => sql("text", &[]),
        ColumnType::Bytea => sql("bytea", &[]),
        ColumnType::Date => sql("date", &[]),
        ColumnType::Timestamptz => sql("timestamptz", &[]),
        ColumnType::Json => sql("json", &[]),
        ColumnType::Geometry => {
            let kind = geometry_kind(column).map_err(|e| PostgisError::Sink(e.to_string()))?.name();
            let srid = i64::from(column.srid.unwrap_or(4326));
            sql("geometry({}, {})", &[Part::Ident(&kind), Part::Int(srid)])
        }
    };
    let not_null = if column.not_null { sql(" NOT NULL", &[]) } else { Sql::default() };
    let parts = [Part::Ident(&column.name), Part::Sql(&data_type), Part::Sql(&not_null)];
    Ok(sql("{} {}{}", &parts))
}

/// Fills the table; `FREEZE` spares readers the first look at every row, and is allowed because
/// the table is made in the same transaction.
pub(super) fn fill(schema: &str, table: &TableSink) -> Sql {
    let (name, columns) = (Part::Qualified(schema, &table.table), columns(table));
    sql("COPY {} ({}) FROM STDIN (FORMAT BINARY, FREEZE)", &[name, Part::Sql(&columns)])
}

/// What is done after the rows are in: keys, indexes, comments, statistics.
pub(super) fn finish(schema: &str, table: &TableSink, comment: &str) -> Vec<Sql> {
    let name = Part::Qualified(schema, &table.table);
    let mut all = Vec::new();
    if !table.primary_key.is_empty() {
        let key = Sql::idents(table.primary_key.iter().map(String::as_str));
        all.push(sql("ALTER TABLE {} ADD PRIMARY KEY ({})", &[name, Part::Sql(&key)]));
    }
    all.extend(table.indexes.iter().map(|index| index_on(name, index)));
    all.push(sql("COMMENT ON TABLE {} IS {}", &[name, Part::Literal(comment)]));
    all.extend(column_comments(name, table));
    all.push(sql("ANALYZE {}", &[name]));
    all
}

/// The comments of the columns, for the table and for the view.
pub(super) fn column_comments<'a>(
    name: Part<'a>,
    table: &'a TableSink,
) -> impl Iterator<Item = Sql> + 'a {
    let comments =
        table.columns.iter().filter_map(|column| Some((column, column.comment.as_ref()?)));
    comments.map(move |(column, comment)| {
        let parts = [name, Part::Ident(&column.name), Part::Literal(comment)];
        sql("COMMENT ON COLUMN {}.{} IS {}", &parts)
    })
}

fn index_on(name: Part<'_>, index: &Index) -> Sql {
    let unique = if index.unique { sql("UNIQUE ", &[]) } else { Sql::default() };
    let method = match index.method {
        IndexMethod::Btree => sql("btree", &[]),
        IndexMethod::Gist => sql("gist", &[]),
        IndexMethod::Gin => sql("gin", &[]),
        IndexMethod::Brin => sql("brin", &[]),
    };
    let columns = Sql::idents(index.columns.iter().map(String::as_str));
    let parts = [Part::Sql(&unique), name, Part::Sql(&method), Part::Sql(&columns)];
    sql("CREATE {}INDEX ON {} USING {} ({})", &parts)
}
