//! The SQL by which PostGIS makes tiles: one statement for each zoom, none for each tile.

use super::TilesError;
use super::summary::{column, is_whole, properties};
use crate::digest::Digest;
use crate::model::{ColumnType, Layer, TableSink};
use crate::postgres::{Part, Sql, sql};
use crate::projection::postgis::generation_schema;

/// Half the width of the world in Web Mercator, in metres.
const HALF: f64 = 20_037_508.342_789_244;
/// Where Web Mercator ends, in degrees.
const EDGE: f64 = 85.051_128_779_806_59;
/// Units across a tile, and how many more of them are kept around it.
const EXTENT: i64 = 4096;
const BUFFER: i64 = 64;
/// The names of the feature's geometry and id in the row that becomes it; no property has them.
const GEOMETRY: &str = "coppice geometry";
const ID: &str = "coppice id";

/// One layer with the table that it is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerSource<'a> {
    pub(super) layer: &'a Layer,
    pub(super) generation: &'a Digest,
    pub(super) table: &'a TableSink,
    /// Its place among the layers.
    pub(super) number: usize,
}

type Result<T> = std::result::Result<T, TilesError>;

impl LayerSource<'_> {
    fn temporary(&self) -> String {
        format!("coppice_layer_{}", self.number)
    }

    fn row_type(&self) -> String {
        format!("coppice_feature_{}", self.number)
    }

    fn has_whole_id(&self) -> Result<bool> {
        Ok(is_whole(column(self.layer, self.table, &self.layer.id)?))
    }

    /// Every feature that has a place on the map: `id` as text, and the geometry in degrees, cut
    /// to where Web Mercator ends.
    fn eligible(&self) -> Result<Sql> {
        let layer = self.layer;
        if column(layer, self.table, &layer.geometry)? != ColumnType::Geometry {
            let (layer, column) = (&layer.name, &layer.geometry);
            return Err(TilesError::Sink(format!("layer {layer}: {column} is no geometry")));
        }
        let home = generation_schema(self.generation);
        let edge = Part::Float(EDGE);
        let south = Part::Float(-EDGE);
        let band = sql("ST_MakeEnvelope(-180, {}, 180, {}, 4326)", &[south, edge]);
        let (geometry, band) = (Part::Ident(&layer.geometry), Part::Sql(&band));
        let from = Part::Qualified(&home, &self.table.table);
        Ok(sql(
            "SELECT t.*, {}::text AS \"coppice key\", CASE WHEN g.geom @ {} THEN g.geom \
             ELSE ST_ClipByBox2D(g.geom, {}) END AS \"coppice degrees\" \
             FROM {} t CROSS JOIN LATERAL (SELECT ST_Transform(t.{}, 4326) AS geom) g \
             WHERE NOT ST_IsEmpty(g.geom) AND g.geom && {}",
            &[Part::Ident(&layer.id), band, band, from, geometry, band],
        ))
    }

    /// Brings the features into Web Mercator, once for all zooms, in a fixed order.
    pub(super) fn prepare(&self) -> Result<Sql> {
        let (eligible, properties) = (self.eligible()?, properties(self.layer, self.table)?);
        let whole = self.has_whole_id()?;
        let values = properties.iter().enumerate().map(|(number, (name, data_type))| {
            let at = format!("p{number}");
            sql(
                "{}{} AS {}",
                &[Part::Ident(name), Part::Sql(&as_value(*data_type)), Part::Ident(&at)],
            )
        });
        let values = Sql::join(values, ", ");
        let ties =
            properties.iter().map(|(name, _)| sql("{}::text COLLATE \"C\"", &[Part::Ident(name)]));
        let ties = Sql::join(ties, ", ");
        let id = Part::Ident(&self.layer.id);
        let order = if whole { sql("{}", &[id]) } else { sql("{} COLLATE \"C\"", &[id]) };
        let key = if whole { sql("{}::bigint", &[id]) } else { sql("NULL::bigint", &[]) };
        let comma = if properties.is_empty() { sql("", &[]) } else { sql(", ", &[]) };
        let temporary = self.temporary();
        let parts = [
            Part::Ident(&temporary),
            Part::Sql(&order),
            Part::Sql(&comma),
            Part::Sql(&ties),
            Part::Sql(&key),
            Part::Sql(&comma),
            Part::Sql(&values),
            Part::Sql(&eligible),
        ];
        Ok(sql(
            "CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT row_number() OVER (ORDER BY {}{}{}, \
             ST_AsBinary(\"coppice degrees\")) AS ord, {} AS fid{}{}, \
             ST_Transform(\"coppice degrees\", 3857) AS geom FROM ({}) e \
             WHERE NOT ST_IsEmpty(\"coppice degrees\")",
            &parts,
        ))
    }

    /// The named row that `ST_AsMVT` turns into a feature.
    pub(super) fn row(&self) -> Result<Sql> {
        let properties = properties(self.layer, self.table)?;
        let fields = properties.iter().map(|(name, data_type)| {
            sql("{} {}, ", &[Part::Ident(name), Part::Sql(&value_type(*data_type))])
        });
        let fields = Sql::join(fields, "");
        // Only a feature that has an id of its own has the field: as a property it would show.
        let id = if self.has_whole_id()? {
            sql("{} bigint, ", &[Part::Ident(ID)])
        } else {
            Sql::default()
        };
        let row = self.row_type();
        let name = Part::Qualified("pg_temp", &row);
        let parts = [name, Part::Sql(&fields), Part::Sql(&id), Part::Ident(GEOMETRY)];
        Ok(sql("CREATE TYPE {} AS ({}{}{} geometry)", &parts))
    }

    /// The layer's part of each tile of a zoom.
    fn tiles(&self, zoom: u8) -> Result<Sql> {
        let across = 2f64.powi(i32::from(zoom));
        let size = 2.0 * HALF / across;
        #[expect(clippy::cast_precision_loss, reason = "both are small")]
        let (unit, buffer) = (size / EXTENT as f64, size / EXTENT as f64 * BUFFER as f64);
        let properties = properties(self.layer, self.table)?;
        let values = (0..properties.len())
            .map(|number| sql("l.{}, ", &[Part::Ident(&format!("p{number}"))]));
        let values = Sql::join(values, "");
        let (id, own) = if self.has_whole_id()? {
            (sql(", {}", &[Part::Literal(ID)]), sql("l.fid, ", &[]))
        } else {
            (Sql::default(), Sql::default())
        };
        let (half, size, buffer) = (Part::Float(HALF), Part::Float(size), Part::Float(buffer));
        let last = Part::Int((1i64 << zoom) - 1);
        let (temporary, row) = (self.temporary(), self.row_type());
        let zoom = Part::Int(i64::from(zoom));
        let number = i64::try_from(self.number).unwrap_or(i64::MAX);
        let ranges = sql(
            "greatest(0, floor((ST_XMin(geom) + {} - {}) / {}))::int AS x0, \
             least({}, floor((ST_XMax(geom) + {} + {}) / {}))::int AS x1, \
             greatest(0, floor(({} - ST_YMax(geom) - {}) / {}))::int AS y0, \
             least({}, floor(({} - ST_YMin(geom) + {}) / {}))::int AS y1",
            &[
                half, buffer, size, last, half, buffer, size, half, buffer, size, last, half,
                buffer, size,
            ],
        );
        Ok(sql(
            "SELECT {} AS layer, c.x, c.y, \
             ST_AsMVT(c.feature, {}, {}, {}{} ORDER BY c.ord) AS data FROM (\
             SELECT x.x, y.y, l.ord, ROW({}{}m.geom)::{} AS feature FROM (\
             SELECT *, CASE WHEN ST_Dimension(geom) = 0 THEN geom \
             ELSE ST_Simplify(geom, {}, true) END AS drawn, {} FROM {}) l \
             CROSS JOIN LATERAL generate_series(l.x0, l.x1) AS x(x) \
             CROSS JOIN LATERAL generate_series(l.y0, l.y1) AS y(y) \
             CROSS JOIN LATERAL (SELECT ST_AsMVTGeom(l.drawn, ST_TileEnvelope({}, x.x, y.y), \
             {}, {}, true) AS geom) m WHERE m.geom IS NOT NULL) c GROUP BY c.x, c.y",
            &[
                Part::Int(number),
                Part::Literal(&self.layer.name),
                Part::Int(EXTENT),
                Part::Literal(GEOMETRY),
                Part::Sql(&id),
                Part::Sql(&values),
                Part::Sql(&own),
                Part::Qualified("pg_temp", &row),
                Part::Float(unit),
                Part::Sql(&ranges),
                Part::Ident(&temporary),
                zoom,
                Part::Int(EXTENT),
                Part::Int(BUFFER),
            ],
        ))
    }

    /// Counts the features that the layer must show, and those of them that `coppice_seen` has
    /// not.
    pub(super) fn missing(&self) -> Result<Sql> {
        let eligible = self.eligible()?;
        let number = Part::Int(i64::try_from(self.number).unwrap_or(i64::MAX));
        Ok(sql(
            "SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (SELECT FROM coppice_seen s \
             WHERE s.layer = {} AND s.id = e.\"coppice key\")) FROM ({}) e \
             WHERE NOT ST_IsEmpty(\"coppice degrees\")",
            &[number, Part::Sql(&eligible)],
        ))
    }
}

/// What stands behind a property's column so that `ST_AsMVT` takes it as declared: without it,
/// json would be taken apart.
fn as_value(data_type: ColumnType) -> Sql {
    match data_type {
        ColumnType::Bytea
        | ColumnType::Date
        | ColumnType::Timestamptz
        | ColumnType::Json
        | ColumnType::Geometry => sql("::text", &[]),
        _ => Sql::default(),
    }
}

fn value_type(data_type: ColumnType) -> Sql {
    match data_type {
        ColumnType::Boolean => sql("boolean", &[]),
        ColumnType::Smallint => sql("smallint", &[]),
        ColumnType::Integer => sql("integer", &[]),
        ColumnType::Bigint => sql("bigint", &[]),
        ColumnType::Real => sql("real", &[]),
        ColumnType::Double => sql("double precision", &[]),
        _ => sql("text", &[]),
    }
}

/// The whole tiles of a zoom. Layers of one tile are joined as they are: so says protobuf.
pub(super) fn zoom(layers: &[LayerSource<'_>], zoom: u8) -> Result<Sql> {
    let parts = layers.iter().map(|layer| layer.tiles(zoom)).collect::<Result<Vec<_>>>()?;
    let parts = Sql::join(parts, " UNION ALL ");
    Ok(sql(
        "SELECT x, y, string_agg(data, ''::bytea ORDER BY layer) FROM ({}) t GROUP BY x, y",
        &[Part::Sql(&parts)],
    ))
}

/// West, south, east, north of all features in degrees.
pub(super) fn bounds(layers: &[LayerSource<'_>]) -> Sql {
    let extents = layers.iter().map(|layer| {
        sql("SELECT ST_Extent(geom)::geometry AS e FROM {}", &[Part::Ident(&layer.temporary())])
    });
    let extents = Sql::join(extents, " UNION ALL ");
    sql(
        "SELECT ST_XMin(b), ST_YMin(b), ST_XMax(b), ST_YMax(b) FROM (\
         SELECT ST_Transform(ST_SetSRID(ST_Extent(e)::geometry, 3857), 4326) AS b FROM ({}) t) u",
        &[Part::Sql(&extents)],
    )
}
