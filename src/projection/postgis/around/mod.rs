//! What stands around a live table: grants, comments, views and foreign keys that its job declares.
//!
//! None of it changes a row, so none of it names a generation: a switch puts it right, also one
//! from a generation to itself. The record of a generation says what was put around it last.

mod grants;
mod keys;
mod views;

use sqlx::PgConnection;

use super::PostgisError;
use crate::digest::Digest;
use crate::model::{JobId, TableSink};

pub(super) use grants::{Grant, carried, give, give_back};
pub(super) use keys::{drop_undeclared, drop_upon, refer};
pub(super) use views::{drop_views, make_views};

type Result<T> = std::result::Result<T, PostgisError>;

/// How roles are found: on a server of others they are given, in a cluster of ours they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roles {
    /// They must be there.
    Given,
    /// One that is missing is made; nobody can log in as it.
    Made,
}

/// What goes live of a generation: the declared surroundings where the generation has the declared
/// columns. One with other columns gets back what stood around it; who may read it is said by the
/// job as it is now, so that no rollback brings a grant back that was taken away.
pub(super) fn effective(recorded: &TableSink, declared: &TableSink) -> TableSink {
    if recorded.decisive() == declared.decisive() {
        return declared.clone();
    }
    TableSink { grants: declared.grants.clone(), ..recorded.clone() }
}

/// Whether all that is declared around a live generation is there.
pub(super) async fn is_whole(
    connection: &mut PgConnection,
    job: &JobId,
    generation: &Digest,
    recorded: &TableSink,
    wanted: &TableSink,
) -> Result<bool> {
    Ok(recorded == wanted
        && grants::are_given(connection, wanted).await?
        && views::are_there(connection, wanted).await?
        && keys::are_there(connection, job, generation, wanted).await?)
}
