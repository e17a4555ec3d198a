use crate::digest::Digest;
use crate::model::{Code, Failure, JobId, RunId};

/// Says why a target keeps what it has: the same for every kind of target.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("generation {} of `{job}` is not at the target", generation.short())]
    Absent { job: JobId, generation: Digest },
    #[error("generation {} of `{job}` has no proof", generation.short())]
    Unproven { job: JobId, generation: Digest },
    #[error("generation {} of `{job}` is kept: it is {what}", generation.short())]
    InUse { job: JobId, generation: Digest, what: &'static str },
    #[error("the live generation of `{job}` is {}, neither the former nor the new one", name(*live))]
    NotFormer { job: JobId, live: Option<Digest> },
    #[error("run {run} is held by a later process (epoch {theirs}, ours is {ours})")]
    Stale { run: RunId, ours: u64, theirs: u64 },
}

fn name(live: Option<Digest>) -> String {
    live.map_or_else(|| "absent".to_owned(), |digest| digest.short())
}

impl Refusal {
    pub(super) fn absent(job: &JobId, generation: &Digest) -> Self {
        Self::Absent { job: job.clone(), generation: *generation }
    }

    pub(super) fn unproven(job: &JobId, generation: &Digest) -> Self {
        Self::Unproven { job: job.clone(), generation: *generation }
    }

    pub(super) fn in_use(job: &JobId, generation: &Digest, what: &'static str) -> Self {
        Self::InUse { job: job.clone(), generation: *generation, what }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        // Jobs, generations and runs may be named.
        let failure = match refusal {
            Refusal::Absent { .. } | Refusal::Unproven { .. } => {
                Self::permanent(Code::StepFailed, text).hint("rebuild the job")
            }
            Refusal::InUse { .. } => Self::permanent(Code::StepFailed, text)
                .hint("the live and one former generation are always kept; roll back first"),
            Refusal::NotFormer { .. } => Self::fenced(Code::Fenced, text)
                .hint("another run switched this job; look at `coppice runs` and plan again"),
            Refusal::Stale { .. } => Self::fenced(Code::Locked, text)
                .hint("this process lost its claim; let the other one finish"),
        };
        failure.plain()
    }
}
