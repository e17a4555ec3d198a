//! The user as whom a private server runs: ourselves, or `postgres` when we are root, because
//! PostgreSQL refuses root.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use tokio::process::Command;

use super::cluster_error::ClusterError;

/// A user by its numbers, and whether we must become it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    uid: u32,
    gid: u32,
    switch: bool,
}

impl Owner {
    /// Ourselves, or `postgres` when we are root.
    pub(super) fn find() -> Result<Self, ClusterError> {
        let uid = rustix::process::geteuid().as_raw();
        if uid != 0 {
            let gid = rustix::process::getegid().as_raw();
            return Ok(Self { uid, gid, switch: false });
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let (uid, gid) = ids_of("postgres", &users).ok_or(ClusterError::NoUser)?;
        Ok(Self { uid, gid, switch: true })
    }

    /// The user's number.
    pub(super) fn uid(&self) -> u32 {
        self.uid
    }

    /// The user's and the group's number.
    #[cfg(test)]
    pub(super) fn ids(&self) -> (u32, u32) {
        (self.uid, self.gid)
    }

    /// Makes a command run as the user.
    pub(super) fn run_as(&self, command: &mut Command) {
        if self.switch {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Gives a file or folder to the user.
    pub(super) fn give(&self, path: &Path) -> io::Result<()> {
        if self.switch { chown(path, Some(self.uid), Some(self.gid)) } else { Ok(()) }
    }

    /// Says whether the user can enter every folder above `path`.
    pub(super) fn can_reach(&self, path: &Path) -> Result<(), ClusterError> {
        let shut = path.ancestors().skip(1).find(|folder| {
            fs::metadata(folder).is_ok_and(|seen| {
                let bit = if seen.uid() == self.uid {
                    0o100
                } else if seen.gid() == self.gid {
                    0o010
                } else {
                    0o001
                };
                self.switch && seen.mode() & bit == 0
            })
        });
        match shut {
            None => Ok(()),
            Some(shut) => Err(ClusterError::Shut { data: path.to_owned(), shut: shut.to_owned() }),
        }
    }
}

/// Finds `name:x:uid:gid:` in the text of `/etc/passwd`.
fn ids_of(name: &str, users: &str) -> Option<(u32, u32)> {
    let mut fields = users
        .lines()
        .map(|line| line.split(':'))
        .find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
    Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::model::Failure;

    #[test]
    fn a_folder_that_the_server_cannot_enter_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("a/pg");
        fs::create_dir_all(&data).unwrap();
        let mode =
            |mode| fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        let seen = fs::metadata(dir.path()).unwrap();
        // Somebody else than us.
        let other = Owner { uid: seen.uid() + 1, gid: seen.gid() + 1, switch: true };
        mode(0o711);
        other.can_reach(&data).unwrap();
        mode(0o700);
        let failure = Failure::from(other.can_reach(&data).unwrap_err());
        assert!(failure.message.ends_with(dir.path().to_str().unwrap()), "{failure:?}");
        assert!(failure.hint.unwrap().contains("/var/lib/coppice"));
        Owner { uid: seen.uid(), ..other }.can_reach(&data).unwrap();
    }

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users = "root:x:0:0::/root:/bin/sh\npostgres2:x:9:9:::\npostgres:x:101:104::/v:/b\n";
        assert_eq!(ids_of("postgres", users), Some((101, 104)));
        assert_eq!(ids_of("nobody", users), None);
    }
}
