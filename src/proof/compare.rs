use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};

use super::RowsStream;
use crate::digest::{Multiset, MultisetDigest};
use crate::model::{Code, Covers, Failure, Meter, Proof};

/// Batches that are hashed at one time.
const IN_FLIGHT: usize = 3;

/// Digests what a projection gives when it is read back. Stops at the first failure: rows that
/// cannot be read have no digest.
pub(crate) async fn digest_rows(
    rows: RowsStream,
    encoding: &str,
    meter: &Meter,
) -> Result<MultisetDigest, Failure> {
    let sums = rows.map(|rows| async {
        let rows = rows?;
        let (bytes, count) = (rows.bytes.len() as u64, rows.len() as u64);
        let sum = tokio::task::spawn_blocking(move || rows.multiset()).await.map_err(|error| {
            Failure::permanent(Code::Internal, "failed to digest rows: the task was lost")
                .because(&error)
        })?;
        meter.add_bytes(bytes);
        meter.add_rows(count);
        Ok::<_, Failure>(sum)
    });
    let merge = |mut sum: Multiset, more: Multiset| async move {
        sum.merge(&more);
        Ok(sum)
    };
    let sum = sums.buffered(IN_FLIGHT).try_fold(Multiset::default(), merge).await?;
    Ok(sum.finish(encoding))
}

/// Compares what went in with what was read back: the one place where a projection is proven.
pub(crate) fn compare(
    canonical: &MultisetDigest,
    projected: &MultisetDigest,
    covers: Covers,
    at: DateTime<Utc>,
) -> Proof {
    Proof {
        rows: projected.count,
        canonical_digest: canonical.to_string(),
        projection_digest: projected.to_string(),
        proven: canonical == projected,
        proof_at: at,
        covers,
        made_of: None,
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;
    use crate::proof::Rows;

    fn rows(texts: &[&str]) -> Rows {
        let mut rows = Rows::default();
        for text in texts {
            rows.bytes.extend_from_slice(text.as_bytes());
            rows.end_row();
        }
        rows
    }

    async fn digest(batches: Vec<Rows>, encoding: &str) -> MultisetDigest {
        let rows = stream::iter(batches.into_iter().map(Ok)).boxed();
        digest_rows(rows, encoding, &Meter::default()).await.unwrap()
    }

    #[tokio::test]
    async fn equal_rows_prove_and_others_do_not() {
        let canonical = digest(vec![rows(&["a", "b"]), rows(&["b"])], "t").await;
        let others = [
            (vec![rows(&["b"]), rows(&["b", "a"])], "t", true),
            (vec![rows(&["a", "b"])], "t", false),
            (vec![rows(&["a", "b", "b", "b"])], "t", false),
            (vec![rows(&["a", "bb"]), rows(&[""])], "t", false),
            (vec![rows(&["a", "b", "b"])], "u", false),
        ];
        for (batches, encoding, proven) in others {
            let covers = Covers::of("all", ["c"]);
            let projected = digest(batches, encoding).await;
            let proof = compare(&canonical, &projected, covers, Utc::now());
            assert_eq!(proof.proven, proven, "{proof:?}");
            assert_eq!(proof.rows, projected.count);
        }
    }

    #[tokio::test]
    async fn rows_that_cannot_be_read_have_no_digest() {
        let failure = Failure::transient(Code::StoreUnreachable, "gone");
        let broken = stream::iter([Ok(rows(&["a"])), Err(failure.clone())]).boxed();
        let meter = Meter::default();
        assert_eq!(digest_rows(broken, "t", &meter).await.unwrap_err(), failure);
        assert_eq!(meter.read().rows, 1);
    }
}
