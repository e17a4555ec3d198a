//! What may be written on the command line of what is asked of a run that goes on.

use clap::Args;

use super::report_args::ReportArgs;
use crate::model::{RunId, StepId};

/// Who asks, and why.
#[derive(Debug, Args)]
pub(crate) struct WhoAndWhy {
    /// Why; it goes into the journal and the receipt.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Who asks [default: the user of the operating system]
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
}

/// `coppice pause` and `continue`.
#[derive(Debug, Args)]
pub(crate) struct OfRun {
    /// The run.
    pub(crate) run: RunId,
    #[command(flatten)]
    pub(crate) who: WhoAndWhy,
}

/// `coppice retry`, `skip` and `approve`.
#[derive(Debug, Args)]
pub(crate) struct OfStep {
    /// The run.
    pub(crate) run: RunId,
    /// The step, as `coppice status` names it.
    pub(crate) step: StepId,
    #[command(flatten)]
    pub(crate) who: WhoAndWhy,
}

/// `coppice resume`.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The run.
    pub(crate) run: RunId,
    /// Do not wait for approvals: exit 4, to be resumed once approved [default off a terminal]
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}
