use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{ProgressDrawTarget, TermLike};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;

use super::pace::Pace;
use super::{Bars, JsonLines, Lines, Logs, TextFields, TextLines, bars, eta, summary};
use crate::access::{Public, Redactor};
use crate::journal::samples::{events, info};
use crate::journal::{Event, EventKind, Listener, RunState};
use crate::model::{Board, Code, Failure, Output, Redact, RunMode};
use crate::receipt::samples::{broken, receipt, run_id, whole};

#[test]
fn a_summary_of_a_whole_run() {
    let text = summary(&receipt(&whole()), Some("/var/lib/coppice/receipts/0190.json"));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_summary_of_a_partial_run() {
    let mut receipt = receipt(&broken());
    receipt.predicate.not_covered = vec!["freeze: a rehearsal freezes nothing".into()];
    let text = summary(&receipt, None);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_summary_of_a_halted_and_one_of_a_cancelled_run() {
    let mut receipt = receipt(&broken());
    receipt.predicate.mode = RunMode::Restore;
    receipt.predicate.outcome = crate::model::Outcome::Halted;
    let halted = summary(&receipt, None);
    receipt.predicate.outcome = crate::model::Outcome::Cancelled;
    let cancelled = summary(&receipt, None);
    assert!(halted.contains("HALTED") && halted.contains("coppice rollback"));
    assert!(cancelled.contains("CANCELLED") && cancelled.contains("coppice discard"));
}

/// Gives every event to a listener with the state after it, as the engine does.
fn tell(listener: &mut dyn Listener, events: &[Event]) -> RunState {
    let mut state = RunState::new(run_id());
    for event in events {
        state.apply(event).unwrap();
        listener.on_event(event, &state).unwrap();
    }
    state
}

fn a_retry_and_a_failure() -> Vec<Event> {
    let info =
        info(&[("restore/objects/raw", "restore-objects", 2), ("rebuild/a/b", "rebuild", 1)]);
    let steps = (info.steps[0].id.clone(), info.steps[1].id.clone());
    let (step, next) = steps;
    let failure = Failure::transient(Code::StoreUnreachable, "503 Slow Down");
    let retry_in = Some(Duration::from_millis(1500));
    let output = Output::default();
    let start = |shard, attempt| EventKind::ShardStarted { step: step.clone(), shard, attempt };
    let end =
        |shard| EventKind::ShardSucceeded { step: step.clone(), shard, output: output.clone() };
    let no = Failure::permanent(Code::StepFailed, "no such column: name").hint("see the query");
    events([
        EventKind::RunStarted(Box::new(info)),
        EventKind::StepStarted { step: step.clone() },
        start(0, 1),
        start(1, 1),
        EventKind::ShardFailed { step: step.clone(), shard: 1, failure, retry_in },
        end(0),
        start(1, 2),
        end(1),
        EventKind::StepSucceeded { step: step.clone(), output: output.clone() },
        EventKind::StepStarted { step: next.clone() },
        EventKind::StepFailed { step: next, failure: no },
        EventKind::RunFinished { outcome: crate::model::Outcome::Partial },
    ])
}

#[test]
fn plain_lines_say_what_happened_and_nothing_twice() {
    let (mut out, board) = (Vec::new(), Board::default());
    let step = "restore/objects/raw".parse().unwrap();
    board.meter_of_try(&step, 0, 2).add_bytes(3 << 20);
    board.meter_of_try(&step, 1, 2).add_rows(1204);
    tell(&mut Lines::new(&mut out, board), &a_retry_and_a_failure());
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}

/// A terminal that only remembers what was written since it was last asked.
#[derive(Debug, Clone, Default)]
struct Paper(Arc<Mutex<String>>);

impl Paper {
    fn take(&self) -> String {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl TermLike for Paper {
    fn width(&self) -> u16 {
        100
    }

    fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> std::io::Result<()> {
        self.write_str(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> std::io::Result<()> {
        self.0.lock().unwrap().push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn bars_show_what_goes_on_and_are_gone_at_the_end() {
    let paper = Paper::default();
    let board = Board::default();
    let step = "restore/objects/raw".parse().unwrap();
    board.meter(&step).add_bytes(5 << 20);
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(paper.clone()), 200);
    let mut bars = Bars::new(target, board);
    let events = a_retry_and_a_failure();
    let mut state = RunState::new(run_id());
    let mut show = async |events: &[Event]| {
        for event in events {
            state.apply(event).unwrap();
            bars.on_event(event, &state).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        paper.take()
    };
    let (last, rest) = events.split_last().unwrap();
    let (first, rest) = rest.split_at(5);
    let text = show(first).await;
    assert!(
        text.contains("restore/objects/raw  5.0 MiB, 0 B/s, total unknown, 0/2 shards"),
        "{text}"
    );
    assert!(text.contains("retrying  restore/objects/raw#1  in 1.5 s"), "{text}");
    assert!(text.contains("0/2 steps") && text.contains("RTO 30 min"), "{text}");
    assert!(show(rest).await.contains("2/2 steps"));
    show(std::slice::from_ref(last)).await;
    let after = show(&[]).await;
    assert!(!after.contains("steps"), "{after}");
}

#[test]
fn what_is_left_is_told_from_estimates_and_else_unknown() {
    let mut info = info(&[("a", "restore-objects", 4), ("b", "rebuild", 1)]);
    info.steps[0].estimate_seconds = Some(100);
    let step = info.steps[0].id.clone();
    let start = |info: &crate::journal::RunInfo| {
        let kinds = [
            EventKind::RunStarted(Box::new(info.clone())),
            EventKind::StepStarted { step: step.clone() },
            EventKind::ShardStarted { step: step.clone(), shard: 0, attempt: 1 },
            EventKind::ShardSucceeded { step: step.clone(), shard: 0, output: Output::default() },
        ];
        crate::journal::samples::fold(run_id(), &events(kinds))
    };
    let (board, spent) = (Board::default(), Duration::from_secs(50));
    assert_eq!(eta::left(&start(&info), &board, spent), None, "b has no estimate");
    assert!(bars::overall(&start(&info), &board, spent).contains("time left unknown"));
    info.steps[1].estimate_seconds = Some(25);
    let state = start(&info);
    // A quarter of 100 took 50: the 75 and 25 that are left take 200.
    assert_eq!(eta::left(&state, &board, spent), Some(Duration::from_secs(200)));
    assert_eq!(
        bars::overall(&state, &board, spent),
        "50 s, about 3 min 20 s left; RTO 30 min, in time"
    );
    let late = Duration::from_secs(1000);
    assert!(bars::overall(&state, &board, late).ends_with("RTO 30 min, will be missed"));
    let over = Duration::from_secs(1801);
    assert!(bars::overall(&state, &board, over).ends_with("RTO 30 min, missed"));
    let reading = board.meter(&step);
    reading.add_bytes(2048);
    let line = bars::step_line(&state.steps[&step], board.read(&step).as_ref(), &Pace::default());
    assert_eq!(line, "a  2.0 KiB, 0 B/s, total unknown, 1/4 shards");
    reading.set_totals(Some(4096), None);
    let line = bars::step_line(&state.steps[&step], board.read(&step).as_ref(), &Pace::default());
    assert_eq!(line, "a  2.0 KiB of 4.0 KiB, 0 B/s, 1/4 shards");
}

#[test]
fn what_a_run_waits_for_stands_below_its_bars() {
    let wait = crate::journal::Wait {
        kind: "approval",
        step: None,
        what: "cutover/decide waits for approval by another than kim".to_owned(),
        since: chrono::DateTime::UNIX_EPOCH,
        until: None,
        unblock: format!("coppice approve {} cutover/decide --reason TEXT", run_id()),
    };
    let text = bars::waiting_lines(&[wait]);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.starts_with("waiting cutover/decide waits for approval by another"), "{text}");
    assert!(words.contains("kim, since 1970-01-01"), "{text}");
    assert!(words.contains("unblock coppice approve"), "{text}");
}

fn redactor() -> Redactor {
    let redactor = Redactor::default();
    let (open, shut) = ("2026-02.abcd1234".parse().unwrap(), "2026-02.bbbbbbbb".parse().unwrap());
    redactor.show(Public::of([("places", &open, true), ("nests", &shut, false)]));
    redactor
}

/// What is logged of objects that are not public, by us and by a library.
fn log_secrets() {
    let key = "processed/nests/2026-02.bbbbbbbb/artifacts/eagle 38.21.csv";
    tracing::info_span!("work", step_id = "s", object = key).in_scope(|| {
        tracing::warn!(key, error = %format!("no `{key}`"), "failed on {key}");
        tracing::warn!(target: "datafusion::stream", "cannot cast eagle");
        tracing::warn!(target: "object_store::client", "GET http://h/b/{key} again");
        tracing::warn!(count = 3, "ours");
    });
}

#[test]
fn no_record_names_what_is_not_public() {
    let json = Sink::default();
    let subscriber = tracing_subscriber::fmt()
        .fmt_fields(JsonFields::new())
        .event_format(JsonLines(Arc::new(redactor())))
        .with_writer(json.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, log_secrets);
    let text = Sink::default();
    let redact: Arc<dyn Redact> = Arc::new(redactor());
    let inner = tracing_subscriber::fmt::format();
    let subscriber = tracing_subscriber::fmt()
        .fmt_fields(TextFields(redact.clone()))
        .event_format(TextLines { inner, redact })
        .with_writer(text.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, log_secrets);
    for sink in [json, text] {
        let written = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert!(!written.contains("eagle") && !written.contains("38.21"), "{written}");
        assert_eq!(written.lines().count(), 3, "{written}");
        assert!(written.contains("failed on hidden:") && written.contains("ours"), "{written}");
    }
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Sink {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn every_record_names_its_run_its_step_and_its_version_or_says_null() {
    let sink = Sink::default();
    let subscriber = tracing_subscriber::fmt()
        .fmt_fields(JsonFields::new())
        .event_format(JsonLines(Arc::new(redactor())))
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(sink.clone())
        .finish();
    let events = broken();
    tracing::subscriber::with_default(subscriber, || {
        tell(&mut Logs, &events);
        tracing::info_span!("work", run_id = "r", step_id = "s").in_scope(|| {
            tracing::warn!(objects = 3, "inside");
        });
        tracing::info!("outside");
    });
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    let records: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), events.len() + 2);
    for record in &records {
        for name in ["run_id", "audit_ref", "step_id", "dataset_version_id"] {
            assert!(record.get(name).is_some(), "{record}");
        }
    }
    assert!(records[0]["step_id"].is_null());
    assert_eq!(records[0]["run_id"], run_id().to_string());
    let gate = records.iter().find(|record| record["event"] == "StepFailed").unwrap();
    assert_eq!(gate["dataset_version_id"], "2026-02.abcd1234");
    assert_eq!((&gate["level"], &gate["code"]), (&"ERROR".into(), &"gate-shut".into()));
    let inside = &records[events.len()];
    assert_eq!((&inside["step_id"], &inside["objects"]), (&"s".into(), &3.into()));
    assert!(records[events.len() + 1]["run_id"].is_null());
}
