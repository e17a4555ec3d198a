//! The multiset digest of rows, against sorting the digest of each row and hashing the sorted list:
//! what else is there that does not hang on the order of the rows.

use coppice::digest::Multiset;
use sha2::{Digest as _, Sha256};

use crate::tools::{Table, rounds, setting, timed};

/// The bytes of a row of a table of flights.
const ROW: usize = 153;

pub(crate) fn run() {
    let count = setting("COPPICE_BENCH_ROWS", 3_000_000);
    let title = format!("Order-independent digest of {count} rows of {ROW} bytes, one core");
    let mut table = Table::new(title, count as f64, "rows");
    let mut seen = Vec::new();
    for _ in 0..rounds() {
        let (seconds, digest) = timed(|| {
            let mut sum = Multiset::default();
            each(count, |row| sum.add(row));
            sum.finish("bench").to_string()
        });
        table.add("multiset digest (LtHash, 2 KiB)", seconds);
        let (seconds, ()) = timed(|| sorted(count, |row| *blake3::hash(row).as_bytes()));
        table.add("BLAKE3 of each row, sorted (32 B a row)", seconds);
        let (seconds, ()) = timed(|| sorted(count, |row| Sha256::digest(row).into()));
        table.add("SHA-256 of each row, sorted (32 B a row)", seconds);
        seen.push(digest);
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "the same rows gave two digests");
    table.print();
}

/// Hands the same rows to `each` every time.
fn each(count: u64, mut each: impl FnMut(&[u8])) {
    let mut row = [0x5a; ROW];
    for number in 0..count {
        row[..8].copy_from_slice(&number.to_le_bytes());
        each(&row);
    }
}

fn sorted(count: u64, digest: impl Fn(&[u8]) -> [u8; 32]) {
    let mut all = Vec::with_capacity(count as usize);
    each(count, |row| all.push(digest(row)));
    all.sort_unstable();
    std::hint::black_box(blake3::hash(all.as_flattened()));
}
