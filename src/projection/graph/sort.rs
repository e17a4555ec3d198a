//! Sorts any number of records in bounded memory, and drops doubles: sorted runs on disk, merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::ops::Range;
use std::path::PathBuf;

use super::GraphError;

/// Bytes of records held in memory.
const RUN: usize = 64 << 20;
/// Runs that are merged at one time.
const FAN_IN: usize = 64;

type Result<T> = std::result::Result<T, GraphError>;

/// Takes records in any order.
pub(super) struct Sorter {
    folder: PathBuf,
    limit: usize,
    bytes: Vec<u8>,
    spans: Vec<Range<usize>>,
    runs: Vec<File>,
}

impl Sorter {
    /// Spills to unnamed files in `folder`.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self::with_limit(folder, RUN)
    }

    pub(super) fn with_limit(folder: PathBuf, limit: usize) -> Self {
        Self { folder, limit, bytes: Vec::new(), spans: Vec::new(), runs: Vec::new() }
    }

    pub(super) fn push(&mut self, record: &[u8]) -> Result<()> {
        let held = self.bytes.len() + self.spans.len() * size_of::<Range<usize>>();
        if held + record.len() > self.limit && !self.spans.is_empty() {
            self.spill()?;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(record);
        self.spans.push(start..self.bytes.len());
        Ok(())
    }

    /// Hands each distinct record to `each`, in the order of their bytes.
    pub(super) fn finish(mut self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if self.runs.is_empty() {
            self.sort();
            return self.spans.iter().try_for_each(|span| each(&self.bytes[span.clone()]));
        }
        self.spill()?;
        // What was in memory is on disk now.
        self.bytes = Vec::new();
        merge(std::mem::take(&mut self.runs), each)
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        self.spans.sort_unstable_by(|a, b| bytes[a.clone()].cmp(&bytes[b.clone()]));
        self.spans.dedup_by(|a, b| bytes[a.clone()] == bytes[b.clone()]);
    }

    fn spill(&mut self) -> Result<()> {
        if self.spans.is_empty() {
            return Ok(());
        }
        self.sort();
        let (bytes, spans) = (&self.bytes, &self.spans);
        let run =
            self.write_run(|write| spans.iter().try_for_each(|span| write(&bytes[span.clone()])))?;
        self.runs.push(run);
        self.bytes.clear();
        self.spans.clear();
        if self.runs.len() == FAN_IN {
            let runs = std::mem::take(&mut self.runs);
            let run = self.write_run(|write| merge(runs, write))?;
            self.runs.push(run);
        }
        Ok(())
    }

    fn write_run(
        &self,
        records: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
    ) -> Result<File> {
        let file = tempfile::tempfile_in(&self.folder).map_err(GraphError::Spill)?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        records(&mut |record| write_record(&mut out, record).map_err(GraphError::Spill))?;
        let mut file = out.into_inner().map_err(|e| GraphError::Spill(e.into_error()))?;
        file.rewind().map_err(GraphError::Spill)?;
        Ok(file)
    }
}

fn write_record(out: &mut impl Write, record: &[u8]) -> io::Result<()> {
    let length = u32::try_from(record.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(record)
}

/// The next record of a run, `None` at its end.
fn read_record(run: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match run.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let mut record = vec![0; u32::from_le_bytes(length) as usize];
    run.read_exact(&mut record)?;
    Ok(Some(record))
}

fn merge(runs: Vec<File>, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut runs: Vec<_> =
        runs.into_iter().map(|run| BufReader::with_capacity(256 << 10, run)).collect();
    let mut heads = BinaryHeap::new();
    for (index, run) in runs.iter_mut().enumerate() {
        if let Some(record) = read_record(run).map_err(GraphError::Spill)? {
            heads.push(Reverse((record, index)));
        }
    }
    let mut last: Option<Vec<u8>> = None;
    while let Some(Reverse((record, index))) = heads.pop() {
        if let Some(next) = read_record(&mut runs[index]).map_err(GraphError::Spill)? {
            heads.push(Reverse((next, index)));
        }
        if last.as_ref() != Some(&record) {
            each(&record)?;
            last = Some(record);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_limit_gives_the_sorted_set(
            records in proptest::collection::vec("[a-c\u{e9}]{0,3}", 0..300),
            limit in prop_oneof![Just(1usize), 40..400usize, Just(1 << 20)],
        ) {
            let mut sorter = Sorter::with_limit(std::env::temp_dir(), limit);
            for record in &records {
                sorter.push(record.as_bytes()).unwrap();
            }
            let mut out = Vec::new();
            sorter.finish(|record| { out.push(record.to_vec()); Ok(()) }).unwrap();
            let set: BTreeSet<Vec<u8>> =
                records.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(out, set.into_iter().collect::<Vec<_>>());
        }
    }
}
