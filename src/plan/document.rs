//! The recovery plan as written in `plans/*.yaml`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CommandSpec, GraphSpec};
use crate::model::{ApprovedBy, OptionValue, Period, StoreLimits, Zone};

/// A recovery plan: what to restore in which environment, which projections to regrow, and the
/// objectives it is measured by.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecoveryPlan {
    /// Always `coppice/v1`.
    #[serde(rename = "apiVersion")]
    pub(crate) api_version: ApiVersion,
    /// Always `RecoveryPlan`.
    pub(crate) kind: PlanKind,
    /// Its name.
    pub(crate) metadata: Metadata,
    /// What it says.
    pub(crate) spec: PlanSpec,
}

/// The version of the documents' format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum ApiVersion {
    /// The first.
    #[serde(rename = "coppice/v1")]
    V1,
}

/// The kind of a recovery plan document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum PlanKind {
    /// The only one.
    RecoveryPlan,
}

/// What every document says of itself.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metadata {
    /// The document's name; of a job: `<kind>/<name>`.
    #[schemars(example = &"kansas", example = &"postgis/places")]
    pub(crate) name: String,
    /// One sentence for people.
    #[serde(default)]
    pub(crate) description: String,
}

/// What a plan says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanSpec {
    /// The folder of the rebuild jobs, relative to the plan; every `*.yaml` below it is one.
    #[schemars(example = &"../rebuild")]
    pub(crate) jobs: String,
    /// Which of the jobs belong to the plan; empty means all.
    #[serde(default)]
    pub(crate) only: Vec<String>,
    /// The environments, by name.
    pub(crate) environments: BTreeMap<String, Environment>,
    /// Whether one blocked job stops the cutover.
    #[serde(default)]
    pub(crate) cutover: CutoverPolicy,
    /// How the ledger head's signature is held.
    #[serde(default)]
    pub(crate) signatures: SignaturePolicy,
    /// The date at which embargoes are judged; else the start of the run.
    #[serde(default)]
    pub(crate) policy_date: Option<DateTime<Utc>>,
    /// How much work goes on at once.
    #[serde(default)]
    pub(crate) limits: Limits,
}

/// Whether one blocked job stops the cutover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CutoverPolicy {
    /// Every proven job whose dependencies are in the set goes live.
    #[default]
    Proven,
    /// All or nothing.
    All,
}

/// How the ledger head's signature is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SignaturePolicy {
    /// The report says whether it was checked.
    #[default]
    Report,
    /// An unchecked signature shuts the ledger gate.
    Require,
}

/// How much work goes on at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Transfers at once, and bytes held in memory by them.
    pub(crate) transfers: u32,
    /// Queries at once.
    pub(crate) queries: u32,
    /// Memory pool of one query, in MiB; past it a query spills to disk.
    pub(crate) query_memory_mib: u32,
    /// Tries of a step that fails for a passing reason.
    pub(crate) attempts: u32,
    /// Seconds after which one try of a step is given up.
    pub(crate) step_timeout_seconds: u64,
    /// Former generations of each job that stay for a rollback; older ones are dropped after a
    /// cutover.
    pub(crate) keep_generations: u32,
    /// Connections to PostgreSQL that a run may have at once; by default five, and three for each
    /// of `queries`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connections: Option<u32>,
}

impl Limits {
    /// The fewest connections to PostgreSQL that all queries can do with: one for the lock; of each
    /// query one that writes and one that reads back, outside of the pool; two to look.
    pub(crate) fn fewest_connections(&self) -> u32 {
        self.queries.saturating_mul(2).saturating_add(3)
    }

    /// Connections to PostgreSQL in all.
    pub(crate) fn all_connections(&self) -> u32 {
        let usual = self.queries.saturating_mul(3).saturating_add(5);
        self.connections.unwrap_or(usual)
    }

    /// Those of the pool: the lock and what is read back have connections of their own.
    pub(crate) fn pool_size(&self) -> u32 {
        self.all_connections().saturating_sub(self.queries).saturating_sub(1).max(2)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transfers: 8,
            queries: 2,
            query_memory_mib: 512,
            attempts: 4,
            step_timeout_seconds: 6 * 3600,
            keep_generations: 2,
            connections: None,
        }
    }
}

/// One environment: where its stores and services are, and what it promises.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Environment {
    /// The backup store that snapshots are read from.
    pub(crate) backup: StoreSpec,
    /// The canonical stores.
    pub(crate) canonical: StoreSpec,
    /// Where file-like projections (search, graph, tiles) are published.
    pub(crate) projections: StoreSpec,
    /// The PostgreSQL server with PostGIS.
    pub(crate) postgis: PostgisSpec,
    /// Where graphs are kept; else as files among the projections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) graph: Option<GraphSpec>,
    /// What it promises.
    pub(crate) objectives: Objectives,
    /// Whether a restore, rebuild or rollback asks for a reason, a clean git tree and a
    /// confirmation.
    #[serde(default)]
    pub(crate) protected: bool,
    /// Which steps wait for somebody's approval; rehearsals do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) approve: Option<Approve>,
    /// The environments whose snapshots may be restored here; empty means its own.
    #[serde(default)]
    pub(crate) accepts_snapshots_from: Vec<String>,
    /// Where rehearsals work; else below the state directory.
    #[serde(default)]
    pub(crate) scratch: Option<StoreSpec>,
    /// Where rehearsals keep graphs, which is no environment's; else as files in scratch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scratch_graph: Option<GraphSpec>,
    /// Run one after the other before the first write: stop what writes to the stores, tell people.
    /// One that fails stops the run before anything is written.
    #[serde(default)]
    pub(crate) freeze: Vec<CommandSpec>,
    /// Run one after the other once all that goes live was read back: let readers and writers in
    /// again.
    #[serde(default)]
    pub(crate) enable: Vec<CommandSpec>,
    /// How old the last green rehearsal may be, such as `90d`.
    #[serde(default)]
    pub(crate) rehearse_every: Option<Period>,
    /// The append-only list of withdrawn keys and versions: the `url` of an NDJSON file that lies
    /// outside of every snapshot. `coppice schema withdrawals` prints the form of a line.
    #[serde(default)]
    pub(crate) withdrawals: Option<StoreSpec>,
}

/// Steps that wait for `coppice approve RUN STEP --reason TEXT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approve {
    /// Names of steps, such as `cutover/decide`; `*` stands for any part, as in `rebuild/*`.
    pub(crate) steps: Vec<String>,
    /// Who may approve: `other` than who started the run, or `any`.
    #[serde(default)]
    pub(crate) by: ApprovedBy,
}

/// A store: an `object_store` URL, or a path relative to the plan, with its options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreSpec {
    /// `file://`, `s3://`, `gs://`, `az://`, `memory://`, or a path relative to the plan's folder.
    #[schemars(example = &"s3://kfm-backup", example = &"../.coppice/dev/canonical")]
    pub(crate) url: String,
    /// Options of the store's client, such as `aws_endpoint`; a value or a secret reference.
    /// docs/stores.md tells them all.
    #[serde(default)]
    pub(crate) options: BTreeMap<String, OptionValue>,
    /// How much is asked of it at once, its zones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) limits: Option<StoreLimits>,
    /// Zones that live in a store of their own.
    #[serde(default)]
    pub(crate) zones: BTreeMap<Zone, String>,
}

/// A PostgreSQL server with PostGIS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum PostgisSpec {
    /// A private cluster, made from the PostgreSQL that is installed; its data lie in the state
    /// directory, where the user that runs it may enter.
    Private {},
    /// A server that somebody runs.
    Server {
        /// Where its URL is: `env:NAME` or `file:PATH`.
        #[schemars(regex(pattern = "^(env|file):.+$"), example = "env:COPPICE_POSTGIS_URL")]
        secret: String,
        /// Where the password is, if not in the URL: `env:NAME` or `file:PATH`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(regex(pattern = "^(env|file):.+$"), example = "env:COPPICE_POSTGIS_PASSWORD")]
        password: Option<String>,
    },
}

/// What an environment promises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Objectives {
    /// Recovery time objective, such as `30m`.
    #[serde(default)]
    pub(crate) rto: Option<Period>,
    /// Recovery point objective, such as `24h`.
    #[serde(default)]
    pub(crate) rpo: Option<Period>,
}
