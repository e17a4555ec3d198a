use std::collections::{BTreeMap, BTreeSet};

use super::{known_or, name_a_table};
use crate::model::{ColumnType, JobId, Layer, Sink, TableSink, TilesSink};
use crate::plan::load::LoadedJob;
use crate::plan::{Input, Problem};

/// The highest zoom that tile ids and viewers agree on.
const MAX_ZOOM: u8 = 24;

/// The geometry kinds that a column may be held to.
const GEOMETRIES: [&str; 8] = [
    "Geometry",
    "Point",
    "LineString",
    "Polygon",
    "MultiPoint",
    "MultiLineString",
    "MultiPolygon",
    "GeometryCollection",
];

/// Whether a name needs no quotes in SQL and fits PostgreSQL's 63 bytes.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    let rest = chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    first && rest && name.len() <= 63
}

/// What is wrong in a job's sink.
pub(super) fn sink(id: &JobId, job: &LoadedJob, jobs: &BTreeMap<JobId, LoadedJob>) -> Vec<Problem> {
    let mut check =
        Check { job, problems: Vec::new(), at: format!("spec/sink/{}", job.job.spec.sink.kind()) };
    match &job.job.spec.sink {
        Sink::Postgis(sink) => check.table(sink),
        Sink::Tiles(sink) => check.tiles(id, sink, jobs),
        Sink::Search(sink) => check.profile("search_profile_version", sink.search_profile_version),
        Sink::Graph(sink) => check.profile("graph_profile_version", sink.graph_profile_version),
        // What is run, and with what, is judged with its files.
        Sink::Command(_) => {}
    }
    check.problems
}

struct Check<'a> {
    job: &'a LoadedJob,
    problems: Vec<Problem>,
    at: String,
}

impl Check<'_> {
    fn say(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        let hint: String = hint.into();
        let path = format!("{}/{path}", self.at);
        self.problems.push(self.job.source.problem(&path, message).hint(hint));
    }

    fn profile(&mut self, field: &str, version: u32) {
        if version == 0 {
            self.say(field, "must be at least 1", "begin with 1");
        }
    }

    fn identifier(&mut self, path: &str, name: &str) {
        if !is_identifier(name) {
            let hint = "use a-z, 0-9 and `_`, not a digit first, at most 63 bytes";
            self.say(path, format!("`{name}` is no identifier"), hint);
        }
    }

    fn table(&mut self, sink: &TableSink) {
        self.identifier("schema", &sink.schema);
        self.identifier("table", &sink.table);
        let reserved = ["pg_", "information_schema", "coppice_"];
        if reserved.iter().any(|prefix| sink.schema.starts_with(prefix)) {
            let hint = "PostgreSQL and Coppice keep their own things there";
            self.say("schema", format!("`{}` is reserved", sink.schema), hint);
        }
        if sink.columns.is_empty() {
            let hint = "name what the query gives, such as `- { name: id, type: bigint }`";
            self.say("columns", "a table has at least one column", hint);
        }
        let mut names = BTreeSet::new();
        for (index, column) in sink.columns.iter().enumerate() {
            let at = format!("columns/{index}");
            self.identifier(&format!("{at}/name"), &column.name);
            if !names.insert(column.name.as_str()) {
                let message = format!("a second column `{}`", column.name);
                self.say(&format!("{at}/name"), message, "give each its own name");
            }
            let geometry = column.data_type == ColumnType::Geometry;
            if let Some(kind) = column.geometry.as_ref().filter(|_| !geometry) {
                let message = format!("`geometry: {kind}` on a column of another type");
                self.say(&format!("{at}/geometry"), message, "set `type: geometry`");
            }
            if column.srid.is_some() && !geometry {
                let hint = "take it away, or set `type: geometry`";
                self.say(&format!("{at}/srid"), "`srid` on a column of another type", hint);
            }
            if let Some(kind) = column.geometry.as_deref().filter(|k| !GEOMETRIES.contains(k)) {
                let hint = known_or(kind, GEOMETRIES, "take it away");
                self.say(&format!("{at}/geometry"), format!("unknown geometry `{kind}`"), hint);
            }
            if column.srid.is_some_and(|srid| !(1..=998_999).contains(&srid)) {
                self.say(&format!("{at}/srid"), "is no SRID", "4326 is WGS 84");
            }
        }
        for (index, name) in sink.primary_key.iter().enumerate() {
            self.column(&format!("primary_key/{index}"), name, sink);
        }
        for (at, index) in sink.indexes.iter().enumerate() {
            if index.columns.is_empty() {
                let hint = "name them, such as `columns: [id]`, or take the index away";
                self.say(&format!("indexes/{at}"), "an index has at least one column", hint);
            }
            for (column, name) in index.columns.iter().enumerate() {
                self.column(&format!("indexes/{at}/columns/{column}"), name, sink);
            }
        }
    }

    fn column(&mut self, path: &str, name: &str, table: &TableSink) {
        if !table.columns.iter().any(|column| column.name == name) {
            let known = table.columns.iter().map(|column| column.name.as_str());
            let hint = known_or(name, known, "declare it under `columns`");
            self.say(path, format!("no column `{name}` in {}.{}", table.schema, table.table), hint);
        }
    }

    fn tiles(&mut self, id: &JobId, sink: &TilesSink, jobs: &BTreeMap<JobId, LoadedJob>) {
        self.profile("tile_profile_version", sink.tile_profile_version);
        if sink.max_zoom > MAX_ZOOM {
            let hint = "viewers ask for no higher one; most maps need 14 at most";
            self.say("max_zoom", format!("must be at most {MAX_ZOOM}"), hint);
        }
        if sink.min_zoom > sink.max_zoom {
            let hint = format!("write at most {}, or raise `max_zoom`", sink.max_zoom);
            self.say("min_zoom", "is higher than `max_zoom`", hint);
        }
        if sink.layers.is_empty() {
            let hint = "add one, such as `- { name: places, from: postgis/places, geometry: geom, \
                        id: id, properties: [name] }`";
            self.say("layers", "an archive has at least one layer", hint);
        }
        let mut names = BTreeSet::new();
        for (index, layer) in sink.layers.iter().enumerate() {
            let at = format!("layers/{index}");
            if !names.insert(layer.name.as_str()) {
                let message = format!("a second layer `{}`", layer.name);
                self.say(&format!("{at}/name"), message, "give each its own name");
            }
            if layer.min_zoom.is_some_and(|zoom| zoom < sink.min_zoom || zoom > sink.max_zoom) {
                let hint = format!("write {} to {}", sink.min_zoom, sink.max_zoom);
                self.say(&format!("{at}/min_zoom"), "lies outside the archive's zooms", hint);
            }
            self.layer(&at, id, layer, jobs);
        }
        for (index, input) in self.job.job.spec.inputs.iter().enumerate() {
            let Input::Projection { projection } = input else { continue };
            if !sink.layers.iter().any(|layer| &layer.from == projection) {
                let at = format!("spec/inputs/{index}/projection");
                let message = format!("no layer is made of `{projection}`");
                let hint = format!("add a layer with `from: {projection}`, or take the input away");
                self.problems.push(self.job.source.problem(&at, message).hint(hint));
            }
        }
    }

    fn layer(&mut self, at: &str, id: &JobId, layer: &Layer, jobs: &BTreeMap<JobId, LoadedJob>) {
        let inputs = &self.job.job.spec.inputs;
        let listed = inputs.iter().any(
            |input| matches!(input, Input::Projection { projection } if projection == &layer.from),
        );
        if !listed {
            let listed = inputs.iter().filter_map(|input| match input {
                Input::Projection { projection } => Some(projection.as_str()),
                _ => None,
            });
            let none = format!("add `- projection: {}` to the inputs", layer.from);
            let hint = known_or(layer.from.as_str(), listed.collect::<Vec<_>>(), &none);
            let message = format!("`{}` is not among the inputs of `{id}`", layer.from);
            self.say(&format!("{at}/from"), message, hint);
        }
        let Some(from) = jobs.get(&layer.from) else { return };
        let Sink::Postgis(table) = &from.job.spec.sink else {
            let message = format!("`{}` fills no table", layer.from);
            self.say(&format!("{at}/from"), message, name_a_table(&layer.from, jobs));
            return;
        };
        self.column(&format!("{at}/id"), &layer.id, table);
        for (index, property) in layer.properties.iter().enumerate() {
            self.column(&format!("{at}/properties/{index}"), property, table);
        }
        let path = format!("{at}/geometry");
        match table.columns.iter().find(|column| column.name == layer.geometry) {
            None => self.column(&path, &layer.geometry, table),
            Some(column) if column.data_type != ColumnType::Geometry => {
                let message = format!("column `{}` is no geometry", column.name);
                self.say(&path, message, name_a_geometry(&layer.geometry, table));
            }
            Some(_) => {}
        }
    }
}

/// What to do about a column that is no geometry, where one is asked for.
fn name_a_geometry(given: &str, table: &TableSink) -> String {
    let columns = table.columns.iter().filter(|column| column.data_type == ColumnType::Geometry);
    let known: Vec<_> = columns.map(|column| column.name.as_str()).collect();
    let hint = known_or(given, known, "the table has none yet, so declare it");
    format!("name one of `type: geometry`; {hint}")
}
