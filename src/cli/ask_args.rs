//! What may be written on the command line of what is asked of a run that goes on.

use clap::Args;

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
