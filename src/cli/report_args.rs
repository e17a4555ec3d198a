//! What may be written on the command line of how a run and past runs are told.

use std::path::PathBuf;

use clap::Args;

use super::args::EnvArgs;
use crate::model::{RunId, RunMode};

/// `coppice drift`.
#[derive(Debug, Args)]
pub(crate) struct DriftArgs {
    #[command(flatten)]
    pub(crate) env: EnvArgs,
    /// Read everything back and compare digests.
    #[arg(long)]
    pub(crate) deep: bool,
}

/// Who else wants to know what a run came to.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ReportArgs {
    /// No progress, and one line of result: for schedulers.
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Write the result as metrics for Prometheus' textfile collector.
    #[arg(long, value_name = "FILE")]
    pub(crate) textfile: Option<PathBuf>,
    /// Write gates, steps and projections as JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

/// `coppice history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// Only of this environment.
    #[arg(long)]
    pub(crate) env: Option<String>,
    /// Only of this mode [default: rehearsals and restores]
    #[arg(long, value_enum)]
    pub(crate) mode: Option<RunMode>,
    /// The newest N runs.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
}

/// `coppice sign-off`.
#[derive(Debug, Args)]
pub(crate) struct SignOffArgs {
    /// The rehearsal.
    pub(crate) run: RunId,
    /// Who answers for the drill.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
    /// What has to be put right, or was; may be given again, and not added later.
    #[arg(long, value_name = "TEXT")]
    pub(crate) correction: Vec<String>,
}
