//! Finds the PostgreSQL that is installed on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::cluster_error::ClusterError;
use super::version::{identity, is_supported};

/// Where Debian and Ubuntu put each major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The programs of one installed version that has PostGIS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    /// The folder with `initdb`, `pg_ctl`, `postgres`.
    pub(super) bin: PathBuf,
    /// The major version, such as `15`.
    pub(super) major: String,
    /// The version of PostGIS that `CREATE EXTENSION` installs, such as `3.3.2`.
    pub(super) postgis: String,
}

impl Binaries {
    /// Takes the newest version that has PostGIS; for a cluster that exists, its own version.
    pub(super) fn find(pgdata: &Path) -> Result<Self, ClusterError> {
        let wanted = std::fs::read_to_string(pgdata.join("PG_VERSION")).ok();
        let wanted = wanted.as_deref().map(str::trim);
        let mut found: Vec<Self> = folders().iter().filter_map(|bin| Self::probe(bin)).collect();
        // Stable, so that of one version the first stays first.
        found.sort_by_key(|one| std::cmp::Reverse(one.major.parse::<u32>().unwrap_or(0)));
        found
            .into_iter()
            .find(|one| wanted.is_none_or(|major| one.major == major))
            .ok_or_else(|| ClusterError::NotInstalled { major: wanted.map(str::to_owned) })
    }

    fn probe(bin: &Path) -> Option<Self> {
        let tools = ["initdb", "pg_ctl", "postgres"];
        if !tools.iter().all(|tool| bin.join(tool).is_file()) {
            return None;
        }
        // `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`
        let version = said(&bin.join("postgres"), "--version")?;
        let number = version.split_whitespace().nth(2)?;
        let major: String = number.chars().take_while(char::is_ascii_digit).collect();
        if !is_supported(&major) {
            return None;
        }
        let postgis = shares(bin, &major).iter().find_map(|share| {
            let control = share.join("extension/postgis.control");
            default_version(&std::fs::read_to_string(control).ok()?)
        })?;
        Some(Self { bin: bin.to_owned(), major, postgis })
    }

    /// The path of one program.
    pub(super) fn tool(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}

fn folders() -> Vec<PathBuf> {
    let debian = std::fs::read_dir(DEBIAN).into_iter().flatten();
    let mut folders: Vec<PathBuf> =
        debian.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    folders.extend(said(Path::new("pg_config"), "--bindir").map(PathBuf::from));
    folders
}

fn shares(bin: &Path, major: &str) -> Vec<PathBuf> {
    let mut shares: Vec<PathBuf> =
        said(&bin.join("pg_config"), "--sharedir").map(PathBuf::from).into_iter().collect();
    shares.push(Path::new("/usr/share/postgresql").join(major));
    shares.push(bin.join("../share/postgresql"));
    shares.push(bin.join("../share"));
    shares
}

fn said(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Reads `default_version = '3.3.2'` out of an extension's control file.
fn default_version(control: &str) -> Option<String> {
    let line = control.lines().find_map(|line| line.trim().strip_prefix("default_version"))?;
    Some(line.trim_start_matches([' ', '\t', '=']).trim().trim_matches('\'').to_owned())
}

/// Says what `server_identity` will say of a private cluster in `data_dir`, without starting it.
pub(crate) fn installed_identity(data_dir: &Path) -> Result<String, ClusterError> {
    let binaries = Binaries::find(&super::cluster::pgdata(data_dir))?;
    Ok(identity(&binaries.major, &binaries.postgis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_file_is_read() {
        let control = "# postgis\ncomment = 'x'\ndefault_version = '3.3.2'\nrelocatable = false\n";
        assert_eq!(default_version(control).as_deref(), Some("3.3.2"));
        assert_eq!(default_version("comment = 'x'"), None);
    }

    #[test]
    fn a_cluster_of_a_version_that_is_gone_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Binaries::find(dir.path()).is_ok());
        std::fs::write(dir.path().join("PG_VERSION"), "9\n").unwrap();
        let error = Binaries::find(dir.path()).unwrap_err();
        assert!(error.to_string().contains('9'), "{error}");
    }
}
