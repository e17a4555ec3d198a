use std::fmt;
use std::sync::Arc;

use chrono::Utc;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::model::Redact;

/// The fields that every record has, null where they do not apply.
const ALWAYS: [&str; 4] = ["run_id", "audit_ref", "step_id", "dataset_version_id"];

/// Writes each log record as one line of flat JSON, with the fields of the spans around it. To
/// be used with `JsonFields`, so that spans keep their fields as JSON. What is not public is hidden.
pub(crate) struct JsonLines(pub(crate) Arc<dyn Redact>);

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        cx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let meta = event.metadata();
        if !self.0.may_log(meta.target()) {
            return Ok(());
        }
        let mut fields = Fields { all: Map::new(), redact: &*self.0 };
        for name in ALWAYS {
            fields.all.insert(name.to_owned(), Value::Null);
        }
        for span in
            cx.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            let extensions = span.extensions();
            let Some(of_span) = extensions.get::<FormattedFields<N>>() else { continue };
            // A span without fields has no JSON.
            if let Ok(of_span) = serde_json::from_str::<Map<String, Value>>(of_span.as_str()) {
                fields.extend(of_span);
            }
        }
        event.record(&mut fields);
        let mut put = |name: &str, value: String| fields.all.insert(name.to_owned(), value.into());
        put("timestamp", Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true));
        put("level", meta.level().to_string());
        put("target", meta.target().to_owned());
        writeln!(writer, "{}", Value::Object(fields.all))
    }
}

struct Fields<'a> {
    all: Map<String, Value>,
    redact: &'a dyn Redact,
}

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.all.insert(field.name().to_owned(), value.into());
    }
}

impl Fields<'_> {
    fn extend(&mut self, of_span: Map<String, Value>) {
        let hidden = of_span.into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, Value::String(self.redact.text(&text))),
            other => (name, other),
        });
        let hidden: Vec<_> = hidden.collect();
        self.all.extend(hidden);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, self.redact.text(&format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, self.redact.text(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}
