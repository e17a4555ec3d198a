use super::Probe;
use crate::model::{Failure, Sink};
use crate::plan::{CommandSpec, Phase};
use crate::recovery::World;
use crate::recovery::programs;
use crate::recovery::request::Request;

/// What a program is for, and whether it could be run.
type Looked = (String, Result<(), Failure>);

/// Whether the programs of command jobs are found here, with their secrets, and those of the
/// environment's commands; nothing to tell where there is neither.
pub(super) fn probe(world: &World, request: &Request) -> Option<Probe> {
    let jobs = request.plan.jobs.iter().filter_map(|(id, job)| {
        let Sink::Command(sink) = &job.job.spec.sink else { return None };
        Some((id.to_string(), programs::ready(world, sink)))
    });
    let environment = &world.setting.environment;
    let mut commands = of_phase(world, Phase::Freeze, &environment.freeze);
    commands.extend(of_phase(world, Phase::Enable, &environment.enable));
    told(&jobs.collect::<Vec<_>>(), &commands)
}

/// The secrets of these are told with the other credentials of the environment.
fn of_phase(world: &World, phase: Phase, commands: &[CommandSpec]) -> Vec<Looked> {
    let looked = |command: &CommandSpec| {
        let name = format!("{}/{}", phase.name(), command.name);
        (name, programs::command_ready(world, command))
    };
    commands.iter().map(looked).collect()
}

fn told(jobs: &[Looked], commands: &[Looked]) -> Option<Probe> {
    let all = jobs.iter().chain(commands);
    let missing = all.filter_map(|(name, looked)| Some((name, looked.as_ref().err()?)));
    let missing: Vec<(&String, &Failure)> = missing.collect();
    if let Some((_, first)) = missing.first() {
        let hint = first.hint.clone().unwrap_or_default();
        let each = missing.iter().map(|(name, failure)| format!("{name}: {}", failure.message));
        return Some(Probe::bad("programs", each.collect::<Vec<_>>().join("; "), hint));
    }
    let counted = [(jobs.len(), "job"), (commands.len(), "command")].into_iter();
    let counted = counted.filter(|(count, _)| *count > 0).map(|(count, noun)| {
        let s = if count == 1 { "" } else { "s" };
        format!("{count} {noun}{s}")
    });
    let counted: Vec<_> = counted.collect();
    let seen = format!("of {} found", counted.join(" and "));
    (!counted.is_empty()).then(|| Probe::good("programs", seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Code;

    #[test]
    fn programs_are_counted_and_each_that_is_missing_is_named() {
        let good = |name: &str| -> Looked { (name.to_owned(), Ok(())) };
        let bad = |name: &str| -> Looked {
            (name.to_owned(), Err(Failure::permanent(Code::StepFailed, "gone").hint("do")))
        };
        let seen = |jobs: &[Looked], commands: &[Looked]| told(jobs, commands).unwrap().seen;
        assert!(told(&[], &[]).is_none());
        assert_eq!(seen(&[good("a")], &[]), "of 1 job found");
        assert_eq!(seen(&[], &[good("freeze/a"), good("enable/b")]), "of 2 commands found");
        assert_eq!(seen(&[good("a")], &[good("freeze/a")]), "of 1 job and 1 command found");
        let probe = told(&[bad("a"), good("b")], &[bad("freeze/a")]).unwrap();
        assert_eq!(probe.seen, "a: gone; freeze/a: gone");
        assert!(!probe.ok);
        assert_eq!(probe.hint.as_deref(), Some("do"));
    }
}
