use std::fmt;
use std::sync::Arc;

use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{DefaultFields, FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use crate::model::Redact;

/// Writes log records for people as `inner` does. What is not public is hidden.
pub(crate) struct TextLines<F> {
    /// Writes a record.
    pub(crate) inner: F,
    /// Hides.
    pub(crate) redact: Arc<dyn Redact>,
}

impl<S, N, F> FormatEvent<S, N> for TextLines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        cx: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.redact.may_log(event.metadata().target()) {
            self.inner.format_event(cx, writer, event)
        } else {
            Ok(())
        }
    }
}

/// Writes the message and the fields of a record, with what is not public hidden.
pub(crate) struct TextFields(pub(crate) Arc<dyn Redact>);

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut text = String::new();
        DefaultFields::new().format_fields(Writer::new(&mut text), fields)?;
        // A key may hold any character: all that follows one goes with it.
        writer.write_str(&self.0.text(&text))
    }
}
