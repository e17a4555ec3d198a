//! What may be written on the command line.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use super::ask_args::{OfRun, OfStep, ResumeArgs};
pub(crate) use super::report_args::{DriftArgs, HistoryArgs, SignOffArgs};
pub(crate) use super::run_args::{
    ExistingArg, PromoteArgs, RebuildArgs, RehearseArgs, RestoreArgs, RollbackArgs, RunArgs,
};
pub(crate) use super::upkeep_args::{ForgetArgs, HoldArgs, PruneArgs, ReleaseArgs};
use crate::access::Redactor;
use crate::model::{RunId, RunMode};

/// Restores the roots of a data platform, proves them, and regrows everything else from them.
///
/// Canonical stores (objects, catalogs, ledger) are restored from a snapshot and proven first;
/// projections (PostGIS, search, graph, tiles) are regrown from them, proven by reading them
/// back, and put live by one decision.
#[derive(Debug, Parser)]
#[command(name = "coppice", version, max_term_width = 80, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 a gate is shut, a finding, a step failed, or a partial recovery; 2 usage or
plan error, nothing was done; 3 recovered, but an objective was missed; 4 waiting for an approval;
5 fenced: the target belongs to another environment or run; 130 interrupted, can be resumed.";

impl Cli {
    /// Refuses to draw what has no graph; that only some commands have one, clap cannot be told.
    pub(crate) fn can_be_printed(self) -> Result<Self, clap::Error> {
        let format = match self.global.format {
            Format::Dot => "dot",
            Format::Mermaid => "mermaid",
            Format::Text | Format::Json => return Ok(self),
        };
        if self.command.has_graph() {
            return Ok(self);
        }
        let message = format!(
            "invalid value '{format}' for '--format <FORMAT>'\n  [possible values here: text, \
             json; dot and mermaid draw what `coppice plan` or a --dry-run prints]"
        );
        Err(Self::command().error(ErrorKind::InvalidValue, message))
    }
}

/// Reads a time; the parser's own words do not say what one looks like.
pub(super) fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let example = "write it as in 2026-11-24T02:10:00Z, with the date, the time and the zone";
    text.parse().map_err(|error| format!("{error}; {example}"))
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// How results are printed on standard output: text for people, json for scripts; `plan` and
    /// `--dry-run` also draw the graph, as dot (Graphviz) or mermaid.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t = Format::Text,
        hide_possible_values = true
    )]
    pub(crate) format: Format,
    /// How events are logged on standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// Where the journal, receipts and scratch live [default: /var/lib/coppice as root, else
    /// $XDG_STATE_HOME/coppice]
    #[arg(long, global = true, env = "COPPICE_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Where runs are recorded, if not in the state directory: a secret reference (env:NAME,
    /// file:PATH) to the URL of a PostgreSQL database that a team shares
    #[arg(
        long,
        global = true,
        env = "COPPICE_JOURNAL",
        value_name = "URL-REF",
        hide_env_values = true
    )]
    pub(crate) journal: Option<String>,
    /// Keep the names that are hidden because their data are not public in this file, for you
    /// alone; runs also keep them beside their receipt
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) restricted_to: Option<PathBuf>,
    /// Keeps what is not public out of what is printed.
    #[arg(skip)]
    pub(crate) redactor: Arc<Redactor>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For scripts.
    Json,
    /// Graphviz (`coppice plan`).
    Dot,
    /// Mermaid (`coppice plan`).
    Mermaid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Bars on a terminal, plain lines elsewhere.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Seal a snapshot of a canonical store into a backup store.
    ///
    /// Example: coppice snapshot --from s3://kfm-prod --to s3://kfm-backup --plan plans/kfm.yaml
    Snapshot(SnapshotArgs),
    /// List the snapshots in a backup store, newest first.
    ///
    /// Example: coppice snapshots s3://kfm-backup
    Snapshots {
        /// The backup store: a URL or a path.
        store: String,
    },
    /// Forget snapshots by a rule, or by name; `coppice prune` frees their space.
    ///
    /// Of each source, a rule keeps the newest clean snapshot of each of the N newest hours, days,
    /// ISO weeks, months and years (UTC) in which there is one; rules add up. Never forgotten:
    /// what is held, the newest clean snapshot of a source, and suspect ones that are newer.
    ///
    /// Example: coppice forget s3://kfm-backup --keep-daily 14 --keep-monthly 12 --dry-run
    Forget(ForgetArgs),
    /// Take away what no snapshot of a backup store names any more.
    ///
    /// Refused while a snapshot is being sealed, and where it cannot be told what one names.
    ///
    /// Example: coppice prune s3://kfm-backup --dry-run
    Prune(PruneArgs),
    /// Hold a snapshot: until a time, or on legal hold. A hold only ever gets stricter.
    ///
    /// Example: coppice hold s3://kfm-backup --snapshot 3f2a --until 2027-01-01T00:00:00Z --reason "audit 2026"
    Hold(HoldArgs),
    /// Lift the legal hold of a snapshot.
    ///
    /// Example: coppice release s3://kfm-backup --snapshot 3f2a --reason "the case is closed"
    Release(ReleaseArgs),
    /// Prove a backup store's snapshot, or a canonical store against one.
    ///
    /// Example: coppice verify s3://kfm-prod --against s3://kfm-backup
    Verify(VerifyArgs),
    /// Put the environment's markers on its targets.
    ///
    /// Example: coppice init plans/kansas.yaml --env stage
    Init(EnvArgs),
    /// Validate a plan and probe whether a run could start; changes nothing on any target.
    ///
    /// One row for each thing that a recovery needs: credentials, stores, the newest clean snapshot
    /// and its age, markers, grants, locks, room, the last green rehearsal, a forecast of the time.
    /// What cannot be told counts as no. The result is kept below --state, so that the next check
    /// says what changed.
    ///
    /// Example: coppice check plans/kansas.yaml --env dev
    Check(EnvArgs),
    /// Print the compiled recovery graph, and what each step would do; `--dry-run` prints the same.
    ///
    /// The targets are looked at as the run would, and nothing is written to them: what would be
    /// created, replaced, kept, rebuilt, switched, dropped, with counts and bytes; what is blocked,
    /// and why; what changed since the last run of the environment. Times are those of former
    /// runs where the journal has them.
    ///
    /// Example: coppice plan plans/kansas.yaml --env dev --mode restore --format mermaid
    Plan(PlanArgs),
    /// Recover everything into scratch, prove it, then clean up.
    ///
    /// --promote RUN puts live what a green rehearsal built that was kept: a restore of the same
    /// snapshot, with all of its gates, that copies and proves instead of building. What cannot be
    /// taken over is told with the reason, and built again.
    ///
    /// Example: coppice rehearse plans/kansas.yaml --env dev
    ///
    /// Example: coppice rehearse plans/kansas.yaml --env stage --promote RUN --reason "bucket lost"
    Rehearse(RehearseArgs),
    /// Recover into the environment's own targets.
    ///
    /// Example: coppice restore plans/kansas.yaml --env stage --reason "bucket lost"
    Restore(RestoreArgs),
    /// Rebuild projections from canonical data in place, and all that depends on them.
    ///
    /// Example: coppice rebuild plans/kansas.yaml --env stage --only postgis/places
    ///
    /// Example: coppice rebuild plans/kansas.yaml --env stage --since-plan
    Rebuild(RebuildArgs),
    /// Put the former generations back.
    ///
    /// Example: coppice rollback plans/kansas.yaml --env stage --only search/kansas
    Rollback(RollbackArgs),
    /// Compare what is live with what the canonical data say; changes nothing.
    ///
    /// Held against each other are the names of what is live and of what each job would build now,
    /// and counts; --deep reads everything back. Exit 1 says that something differs, and what.
    ///
    /// Example: coppice drift plans/kansas.yaml --env prod --deep
    Drift(DriftArgs),
    /// List the generations of each job: live, former, kept, staged, partial.
    ///
    /// Example: coppice generations plans/kansas.yaml --env prod
    Generations(EnvArgs),
    /// Continue a run that was interrupted or halted, or that waited for an approval.
    ///
    /// Example: coppice resume RUN
    Resume(ResumeArgs),
    /// Let nothing more of a run start; what is in flight ends.
    ///
    /// Example: coppice pause RUN --reason "the bucket owner asked us to wait"
    Pause(OfRun),
    /// Go on with a run that was paused.
    ///
    /// Example: coppice continue RUN --reason "the owner agreed"
    Continue(OfRun),
    /// Try a failed step again while its run goes on, or at once one that waits for its next try.
    ///
    /// Example: coppice retry RUN rebuild/postgis/places --reason "disk freed"
    Retry(OfStep),
    /// Give a step up for good: what needs it is blocked, the outcome is at best partial.
    ///
    /// Example: coppice skip RUN rebuild/tiles/places --reason "tiles can wait until tomorrow"
    Skip(OfStep),
    /// Approve a step that waits for it, by default as somebody else than who started the run.
    ///
    /// Example: coppice approve RUN cutover/decide --actor kim --reason "counts checked"
    Approve(OfStep),
    /// Look at a run; by default the newest.
    ///
    /// Example: coppice status RUN --watch
    Status {
        /// The run.
        run: Option<RunId>,
        /// Map hashed names of data that are not public back.
        #[arg(long)]
        restricted: bool,
        /// Follow the run until it ends; the exit code is the run's.
        #[arg(long, conflicts_with = "restricted")]
        watch: bool,
    },
    /// List the runs, newest first.
    ///
    /// Example: coppice runs --format json
    Runs,
    /// Show past rehearsals and restores, and how the time of each step moves.
    ///
    /// Example: coppice history --env prod --limit 8
    History(HistoryArgs),
    /// Answer for the drill of a rehearsal.
    ///
    /// The record stands beside the receipt and cites its digest. It is made once, and nothing can
    /// be added to it later: give every --correction with it.
    ///
    /// Example: coppice sign-off RUN --by "Kim Lee" --correction "runbook: step 4 was out of date"
    SignOff(SignOffArgs),
    /// Clear what a killed or kept run left in scratch.
    ///
    /// A rehearsal that has not ended is cancelled with it. A restore, rebuild or rollback that has
    /// not ended can still be resumed, and is refused without --give-up.
    ///
    /// Example: coppice discard RUN
    Discard {
        /// The run.
        run: RunId,
        /// Cancel a restore, rebuild or rollback that has not ended: it cannot be resumed then
        #[arg(long)]
        give_up: bool,
    },
    /// Print a finished run's receipt.
    ///
    /// Example: coppice receipt RUN --restricted
    Receipt {
        /// The run.
        run: RunId,
        /// Map hashed keys of data that are not public back to their names.
        #[arg(long)]
        restricted: bool,
    },
    /// Print a JSON Schema.
    ///
    /// Example: coppice schema rebuild-job
    Schema {
        /// Of which document.
        #[arg(value_enum)]
        document: SchemaOf,
    },
    /// Print completions for a shell.
    ///
    /// Example: coppice completions bash
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one of each command into a folder.
    ///
    /// Example: coppice man --to /usr/local/share/man/man1
    Man {
        /// The folder.
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
}

impl Command {
    /// Whether a graph is printed, which can be drawn.
    fn has_graph(&self) -> bool {
        match self {
            Self::Plan(_) => true,
            Self::Rehearse(args) => args.dry_run,
            Self::Restore(args) => args.dry_run,
            Self::Rebuild(args) => args.dry_run,
            Self::Rollback(args) => args.dry_run,
            _ => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    RecoveryPlan,
    RebuildJob,
    Manifest,
    Receipt,
    Withdrawals,
    Checksums,
    RawManifest,
    RunReceipt,
    Release,
}

#[derive(Debug, Args)]
pub(crate) struct EnvArgs {
    /// The recovery plan.
    pub(crate) plan: PathBuf,
    /// The environment; may be left out where the plan has exactly one.
    #[arg(long, env = "COPPICE_ENV")]
    pub(crate) env: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// The canonical store, or ZONE=URL for a zone that has a store of its own.
    #[arg(long, required = true, value_name = "[ZONE=]URL")]
    pub(crate) from: Vec<String>,
    /// The backup store.
    #[arg(long, value_name = "URL")]
    pub(crate) to: String,
    /// The plan to seal with the data, so that a bare machine can recover from the backup alone.
    #[arg(long)]
    pub(crate) plan: Option<PathBuf>,
    /// The environment that the data are of.
    #[arg(long, env = "COPPICE_ENV")]
    pub(crate) env: Option<String>,
    /// No progress, and one line of result: for schedulers.
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A backup store, or a canonical store.
    pub(crate) store: String,
    /// The backup store whose snapshot the canonical store is held against.
    #[arg(long, value_name = "BACKUP")]
    pub(crate) against: Option<String>,
    /// The snapshot, by a prefix of its digest [default: the newest clean one]
    #[arg(long, value_name = "ID", conflicts_with = "as_of")]
    pub(crate) snapshot: Option<String>,
    /// The newest clean snapshot that is not younger than this, RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) as_of: Option<DateTime<Utc>>,
    /// The plan whose environment says where the canonical store's zones are.
    #[arg(long)]
    pub(crate) plan: Option<PathBuf>,
    /// The environment.
    #[arg(long, env = "COPPICE_ENV")]
    pub(crate) env: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) env: EnvArgs,
    /// What the graph is for.
    #[arg(long, value_enum, default_value_t = RunMode::Restore)]
    pub(crate) mode: RunMode,
    /// The snapshot, by a prefix of its digest [default: the newest clean one]
    #[arg(long, value_name = "ID", conflicts_with = "as_of")]
    pub(crate) snapshot: Option<String>,
    /// The newest clean snapshot that is not younger than this, RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) as_of: Option<DateTime<Utc>>,
}
