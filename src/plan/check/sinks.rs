use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ColumnType, JobId, Layer, Sink, TableSink, TilesSink};
use crate::plan::hint::did_you_mean;
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
    fn say(&mut self, path: &str, message: impl Into<String>, hint: Option<String>) {
        let path = format!("{}/{path}", self.at);
        self.problems.push(self.job.source.problem(&path, message).hint(hint));
    }

    fn profile(&mut self, field: &str, version: u32) {
        if version == 0 {
            self.say(field, "must be at least 1", None);
        }
    }

    fn identifier(&mut self, path: &str, name: &str) {
        if !is_identifier(name) {
            let hint = "use a-z, 0-9 and `_`, not a digit first, at most 63 bytes".to_owned();
            self.say(path, format!("`{name}` is no identifier"), Some(hint));
        }
    }

    fn table(&mut self, sink: &TableSink) {
        self.identifier("schema", &sink.schema);
        self.identifier("table", &sink.table);
        let reserved = ["pg_", "information_schema", "coppice_"];
        if reserved.iter().any(|prefix| sink.schema.starts_with(prefix)) {
            let hint = "PostgreSQL and Coppice keep their own things there".to_owned();
            self.say("schema", format!("`{}` is reserved", sink.schema), Some(hint));
        }
        if sink.columns.is_empty() {
            self.say("columns", "a table has at least one column", None);
        }
        let mut names = BTreeSet::new();
        for (index, column) in sink.columns.iter().enumerate() {
            let at = format!("columns/{index}");
            self.identifier(&format!("{at}/name"), &column.name);
            if !names.insert(column.name.as_str()) {
                self.say(&format!("{at}/name"), format!("a second column `{}`", column.name), None);
            }
            let geometry = column.data_type == ColumnType::Geometry;
            if let Some(kind) = column.geometry.as_ref().filter(|_| !geometry) {
                let message = format!("`geometry: {kind}` on a column of another type");
                self.say(
                    &format!("{at}/geometry"),
                    message,
                    Some("set `type: geometry`".to_owned()),
                );
            }
            if column.srid.is_some() && !geometry {
                self.say(&format!("{at}/srid"), "`srid` on a column of another type", None);
            }
            if let Some(kind) = column.geometry.as_deref().filter(|k| !GEOMETRIES.contains(k)) {
                let hint = did_you_mean(kind, GEOMETRIES);
                self.say(&format!("{at}/geometry"), format!("unknown geometry `{kind}`"), hint);
            }
            if column.srid.is_some_and(|srid| !(1..=998_999).contains(&srid)) {
                self.say(&format!("{at}/srid"), "is no SRID", Some("4326 is WGS 84".to_owned()));
            }
        }
        for (index, name) in sink.primary_key.iter().enumerate() {
            self.column(&format!("primary_key/{index}"), name, sink);
        }
        for (at, index) in sink.indexes.iter().enumerate() {
            if index.columns.is_empty() {
                self.say(&format!("indexes/{at}"), "an index has at least one column", None);
            }
            for (column, name) in index.columns.iter().enumerate() {
                self.column(&format!("indexes/{at}/columns/{column}"), name, sink);
            }
        }
    }

    fn column(&mut self, path: &str, name: &str, table: &TableSink) {
        if !table.columns.iter().any(|column| column.name == name) {
            let hint = did_you_mean(name, table.columns.iter().map(|c| c.name.as_str()));
            self.say(path, format!("no column `{name}` in {}.{}", table.schema, table.table), hint);
        }
    }

    fn tiles(&mut self, id: &JobId, sink: &TilesSink, jobs: &BTreeMap<JobId, LoadedJob>) {
        self.profile("tile_profile_version", sink.tile_profile_version);
        if sink.max_zoom > MAX_ZOOM {
            self.say("max_zoom", format!("must be at most {MAX_ZOOM}"), None);
        }
        if sink.min_zoom > sink.max_zoom {
            self.say("min_zoom", "is higher than `max_zoom`", None);
        }
        if sink.layers.is_empty() {
            self.say("layers", "an archive has at least one layer", None);
        }
        let mut names = BTreeSet::new();
        for (index, layer) in sink.layers.iter().enumerate() {
            let at = format!("layers/{index}");
            if !names.insert(layer.name.as_str()) {
                self.say(&format!("{at}/name"), format!("a second layer `{}`", layer.name), None);
            }
            if layer.min_zoom.is_some_and(|zoom| zoom < sink.min_zoom || zoom > sink.max_zoom) {
                self.say(&format!("{at}/min_zoom"), "lies outside the archive's zooms", None);
            }
            self.layer(&at, id, layer, jobs);
        }
        for (index, input) in self.job.job.spec.inputs.iter().enumerate() {
            let Input::Projection { projection } = input else { continue };
            if !sink.layers.iter().any(|layer| &layer.from == projection) {
                let at = format!("spec/inputs/{index}/projection");
                let message = format!("no layer is made of `{projection}`");
                self.problems.push(self.job.source.problem(&at, message));
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
            let hint = did_you_mean(layer.from.as_str(), listed.collect::<Vec<_>>());
            let message = format!("`{}` is not among the inputs of `{id}`", layer.from);
            self.say(&format!("{at}/from"), message, hint);
        }
        let Some(from) = jobs.get(&layer.from) else { return };
        let Sink::Postgis(table) = &from.job.spec.sink else {
            self.say(&format!("{at}/from"), format!("`{}` fills no table", layer.from), None);
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
                self.say(&path, format!("column `{}` is no geometry", column.name), None);
            }
            Some(_) => {}
        }
    }
}
