//! The engine over a real journal, with actions that behave as told.

mod asks;
mod behaviour;
mod crash;
mod schedules;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Action, Bind, Engine, StepContext};
use crate::journal::{Holder, Journal, Lease, RunState, SqliteJournal, samples};
use crate::model::{Board, Code, Failure, Holdup, Output, RunId};
use crate::plan::StepSpec;

/// What a step of the toy does.
#[derive(Debug, Clone, Copy)]
enum Does {
    Fail,
    /// Fails for a passing reason until the given try.
    PassAt(u32),
    /// Fails once, for a reason that passes only after a long time.
    Later,
    Panic,
    /// Goes on until it is asked to stop.
    Hang,
    /// Waits for a reader until he is gone, and then for the end of the test.
    Wait,
}

/// Steps succeed unless told otherwise, and say what they were given.
#[derive(Default)]
struct Toy {
    does: BTreeMap<&'static str, Does>,
    /// Which shards were executed, in order.
    log: Mutex<Vec<(String, u32)>>,
    /// Whether the reader is gone, and whether the step may end.
    gone: CancellationToken,
    end: CancellationToken,
}

impl Toy {
    fn that(does: &[(&'static str, Does)]) -> Arc<Self> {
        Arc::new(Self { does: does.iter().copied().collect(), ..Self::default() })
    }

    fn executed(&self) -> Vec<(String, u32)> {
        self.log.lock().unwrap().clone()
    }

    fn times(&self, step: &str) -> usize {
        self.executed().iter().filter(|(id, _)| id == step).count()
    }
}

struct ToyBind(Arc<Toy>);

impl Bind for ToyBind {
    fn bind(&self, _spec: &StepSpec) -> Result<Arc<dyn Action>, Failure> {
        Ok(Arc::clone(&self.0) as Arc<dyn Action>)
    }
}

#[async_trait]
impl Action for Toy {
    async fn run(&self, cx: &StepContext) -> Result<Output, Failure> {
        let step = cx.unit.step.as_str();
        self.log.lock().unwrap().push((step.to_owned(), cx.unit.shard));
        tokio::task::yield_now().await;
        match self.does.get(step) {
            Some(Does::Fail) => return Err(Failure::permanent(Code::StepFailed, "told to fail")),
            Some(Does::PassAt(attempt)) if cx.unit.attempt < *attempt => {
                return Err(Failure::transient(Code::StoreUnreachable, "503"));
            }
            Some(Does::Later) if cx.unit.attempt == 1 => {
                let retry_after = Some(std::time::Duration::from_mins(15));
                return Err(Failure {
                    kind: crate::model::FailureKind::Transient { retry_after },
                    ..Failure::transient(Code::StoreUnreachable, "429")
                });
            }
            Some(Does::Panic) => panic!("told to panic"),
            Some(Does::Hang) => {
                cx.cancel.cancelled().await;
                return Err(Failure::cancelled());
            }
            Some(Does::Wait) => {
                let unblock = "SELECT pg_terminate_backend(7)".to_owned();
                cx.meter.waits_for(Some(Holdup { by: "pid 7".to_owned(), unblock }));
                self.gone.cancelled().await;
                cx.meter.waits_for(None);
                self.end.cancelled().await;
            }
            _ => {}
        }
        let inputs: Vec<&str> = cx.inputs.keys().map(crate::model::StepId::as_str).collect();
        Output::of(&json!({ "shard": cx.unit.shard, "inputs": inputs }))
    }

    async fn join(&self, _cx: &StepContext, shards: Vec<Output>) -> Result<Output, Failure> {
        let values: Vec<_> = shards.into_iter().map(|output| output.value).collect();
        Output::of(&values)
    }
}

async fn journal(dir: &tempfile::TempDir) -> Arc<dyn Journal> {
    Arc::new(SqliteJournal::open(dir.path()).await.unwrap())
}

/// Claims as a process that is gone would have, so that the next claim takes over.
async fn claim(journal: &Arc<dyn Journal>, run: RunId) -> Lease {
    let gone = crate::journal::samples::gone(&Holder::this_process("kim"));
    journal.claim(run, &["file:///target".into()], &gone).await.unwrap()
}

fn engine(journal: &Arc<dyn Journal>, toy: &Arc<Toy>) -> Engine {
    Engine {
        journal: Arc::clone(journal),
        bind: Arc::new(ToyBind(Arc::clone(toy))),
        listeners: Vec::new(),
        board: Board::default(),
        redact: Arc::new(crate::access::Redactor::default()),
        cancel: CancellationToken::new(),
        waits: true,
    }
}

/// The phase of every step and what it gave: all of a run that a crash may not change.
fn ends(state: &RunState) -> BTreeSet<(String, &'static str, Option<String>)> {
    let step = |(id, step): (&crate::model::StepId, &crate::journal::StepState)| {
        let output = step.output.as_ref().map(|output| output.value.to_string());
        (id.to_string(), step.phase.name(), output)
    };
    state.steps.iter().map(step).collect()
}
