use super::Probe;
use crate::model::{Failure, Sink};
use crate::recovery::World;
use crate::recovery::programs;
use crate::recovery::request::Request;

/// Whether the programs of command jobs are found here, with their secrets; nothing to tell where
/// there is no such job.
pub(super) fn probe(world: &World, request: &Request) -> Option<Probe> {
    let (mut count, mut missing) = (0, Vec::<(String, Failure)>::new());
    for (id, job) in &request.plan.jobs {
        let Sink::Command(sink) = &job.job.spec.sink else { continue };
        count += 1;
        if let Err(failure) = programs::ready(world, sink) {
            missing.push((id.to_string(), failure));
        }
    }
    let Some((_, first)) = missing.first() else {
        let s = if count == 1 { "" } else { "s" };
        return (count > 0).then(|| Probe::good("programs", format!("of {count} job{s} found")));
    };
    let hint = first.hint.clone().unwrap_or_default();
    let each = missing.iter().map(|(job, failure)| format!("{job}: {}", failure.message));
    Some(Probe::bad("programs", each.collect::<Vec<_>>().join("; "), hint))
}
