//! The walk, with what the former snapshot had of each object.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::former::Former;
use crate::canonical::shard::Entry;
use crate::model::Failure;
use crate::store::{Meta, Walked};

/// What the walk met, with what the former snapshot had of it.
pub(super) enum Met {
    Object { meta: Meta, former: Option<Box<Entry>> },
    Unreadable { name: String, why: String },
    Gone(Vec<Entry>),
}

pub(super) type Walk = BoxStream<'static, Result<Walked, Failure>>;

/// Lays the former snapshot beside the walk.
pub(super) fn with_former(
    walk: Walk,
    former: Option<Former>,
) -> BoxStream<'static, Result<Met, Failure>> {
    let step = |(mut walk, mut former): (Walk, Option<Former>)| async move {
        let mut gone = Vec::new();
        let Some(walked) = walk.try_next().await? else {
            let rest = match &mut former {
                Some(former) => former.entries.rest().await?,
                None => None,
            };
            return Ok::<_, Failure>(rest.map(|rest| (vec![Met::Gone(rest)], (walk, former))));
        };
        let entry = match &mut former {
            Some(former) => former.entries.at(walked.name(), &mut gone).await?,
            None => None,
        };
        let met = match walked {
            Walked::Object(meta) => Met::Object { meta, former: entry.map(Box::new) },
            Walked::Unreadable { name, why } => Met::Unreadable { name, why },
        };
        Ok(Some((vec![Met::Gone(gone), met], (walk, former))))
    };
    let all = futures::stream::try_unfold((walk, former), step);
    let some = |met: &Met| !matches!(met, Met::Gone(entries) if entries.is_empty());
    all.map_ok(move |met| futures::stream::iter(met.into_iter().filter(some).map(Ok)))
        .try_flatten()
        .boxed()
}
