use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::room::failed;
use crate::digest::Blake3Hasher;
use crate::model::{Code, Failure, JobId, MadeFile};

/// How much of a file is in memory.
const PART: usize = 1 << 20;
/// Secrets that are shorter are not looked for: they would be found everywhere.
const SHORTEST: usize = 6;

/// The files that a program made: those that were declared, and no other. None may hold a secret
/// that the program was given.
pub(super) fn files(
    job: &JobId,
    folder: &Path,
    declared: &[String],
    secrets: &[(String, String)],
) -> Result<Vec<MadeFile>, Failure> {
    let wrap = |error: io::Error| failed(folder, &error);
    let declared: BTreeSet<&str> = declared.iter().map(String::as_str).collect();
    let (mut made, mut strange) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(wrap)? {
        let entry = entry.map_err(wrap)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.file_type().map_err(wrap)?.is_file() || !declared.contains(name.as_str()) {
            strange.push(name);
        } else {
            made.push(of(job, name, &entry.path(), secrets)?);
        }
    }
    if !strange.is_empty() {
        strange.sort();
        let message = format!("{job} made what it does not declare: {}", strange.join(", "));
        return Err(Failure::permanent(Code::StepFailed, message)
            .class("undeclared output")
            .hint("add it to `outputs`, where it is a file; else have the program leave it out"));
    }
    let missing = declared.iter().filter(|name| made.iter().all(|file| file.name != **name));
    let missing: Vec<&str> = missing.copied().collect();
    if !missing.is_empty() {
        let message = format!("{job} did not make what it declares: {}", missing.join(", "));
        return Err(Failure::permanent(Code::StepFailed, message)
            .hint("its program ended with 0 all the same; let it end with another code")
            .plain());
    }
    made.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(made)
}

fn of(
    job: &JobId,
    name: String,
    path: &Path,
    secrets: &[(String, String)],
) -> Result<MadeFile, Failure> {
    let wrap = |error: io::Error| failed(path, &error);
    let mut file = File::open(path).map_err(wrap)?;
    let mut hasher = Blake3Hasher::default();
    let mut search = Search::new(secrets);
    let mut part = vec![0; PART];
    loop {
        match file.read(&mut part).map_err(wrap)? {
            0 => break,
            read => {
                hasher.update(&part[..read]);
                if let Some(secret) = search.finds(&part[..read]) {
                    let message = format!("the output `{name}` of {job} holds the secret {secret}");
                    return Err(Failure::permanent(Code::StepFailed, message)
                        .hint("outputs are published: have the program leave it out")
                        .plain());
                }
            }
        }
    }
    Ok(MadeFile { name, size: hasher.size(), digest: hasher.finish(), path: path.to_owned() })
}

/// Looks for secrets in a stream, also where one is cut between two parts.
struct Search<'a> {
    secrets: Vec<(&'a str, &'a [u8])>,
    tail: Vec<u8>,
    longest: usize,
}

impl<'a> Search<'a> {
    fn new(secrets: &'a [(String, String)]) -> Self {
        let secrets = secrets.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let secrets: Vec<_> = secrets.filter(|(_, value)| value.len() >= SHORTEST).collect();
        let longest = secrets.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
        Self { secrets, tail: Vec::new(), longest }
    }

    /// The name of a secret that was met.
    fn finds(&mut self, part: &[u8]) -> Option<&'a str> {
        if self.secrets.is_empty() {
            return None;
        }
        self.tail.extend_from_slice(part);
        let held = &self.tail;
        let met = self.secrets.iter().find(|(_, value)| {
            held.windows(value.len()).any(|window| window[0] == value[0] && window == *value)
        });
        let met = met.map(|(name, _)| *name);
        let over = self.tail.len().saturating_sub(self.longest - 1);
        self.tail.drain(..over);
        met
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> JobId {
        "command/report".parse().unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_missing_or_not_declared_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.csv"), "a").unwrap();
        let of = |declared: &[&str]| files(&job(), folder.path(), &names(declared), &[]);
        let made = of(&["a.csv"]).unwrap();
        assert_eq!((made.len(), made[0].size), (1, 1));
        assert!(of(&["a.csv", "b.csv"]).unwrap_err().message.ends_with("declares: b.csv"));
        fs::create_dir(folder.path().join("c")).unwrap();
        std::os::unix::fs::symlink("a.csv", folder.path().join("b.csv")).unwrap();
        let failure = of(&["a.csv", "b.csv"]).unwrap_err();
        assert!(failure.message.ends_with("not declare: b.csv, c"), "{failure:?}");
    }

    #[test]
    fn a_secret_is_met_wherever_it_is_cut() {
        let secrets = [("KEY".to_owned(), "hush-hush".to_owned()), ("N".into(), "1".into())];
        for cut in 0..9 {
            let mut search = Search::new(&secrets);
            let text = b"1 and hush-hush and on";
            let (first, rest) = text.split_at(6 + cut);
            assert_eq!(search.finds(first).or(search.finds(rest)), Some("KEY"), "{cut}");
        }
        let mut search = Search::new(&secrets);
        assert_eq!(search.finds(b"1 hush-").or(search.finds(b" hush")), None);
    }
}
