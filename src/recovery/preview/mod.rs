//! What would a run do? Each step is asked for its preview, in the order of the graph.

mod past;

use std::collections::BTreeMap;

use super::actions::Actions;
use super::request::Prepared;
use crate::engine::Bind;
use crate::model::{Failure, FailureKind, Fate, Preview, Previews, Redact, StepId, Thing};
use crate::plan::{RecoveryGraph, StepKind, StepSpec, When};

pub(crate) use past::{Former, Past, last_success};
pub(super) use past::{is_of, is_of_plan};

/// What a run would do, and how its plan stands to that of the last one.
pub(crate) struct Foresight {
    /// The compiled graph; estimates are those of former runs, where there were some.
    pub(crate) graph: RecoveryGraph,
    /// What each step would do.
    pub(crate) previews: Previews,
    /// The last run of the same plan, environment and mode.
    pub(crate) last: Option<Former>,
}

impl Foresight {
    /// Whether something that is known already is in the way of a step.
    pub(crate) fn is_blocked(&self) -> bool {
        let steps = self.graph.steps.iter();
        steps.filter_map(|step| self.previews.get(&step.id)).any(|one| one.blocked.is_some())
    }
}

/// Looks at what a prepared run would do; writes nothing to any target.
pub(crate) async fn foresee(prepared: &Prepared) -> Result<Foresight, Failure> {
    let world = &prepared.world;
    let mut graph = prepared.graph.clone();
    let past = Past::read(&*world.journal, &world.setting).await?;
    past.estimate(&mut graph);
    let actions = Actions(world.clone());
    let (mut previews, mut roots) = (Previews::default(), BTreeMap::new());
    for spec in &graph.steps {
        let preview = match behind(spec, &roots) {
            Some((root, why)) => {
                let preview = Preview::blocked(format!("{root}: {why}"));
                roots.insert(spec.id.clone(), (root, why));
                preview
            }
            None => match step(&actions, spec, &previews).await {
                Err(failure) if failure.kind == FailureKind::Cancelled => return Err(failure),
                Err(failure) => Preview::blocked(failure.message),
                Ok(preview) => preview,
            },
        };
        let preview = public(preview, spec, &*world.redactor);
        if let Some(why) = &preview.blocked {
            roots.entry(spec.id.clone()).or_insert_with(|| (spec.id.clone(), why.clone()));
        }
        previews.insert(spec.id.clone(), preview);
    }
    Ok(Foresight { graph, previews, last: past.last(prepared).await? })
}

async fn step(actions: &Actions, spec: &StepSpec, before: &Previews) -> Result<Preview, Failure> {
    actions.bind(spec)?.preview(before).await
}

/// What blocks a step, where that is known: the first step that cannot be done, and why.
fn behind(spec: &StepSpec, roots: &BTreeMap<StepId, (StepId, String)>) -> Option<(StepId, String)> {
    let mut needed = spec.after.iter().filter(|(_, when)| *when == When::Succeeded);
    needed.find_map(|(id, _)| roots.get(id)).cloned()
}

/// A preview as it may leave the process; a projection that is blocked is counted as such.
fn public(mut preview: Preview, spec: &StepSpec, redact: &dyn Redact) -> Preview {
    preview.blocked = preview.blocked.map(|why| redact.text(&why));
    preview.note = preview.note.map(|note| redact.text(&note));
    if preview.blocked.is_some() && spec.kind == StepKind::Rebuild {
        preview.add(Thing::Projection, Fate::Blocked, None, None);
    }
    preview
}
