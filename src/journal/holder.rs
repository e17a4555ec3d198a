use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::ProcessIdentity;

/// A process that holds a run and its targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// Which one.
    #[serde(flatten)]
    pub(crate) process: ProcessIdentity,
    /// Who runs it.
    pub(crate) user: String,
    /// Since when it holds.
    pub(crate) since: DateTime<Utc>,
}

impl Holder {
    /// Describes this process, run by `user`.
    pub(crate) fn this_process(user: &str) -> Self {
        Self { process: ProcessIdentity::own(), user: user.to_owned(), since: Utc::now() }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = crate::model::moment(self.since);
        let ProcessIdentity { pid, host, .. } = &self.process;
        write!(f, "process {pid} of {} on {host} since {since}", self.user)
    }
}
