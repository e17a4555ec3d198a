//! What may be written on the command line of the commands that end with a receipt.

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};

use super::args::{EnvArgs, time};
use super::report_args::ReportArgs;
use crate::model::{FindingName, RunId, Zone};

/// What the operator lets pass.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct AcceptArgs {
    /// Lets one finding of a catalog document pass that would block, named KIND@KEY, or
    /// KIND@KEY#EXPECTED; needs --reason, may be given again
    #[arg(long, value_name = "FINDING", requires = "reason")]
    pub(crate) accept: Vec<FindingName>,
}

/// What every run takes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunArgs {
    /// Why; required where the environment is protected.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Who answers for the run [default: the user of the operating system]
    #[arg(long)]
    pub(crate) actor: Option<String>,
    /// Confirms a protected environment by its name; a wrong one is refused everywhere [default:
    /// asked for on a terminal]
    #[arg(long, value_name = "ENV")]
    pub(crate) confirm: Option<String>,
    /// Refuses any plan but the one of this digest.
    #[arg(long, value_name = "DIGEST")]
    pub(crate) expect_plan: Option<String>,
    /// Do not wait for approvals: exit 4, to be resumed once approved [default off a terminal]
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RehearseArgs {
    #[command(flatten)]
    pub(crate) env: EnvArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) waive: AcceptArgs,
    /// Leave scratch as it is; `coppice discard` clears it.
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) promote: PromoteArgs,
    /// Print what would be done and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The snapshot, by a prefix of its digest [default: the newest clean one]
    #[arg(long, value_name = "ID", conflicts_with = "as_of")]
    pub(crate) snapshot: Option<String>,
    /// The newest clean snapshot that is not younger than this, RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) as_of: Option<DateTime<Utc>>,
}

/// What is said of a promotion.
#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    /// Restore into the environment's own targets, taking over what this kept rehearsal built.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["keep", "snapshot", "as_of"])]
    pub(crate) promote: Option<RunId>,
    /// With --promote: what cannot be taken over fails, and is not built again.
    #[arg(long, requires = "promote")]
    pub(crate) no_rebuild: bool,
    /// With --promote: what happens to other objects found in places that may change.
    #[arg(long, value_enum, requires = "promote")]
    pub(crate) existing: Option<ExistingArg>,
    /// With --promote: when the incident happened, RFC 3339 [default: the start of the run]
    #[arg(long, value_name = "TIME", requires = "promote", value_parser = time)]
    pub(crate) incident_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    pub(crate) env: EnvArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) waive: AcceptArgs,
    /// Only this zone.
    #[arg(long, value_enum)]
    pub(crate) zone: Option<Zone>,
    /// Only this dataset.
    #[arg(long)]
    pub(crate) dataset: Option<String>,
    /// Only keys that start with this.
    #[arg(long)]
    pub(crate) prefix: Option<String>,
    /// The snapshot, by a prefix of its digest [default: the newest clean one]
    #[arg(long, value_name = "ID", conflicts_with = "as_of")]
    pub(crate) snapshot: Option<String>,
    /// The newest clean snapshot that is not younger than this, RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) as_of: Option<DateTime<Utc>>,
    /// What happens to other objects found in places that may change.
    #[arg(long, value_enum)]
    pub(crate) existing: Option<ExistingArg>,
    /// When the incident happened, RFC 3339 [default: the start of the run]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) incident_at: Option<DateTime<Utc>>,
    /// Print what would be done and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExistingArg {
    /// The object at the target stays.
    Keep,
    /// The snapshot's object replaces it.
    Replace,
}

#[derive(Debug, Args)]
pub(crate) struct RebuildArgs {
    #[command(flatten)]
    pub(crate) env: EnvArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) waive: AcceptArgs,
    /// Only this job, with what it needs and what depends on it; may be given again.
    #[arg(long, value_name = "JOB")]
    pub(crate) only: Vec<String>,
    /// Only the jobs that changed since the last run, or since the one of this id or plan digest,
    /// and what depends on them.
    #[arg(
        long,
        value_name = "DIGEST|RUN",
        num_args = 0..=1,
        require_equals = true,
        conflicts_with = "only"
    )]
    #[expect(clippy::option_option, reason = "not given; given; given with a value")]
    pub(crate) since_plan: Option<Option<String>>,
    /// Read back and prove what is recorded as proven.
    #[arg(long)]
    pub(crate) reprove: bool,
    /// Print what would be done and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    pub(crate) env: EnvArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Only this job, with its live dependants; may be given again.
    #[arg(long, value_name = "JOB")]
    pub(crate) only: Vec<String>,
    /// Take the jobs of --only down, so that readers get nothing of them, before they leave the plan.
    #[arg(long, requires = "only")]
    pub(crate) take_down: bool,
    /// Print what would be done and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}
