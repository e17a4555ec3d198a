//! Writes the Kansas fixture: a small data platform with every zone, whole in every link.
//!
//! It shares no code with Coppice, so that what verifies the fixture did not make it. It reads no
//! clock and draws nothing at random: the same sources give the same bytes.

mod catalog;
mod dataset;
mod json;
mod ledger;
mod out;
mod platform;

use std::error::Error;
use std::path::{Path, PathBuf};

/// What may go wrong in a generator: anything, said once at the end.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let mut args = std::env::args_os().skip(1);
    let (flag, dir) = (args.next(), args.next());
    let out = match (flag, dir) {
        (Some(flag), Some(dir)) if flag == "--out" => PathBuf::from(dir),
        _ => return Err("usage: kansas --out DIR".into()),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    platform::generate(&root.join("fixtures/sources"), &out)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;

    fn files(dir: &Path, under: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, under, into);
            } else {
                let key = path.strip_prefix(under).unwrap().to_str().unwrap().to_owned();
                into.insert(key, fs::read(&path).unwrap());
            }
        }
    }

    #[test]
    fn generating_again_gives_the_committed_bytes() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let scratch = tempfile::tempdir().unwrap();
        platform::generate(&root.join("fixtures/sources"), scratch.path()).unwrap();
        let (mut made, mut kept) = (BTreeMap::new(), BTreeMap::new());
        files(scratch.path(), scratch.path(), &mut made);
        let committed = root.join("fixtures/kansas");
        files(&committed, &committed, &mut kept);
        assert_eq!(made.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>());
        for (key, bytes) in &made {
            assert!(bytes == &kept[key], "{key} differs from the committed fixture");
        }
    }
}
