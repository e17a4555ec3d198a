//! Time, commands, and a table of who was how fast.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A number out of the environment.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => default,
    }
}

/// How often each of the compared is measured.
pub(crate) fn rounds() -> u64 {
    setting("COPPICE_BENCH_ROUNDS", 3).max(1)
}

/// The seconds that a piece of work takes.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let began = Instant::now();
    let made = work();
    (began.elapsed().as_secs_f64(), made)
}

/// Runs a command to a good end, and gives what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}; run `make bench`"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?} ended with {}: {said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a line of shell.
pub(crate) fn shell(line: &str) -> String {
    run(Command::new("bash").args(["-euo", "pipefail", "-c", line]))
}

/// What was measured: the first one is ours.
pub(crate) struct Table {
    title: String,
    unit: &'static str,
    amount: f64,
    order: Vec<String>,
    seconds: BTreeMap<String, Vec<f64>>,
}

impl Table {
    /// A table of work on so many `unit`s.
    pub(crate) fn new(title: impl Into<String>, amount: f64, unit: &'static str) -> Self {
        let (order, seconds) = (Vec::new(), BTreeMap::new());
        Self { title: title.into(), unit, amount, order, seconds }
    }

    /// Takes one measurement.
    pub(crate) fn add(&mut self, name: &str, seconds: f64) {
        if !self.seconds.contains_key(name) {
            self.order.push(name.to_owned());
        }
        self.seconds.entry(name.to_owned()).or_default().push(seconds);
    }

    /// Prints medians, rates, and how long the first took for each second of the others.
    pub(crate) fn print(&self) {
        println!("\n{}", self.title);
        let ours = self.order.first().map_or(0.0, |name| self.median(name));
        for name in &self.order {
            let seconds = self.median(name);
            let rate = self.amount / seconds;
            let (rate, scale) = if rate >= 1e6 { (rate / 1e6, "M") } else { (rate / 1e3, "k") };
            println!(
                "  {name:<44} {seconds:>8.2} s {rate:>8.2} {scale}{}/s  ours/this {:>5.2}",
                self.unit,
                ours / seconds
            );
        }
    }

    fn median(&self, name: &str) -> f64 {
        let mut seconds = self.seconds[name].clone();
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    }
}
