use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A line of the file: the run's secret, or what a hash stands for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Key { key: String },
    Hidden { hidden: String, is: String },
}

/// The file that maps hashes back, JSON Lines, readable by its owner alone.
#[derive(Debug)]
pub(crate) struct RestrictedFile {
    file: File,
    path: PathBuf,
}

impl RestrictedFile {
    /// Makes a file that is not there yet.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut options = std::fs::OpenOptions::new();
        let file = options.append(true).create_new(true).mode(0o600).open(path)?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Opens the file of a run, made where it is missing, and gives the run's secret: that of the
    /// file, or `key`, which is written.
    pub(crate) fn of_run(path: &Path, key: [u8; 32]) -> io::Result<(Self, [u8; 32])> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        match Self::create(path) {
            Ok(mut file) => {
                let hex = blake3::Hash::from_bytes(key).to_hex().to_string();
                file.write(&[Line::Key { key: hex }])?;
                Ok((file, key))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let key = read(path)?.0;
                let lost = || io::Error::new(io::ErrorKind::InvalidData, "it holds no key");
                let mut file = std::fs::OpenOptions::new().append(true).open(path)?;
                // Ends a line that a crash may have cut off.
                file.write_all(b"\n")?;
                Ok((Self { file, path: path.to_owned() }, key.ok_or_else(lost)?))
            }
            Err(error) => Err(error),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Has the meaning of hashes durable.
    pub(super) fn add<'a>(
        &mut self,
        hidden: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> io::Result<()> {
        let line = |(hidden, is): (&String, &String)| Line::Hidden {
            hidden: hidden.clone(),
            is: is.clone(),
        };
        self.write(&hidden.into_iter().map(line).collect::<Vec<_>>())
    }

    fn write(&mut self, lines: &[Line]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut bytes, line)?;
            bytes.push(b'\n');
        }
        self.file.write_all(&bytes)?;
        self.file.sync_data()
    }
}

/// Says that names were lost: to the operator, who may have to free a disk.
pub(super) fn lost(path: &Path, error: &io::Error) {
    let line = format!("names that are hidden were not kept in {}: {error}", path.display());
    // Should the error stream be gone too, the names stay hidden still.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Reads what hashes stand for.
pub(crate) fn read_restricted(path: &Path) -> io::Result<BTreeMap<String, String>> {
    Ok(read(path)?.1)
}

type Content = (Option<[u8; 32]>, BTreeMap<String, String>);

/// A line that a crash cut off is passed over: nothing that counts on it was written.
fn read(path: &Path) -> io::Result<Content> {
    let (mut key, mut names) = (None, BTreeMap::new());
    for line in BufReader::new(File::open(path)?).lines() {
        match serde_json::from_str(&line?) {
            Ok(Line::Key { key: hex }) => {
                key = blake3::Hash::from_hex(&hex).ok().map(|hash| *hash.as_bytes());
            }
            Ok(Line::Hidden { hidden, is }) => {
                names.insert(hidden, is);
            }
            Err(_torn) => {}
        }
    }
    Ok((key, names))
}
