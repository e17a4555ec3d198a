use super::steps::{Steps, id, succeeded};
use crate::model::RunMode;
use crate::plan::{CommandParams, CommandSpec, Environment, Phase, StepKind, When};

/// The commands before the first write, one after the other. What writes waits for the last.
pub(super) fn freeze(steps: &mut Steps, environment: &Environment, mode: RunMode) {
    let after = vec![succeeded(&["fence"])];
    chain(steps, Phase::Freeze, of_mode(&environment.freeze, mode), after);
}

/// Has every step that writes wait for the commands before the first write.
pub(super) fn hold_back(steps: &mut Steps, environment: &Environment, mode: RunMode) {
    let Some(last) = of_mode(&environment.freeze, mode).last() else { return };
    let last = succeeded(&[Phase::Freeze.name(), &last.name]);
    steps.wait(&last, |kind| {
        use StepKind::{Rebuild, RestoreLedger, RestoreObjects, Switch};
        matches!(kind, RestoreObjects | RestoreLedger | Rebuild | Switch)
    });
}

/// The commands after everything that goes live is live.
pub(super) fn enable(steps: &mut Steps, environment: &Environment, mode: RunMode) {
    let back = steps.each(When::Succeeded, |step| step.kind == StepKind::ReadBack);
    let after = if back.is_empty() {
        // Without projections the last thing that becomes visible is the ledger's head.
        steps.each(When::Succeeded, |step| {
            matches!(step.kind, StepKind::RestoreObjects | StepKind::RestoreLedger)
        })
    } else {
        back
    };
    chain(steps, Phase::Enable, of_mode(&environment.enable, mode), after);
}

fn of_mode(all: &[CommandSpec], mode: RunMode) -> impl DoubleEndedIterator<Item = &CommandSpec> {
    all.iter().filter(move |command| command.modes.contains(&mode))
}

fn chain<'a>(
    steps: &mut Steps,
    phase: Phase,
    commands: impl Iterator<Item = &'a CommandSpec>,
    mut after: super::steps::After,
) {
    for command in commands {
        let name = [phase.name(), &command.name];
        steps
            .add(id(&name), StepKind::Command, after)
            .params(&CommandParams { phase, command: command.clone() })
            .action(format!("run {}", command.program))
            .estimate(None);
        after = vec![succeeded(&name)];
    }
}
