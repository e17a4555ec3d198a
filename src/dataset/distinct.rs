use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::tempfile_in;

/// A value by its digest: 16 bytes keep even a thousand million apart.
type Name = [u8; 16];

/// How many names are held in memory: 16 MiB.
const HELD: usize = 1 << 20;

/// Counts values that were there before, in memory that does not grow: names are sorted, put
/// aside in files without a name, and merged at the end.
pub(super) struct Distinct {
    spill: PathBuf,
    held: Vec<Name>,
    most: usize,
    runs: Vec<File>,
}

impl Distinct {
    pub(super) fn new(spill: &Path) -> Self {
        Self { spill: spill.to_owned(), held: Vec::new(), most: HELD, runs: Vec::new() }
    }

    pub(super) fn add(&mut self, value: &[u8]) -> io::Result<()> {
        let mut name = Name::default();
        blake3::Hasher::new().update(value).finalize_xof().fill(&mut name);
        self.held.push(name);
        if self.held.len() >= self.most { self.put_aside() } else { Ok(()) }
    }

    fn put_aside(&mut self) -> io::Result<()> {
        self.held.sort_unstable();
        let mut file = BufWriter::new(tempfile_in(&self.spill)?);
        for name in self.held.drain(..) {
            file.write_all(&name)?;
        }
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(file);
        Ok(())
    }

    /// How many values were there before.
    pub(super) fn repeated(mut self) -> io::Result<u64> {
        self.held.sort_unstable();
        let mut runs: Vec<Box<dyn Iterator<Item = io::Result<Name>>>> =
            vec![Box::new(self.held.into_iter().map(Ok))];
        for file in self.runs {
            runs.push(Box::new(names(BufReader::new(file))));
        }
        let mut heads = BinaryHeap::new();
        for (at, run) in runs.iter_mut().enumerate() {
            if let Some(name) = run.next().transpose()? {
                heads.push(Reverse((name, at)));
            }
        }
        let (mut last, mut repeated) = (None, 0);
        while let Some(Reverse((name, at))) = heads.pop() {
            repeated += u64::from(last == Some(name));
            last = Some(name);
            if let Some(name) = runs[at].next().transpose()? {
                heads.push(Reverse((name, at)));
            }
        }
        Ok(repeated)
    }
}

fn names(mut file: BufReader<File>) -> impl Iterator<Item = io::Result<Name>> {
    std::iter::from_fn(move || {
        let mut name = Name::default();
        match file.read_exact(&mut name) {
            Ok(()) => Some(Ok(name)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => Some(Err(error)),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn repeated_values_are_counted_however_little_is_held(
            values in prop::collection::vec(0_u8..40, 0..200),
            most in 1_usize..20,
        ) {
            let spill = tempfile::tempdir().unwrap();
            let mut seen = Distinct { most, ..Distinct::new(spill.path()) };
            for value in &values {
                seen.add(&[*value]).unwrap();
            }
            let different: BTreeSet<_> = values.iter().collect();
            prop_assert_eq!(seen.repeated().unwrap(), (values.len() - different.len()) as u64);
        }
    }
}
