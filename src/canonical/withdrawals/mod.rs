//! What was erased or restricted after a snapshot was sealed: an erasure outlives every restore.

mod apply;
mod error;
mod list;

pub(crate) use apply::{Withdrawals, gone, still_here};
pub(crate) use error::WithdrawalError;

/// The JSON Schema (2020-12) of one line of the list.
pub(crate) fn schema() -> serde_json::Value {
    schemars::schema_for!(list::Withdrawal).to_value()
}
