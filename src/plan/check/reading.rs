use super::known_or;
use crate::model::{Bound, ColumnType, GraphSink, OnBadRow, SearchSink, Sink};
use crate::plan::load::LoadedJob;
use crate::plan::{Input, Problem};

/// What is wrong in how a job reads its datasets, and in what it expects of its rows.
pub(super) fn reading(job: &LoadedJob) -> Vec<Problem> {
    let mut check = Check { job, problems: Vec::new() };
    check.inputs();
    check.on_bad_row();
    check.expect();
    check.problems
}

struct Check<'a> {
    job: &'a LoadedJob,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn say(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        let hint: String = hint.into();
        self.problems.push(self.job.source.problem(path, message).hint(hint));
    }

    fn inputs(&mut self) {
        let mut first = None;
        for (index, input) in self.job.job.spec.inputs.iter().enumerate() {
            let Input::Dataset { read, .. } = input else { continue };
            let at = format!("spec/inputs/{index}/read");
            let srid = read.srid.unwrap_or(4326);
            if !(1..=998_999).contains(&srid) {
                self.say(&format!("{at}/srid"), "is no SRID", "4326 is WGS 84");
            } else if *first.get_or_insert(srid) != srid {
                let hint = "a query cannot compare geometries in different reference systems";
                self.say(&at, "`srid` is not that of the other inputs", hint);
            }
            if let Some(crs) = read.crs.as_ref().filter(|crs| !is_crs(crs)) {
                let hint = "write `EPSG:<code>` or `OGC:CRS84`";
                let message = format!("`{crs}` is no reference system");
                self.say(&format!("{at}/crs"), message, hint);
            }
            for (name, kind) in &read.columns {
                if matches!(kind, ColumnType::Geometry | ColumnType::Bytea) {
                    let hint = "say where a geometry is with `geometry`";
                    let message = format!("`{name}` cannot be read as geometry or bytes");
                    self.say(&format!("{at}/columns/{name}"), message, hint);
                }
            }
        }
    }

    fn on_bad_row(&mut self) {
        let policy = self.job.job.spec.on_bad_row;
        let at = "spec/on_bad_row";
        let reads = |input: &Input| matches!(input, Input::Dataset { .. });
        if !policy.is_refuse() && !self.job.job.spec.inputs.iter().any(reads) {
            let hint = "leave it out: only the rows of datasets can be bad";
            self.say(at, "the job reads no dataset", hint);
        }
        match policy {
            OnBadRow::Refuse => {}
            OnBadRow::Skip(bound) => self.bound(&format!("{at}/skip"), bound),
            OnBadRow::Repair(repair) => {
                self.fraction(&format!("{at}/repair"), repair.max_fraction);
                if let Some(bound) = repair.skip {
                    self.bound(&format!("{at}/repair/skip"), bound);
                }
            }
        }
    }

    fn bound(&mut self, at: &str, bound: Bound) {
        if !bound.is_given() {
            let hint = "give `max_rows`, `max_fraction` or both: how much may be left out";
            self.say(at, "has no bound", hint);
        }
        self.fraction(at, bound.max_fraction);
    }

    fn fraction(&mut self, at: &str, fraction: Option<f64>) {
        if fraction.is_some_and(|fraction| !(0.0..=1.0).contains(&fraction)) {
            let hint = "write a part of the rows, such as 0.01 for one in a hundred";
            self.say(&format!("{at}/max_fraction"), "lies outside 0 to 1", hint);
        }
    }

    fn expect(&mut self) {
        let spec = &self.job.job.spec;
        let expect = &spec.expect;
        let (columns, located): (Vec<&str>, bool) = match &spec.sink {
            Sink::Postgis(table) => (
                table.columns.iter().map(|column| column.name.as_str()).collect(),
                table.columns.iter().any(|column| column.data_type == ColumnType::Geometry),
            ),
            Sink::Search(_) => (SearchSink::COLUMNS.to_vec(), true),
            Sink::Graph(_) => (GraphSink::COLUMNS.to_vec(), false),
            Sink::Tiles(_) => (Vec::new(), false),
            // It has no rows; that is told of all that is expected at once.
            Sink::Command(_) => return,
        };
        for (field, names) in [("unique", &expect.unique), ("not_null", &expect.not_null)] {
            for (index, name) in names.iter().enumerate() {
                if !columns.contains(&name.as_str()) {
                    let none = "leave it out: the sink has no columns";
                    let hint = known_or(name, columns.iter().copied(), none);
                    let at = format!("spec/expect/{field}/{index}");
                    self.say(&at, format!("the rows have no column `{name}`"), hint);
                }
            }
        }
        let Some([west, south, east, north]) = expect.extent else { return };
        let longitude = |degrees: f64| (-180.0..=180.0).contains(&degrees);
        let latitude = |degrees: f64| (-90.0..=90.0).contains(&degrees);
        if !located {
            let hint = "leave it out, or give the table a column of `type: geometry`";
            self.say("spec/expect/extent", "the rows have no geometry", hint);
        } else if !longitude(west) || !longitude(east) || !latitude(south) || !latitude(north) {
            let hint = "write west, south, east, north in degrees";
            self.say("spec/expect/extent", "lies off the map", hint);
        } else if south > north {
            let turned = format!("[{west}, {north}, {east}, {south}]");
            let hint = format!("write west, south, east, north; did you mean {turned}?");
            self.say("spec/expect/extent", "south lies north of north", hint);
        }
    }
}

fn is_crs(text: &str) -> bool {
    let code = text.strip_prefix("EPSG:");
    text == "OGC:CRS84" || code.is_some_and(|code| code.parse::<u32>().is_ok())
}
