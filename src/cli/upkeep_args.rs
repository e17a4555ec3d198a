//! What may be written on the command line of a backup store's upkeep.

use chrono::{DateTime, Utc};
use clap::Args;

/// `coppice forget`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(crate) struct ForgetArgs {
    /// The backup store: a URL or a path.
    pub(crate) store: String,
    /// Keep the newest N.
    #[arg(long, value_name = "N", default_value_t = 0, group = "what")]
    pub(crate) keep_last: u32,
    /// Keep one an hour, for the N newest hours that have any.
    #[arg(long, value_name = "N", default_value_t = 0, group = "what")]
    pub(crate) keep_hourly: u32,
    /// Keep one a day.
    #[arg(long, value_name = "N", default_value_t = 0, group = "what")]
    pub(crate) keep_daily: u32,
    /// Keep one a week.
    #[arg(long, value_name = "N", default_value_t = 0, group = "what")]
    pub(crate) keep_weekly: u32,
    /// Keep one a month.
    #[arg(long, value_name = "N", default_value_t = 0, group = "what")]
    pub(crate) keep_monthly: u32,
    /// Keep one a year.
    #[arg(long, value_name = "N", default_value_t = 0, group = "what")]
    pub(crate) keep_yearly: u32,
    /// Keep the newest N suspect ones too, beside those that are newer than any clean one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) keep_suspect: u32,
    /// Forget this one, by a prefix of its digest; may be given again.
    #[arg(long, value_name = "ID", group = "what", conflicts_with_all = [
        "keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly",
        "keep_suspect",
    ])]
    pub(crate) snapshot: Vec<String>,
    /// Print what would be forgotten and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Who answers for it [default: the user of the operating system]
    #[arg(long)]
    pub(crate) actor: Option<String>,
}

/// `coppice prune`.
#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// The backup store: a URL or a path.
    pub(crate) store: String,
    /// A blob that was written more recently stays, such as `24h`.
    #[arg(long, value_name = "PERIOD", default_value = "24h", value_parser = humantime::parse_duration)]
    pub(crate) grace: std::time::Duration,
    /// Print what would be taken away and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Who answers for it [default: the user of the operating system]
    #[arg(long)]
    pub(crate) actor: Option<String>,
}

/// `coppice hold`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("how").required(true).multiple(true))]
pub(crate) struct HoldArgs {
    /// The backup store: a URL or a path.
    pub(crate) store: String,
    /// The snapshot, by a prefix of its digest.
    #[arg(long, value_name = "ID")]
    pub(crate) snapshot: String,
    /// Why.
    #[arg(long)]
    pub(crate) reason: String,
    /// Until then, RFC 3339. It ends by itself, and not before.
    #[arg(long, value_name = "TIME", group = "how")]
    pub(crate) until: Option<DateTime<Utc>>,
    /// On legal hold, until `coppice release`.
    #[arg(long, group = "how")]
    pub(crate) legal: bool,
    /// Who answers for it [default: the user of the operating system]
    #[arg(long)]
    pub(crate) actor: Option<String>,
}

/// `coppice release`.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    /// The backup store: a URL or a path.
    pub(crate) store: String,
    /// The snapshot, by a prefix of its digest.
    #[arg(long, value_name = "ID")]
    pub(crate) snapshot: String,
    /// Why.
    #[arg(long)]
    pub(crate) reason: String,
    /// Who answers for it [default: the user of the operating system]
    #[arg(long)]
    pub(crate) actor: Option<String>,
}
