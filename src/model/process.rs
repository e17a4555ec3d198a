//! Which process something belongs to, and whether that one still lives.

use serde::{Deserialize, Serialize};

/// A process, told apart from every other one: of another machine, another boot, another container,
/// and from a later one with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    /// The name of its machine.
    pub(crate) host: String,
    /// Its process id.
    pub(crate) pid: u32,
    /// The boot of the machine; after another boot the process cannot live.
    #[serde(default)]
    pub(crate) boot: Option<String>,
    /// The namespace in which the process id means something.
    #[serde(default)]
    pub(crate) namespace: Option<String>,
    /// When the process started, in ticks since the boot: tells it from a later one with its id.
    #[serde(default)]
    pub(crate) born: Option<u64>,
}

impl ProcessIdentity {
    /// Of this process.
    pub(crate) fn own() -> Self {
        Self {
            host: hostname(),
            pid: std::process::id(),
            boot: boot(),
            namespace: namespace(),
            born: own_birth(),
        }
    }

    /// Whether the process is known to live no more. What cannot be told is no.
    pub(crate) fn is_gone(&self) -> bool {
        if self.host != hostname() || self.boot.is_none() {
            return false;
        }
        if self.boot != boot() {
            return true;
        }
        self.is_gone_from_here()
    }

    /// The same where machines share what is held: two of them may have one name, but no two have
    /// one boot. So it is only told of a process of this boot; of others, only time tells.
    pub(crate) fn is_gone_from_this_boot(&self) -> bool {
        self.boot.is_some() && self.boot == boot() && self.is_gone_from_here()
    }

    fn is_gone_from_here(&self) -> bool {
        // The same number in another container is another process.
        if self.namespace.is_none() || self.namespace != namespace() || self.born.is_none() {
            return false;
        }
        match std::fs::read_to_string(format!("/proc/{}/stat", self.pid)) {
            Ok(stat) => born(&stat) != self.born,
            // Where `/proc` hides other people's processes, a signal still tells.
            Err(_) => !exists(self.pid),
        }
    }
}

fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn boot() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

fn namespace() -> Option<String> {
    Some(std::fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().into_owned())
}

fn own_birth() -> Option<u64> {
    born(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// The 22nd field of `/proc/<pid>/stat`; the second may hold spaces and brackets. A zombie has
/// none: it holds nothing any more.
fn born(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18)?.parse().ok())?
}

fn exists(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_gone_when_it_ended_or_its_id_or_its_machine_began_anew() {
        let here = ProcessIdentity::own();
        assert!(!here.is_gone());
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let held = ProcessIdentity { pid: child.id(), born: born(&stat), ..here.clone() };
        assert!(held.born.is_some() && !held.is_gone());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(held.is_gone());
        let of = |change: fn(&mut ProcessIdentity)| {
            let mut other = here.clone();
            change(&mut other);
            (other.is_gone(), other.is_gone_from_this_boot())
        };
        assert_eq!(of(|it| it.born = Some(1)), (true, true));
        assert_eq!(of(|it| it.boot = Some("other".into())), (true, false));
        assert_eq!(of(|it| (it.host, it.born) = ("other".into(), Some(1))), (false, true));
        let elsewhere = of(|it| (it.namespace, it.born) = (Some("pid:[1]".into()), Some(1)));
        assert_eq!(elsewhere, (false, false));
    }
}
