use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::interval;
use tokio_util::task::AbortOnDropHandle;

use super::lines::{line, noun};
use super::pace::{Pace, whole};
use super::waiting::waiting;
use super::{eta, words};
use crate::journal::{Event, EventKind, Listener, RunState, StepPhase, StepState, Wait, waits};
use crate::model::{Board, Reading, StepId, size};

/// How often the board is sampled.
const TICK: Duration = Duration::from_millis(200);

/// Bars on a terminal: one over all, and one for each step that runs.
pub(crate) struct Bars {
    screen: Arc<Mutex<Screen>>,
    _ticks: AbortOnDropHandle<()>,
}

struct Screen {
    all: MultiProgress,
    overall: ProgressBar,
    waiting: Option<ProgressBar>,
    running: BTreeMap<StepId, (ProgressBar, Pace)>,
    state: Option<RunState>,
    board: Board,
    began: Instant,
}

impl Bars {
    /// Draws on `target`: the error stream, when it is a terminal. Samples `board` until dropped.
    pub(crate) fn new(target: ProgressDrawTarget, board: Board) -> Self {
        let all = MultiProgress::with_draw_target(target);
        let overall =
            all.add(ProgressBar::new(0).with_style(style("{bar:24} {pos}/{len} steps  {msg}")));
        let (running, began) = (BTreeMap::new(), Instant::now());
        let screen = Screen { all, overall, waiting: None, running, state: None, board, began };
        let screen = Arc::new(Mutex::new(screen));
        let ticked = Arc::clone(&screen);
        let ticks = tokio::spawn(async move {
            let mut ticks = interval(TICK);
            loop {
                ticks.tick().await;
                lock(&ticked).tick();
            }
        });
        Self { screen, _ticks: AbortOnDropHandle::new(ticks) }
    }
}

fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    // What is drawn is drawn anew at the next tick.
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Listener for Bars {
    fn name(&self) -> &'static str {
        "the progress bars"
    }

    fn on_event(&mut self, event: &Event, state: &RunState) -> io::Result<()> {
        lock(&self.screen).on_event(event, state)
    }
}

impl Screen {
    fn on_event(&mut self, event: &Event, state: &RunState) -> io::Result<()> {
        match &event.kind {
            // Its bar says that it runs.
            EventKind::StepStarted { step } => {
                self.show(step);
                self.state = Some(state.clone());
                return Ok(());
            }
            kind => {
                let step = kind
                    .step()
                    .filter(|step| state.steps.get(step).is_some_and(|step| step.phase.is_ended()));
                if let Some((bar, _)) = step.and_then(|step| self.running.remove(step)) {
                    bar.finish_and_clear();
                }
            }
        }
        if let Some(text) = line(event, state, &self.board) {
            self.all.println(words::fit_on_screen(&text))?;
        }
        if matches!(event.kind, EventKind::RunFinished { .. }) {
            self.say_that_it_waits(&[]);
            self.overall.finish_and_clear();
        }
        self.state = Some(state.clone());
        Ok(())
    }

    fn show(&mut self, step: &StepId) {
        let bar = ProgressBar::new(1).with_style(style("{bar:24} {msg}"));
        self.running.insert(step.clone(), (self.all.add(bar), Pace::default()));
    }

    /// Below the bars stands what it waits for, as long as it does.
    fn say_that_it_waits(&mut self, waits: &[Wait]) {
        if waits.is_empty() {
            if let Some(bar) = self.waiting.take() {
                bar.finish_and_clear();
            }
            return;
        }
        let add = || self.all.add(ProgressBar::new(1).with_style(style("{msg}")));
        self.waiting.get_or_insert_with(add).set_message(waiting_lines(waits));
    }

    fn tick(&mut self) {
        let waits = self.state.as_ref().map(waits).unwrap_or_default();
        self.say_that_it_waits(&waits);
        let Some(state) = &self.state else { return };
        let ended = state.steps.values().filter(|step| step.phase.is_ended()).count();
        self.overall.set_length(state.steps.len() as u64);
        self.overall.set_position(ended as u64);
        self.overall.set_message(overall(state, &self.board, since_start(state)));
        for (id, (bar, pace)) in &mut self.running {
            let Some(step) = state.steps.get(id) else { continue };
            let reading = self.board.read(id);
            if let Some(reading) = &reading {
                pace.sample(self.began.elapsed(), reading);
            }
            bar.set_length(1000);
            bar.set_position(whole(eta::fraction(step, &self.board) * 1000.0));
            bar.set_message(step_line(step, reading.as_ref(), pace));
        }
    }
}

/// Wall clock since the first start, stops included: what the RTO counts.
fn since_start(state: &RunState) -> Duration {
    let started = state.started_at.unwrap_or_else(Utc::now);
    (Utc::now() - started).to_std().unwrap_or_default()
}

/// The text beside the bar over all.
pub(super) fn overall(state: &RunState, board: &Board, elapsed: Duration) -> String {
    let target = state.info.as_ref().and_then(|info| info.request.rto_target_seconds);
    let left = eta::left(state, board, elapsed);
    let rest = left.map_or_else(
        || "time left unknown".to_owned(),
        |left| format!("about {} left", words::seconds(left.as_secs())),
    );
    let objective = target.map(|target| {
        let spent = elapsed.as_secs();
        let verdict = match left {
            _ if spent > target => ", missed",
            Some(left) if spent + left.as_secs() > target => ", will be missed",
            Some(_) => ", in time",
            None => "",
        };
        format!("; RTO {}{verdict}", words::seconds(target))
    });
    let spent = words::seconds(elapsed.as_secs());
    format!("{spent}, {rest}{}", objective.unwrap_or_default())
}

/// What a run waits for, and what ends that.
pub(super) fn waiting_lines(waits: &[Wait]) -> String {
    let texts: Vec<_> = waits.iter().map(waiting).collect();
    words::fit_on_screen(&texts.join("\n"))
}

/// The text beside a step's bar.
pub(super) fn step_line(step: &StepState, reading: Option<&Reading>, pace: &Pace) -> String {
    let mut parts = Vec::new();
    if let Some(reading) = reading {
        let of =
            |total: Option<String>| total.map_or(String::new(), |total| format!(" of {total}"));
        if reading.bytes > 0 {
            let total = of(reading.bytes_total.map(size));
            let rate = size(whole(pace.bytes));
            parts.push(format!("{}{total}, {rate}/s", size(reading.bytes)));
        }
        if reading.rows > 0 {
            let total = of(reading.rows_total.map(words::count));
            let rate = words::count(whole(pace.rows));
            let noun = noun(&step.seed.kind);
            parts.push(format!("{}{total} {noun}, {rate}/s", words::count(reading.rows)));
        }
        if reading.bytes_total.is_none() && reading.rows_total.is_none() {
            parts.push("total unknown".to_owned());
        }
    }
    if step.shards.len() > 1 {
        parts.push(format!("{}/{} shards", step.shards_done(), step.shards.len()));
    }
    if step.phase == StepPhase::Running && step.attempts() > 1 {
        parts.push(format!("try {}", step.attempts()));
    }
    format!("{}  {}", step.seed.id, parts.join(", "))
}

fn style(template: &str) -> ProgressStyle {
    let plain = ProgressStyle::default_bar();
    // A template that does not parse costs the look of the bar, not the run.
    plain.clone().template(template).unwrap_or(plain).progress_chars("##-")
}
