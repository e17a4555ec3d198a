//! How far a command without a run is: a bar on a terminal, nothing elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::task::AbortOnDropHandle;

use crate::model::Meter;

/// A bar that samples a meter until it is dropped.
pub(super) struct Progress {
    bar: ProgressBar,
    _ticks: AbortOnDropHandle<()>,
}

impl Progress {
    /// Shows `meter` under a title.
    pub(super) fn show(title: &'static str, meter: &Meter) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        bar.set_prefix(title);
        let (sampled, drawn) = (meter.clone(), bar.clone());
        let ticks = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(200));
            loop {
                ticks.tick().await;
                draw(&drawn, &sampled);
            }
        });
        Self { bar, _ticks: AbortOnDropHandle::new(ticks) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn draw(bar: &ProgressBar, meter: &Meter) {
    let reading = meter.read();
    let template = match reading.bytes_total {
        Some(total) => {
            bar.set_length(total);
            "{prefix} [{bar:24}] {bytes}/{total_bytes}, {bytes_per_sec}, {msg}, {eta} left"
        }
        None => "{prefix} {bytes} of an unknown total, {bytes_per_sec}, {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_position(reading.bytes);
    bar.set_message(format!("{} objects", reading.rows));
}
