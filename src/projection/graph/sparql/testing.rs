//! A real SPARQL server for tests: a process of its own on a free port of this machine, with a store
//! of its own. A shell holds the other end of a pipe: it ends the server with the test's process.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Auth, Client, Endpoints, Space};

pub(crate) struct Server {
    guard: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

fn program() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/oxigraph");
    assert!(path.is_file(), "{} is not there: run `make setup`", path.display());
    path
}

impl Server {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let script = "\"$1\" serve --location \"$2\" --bind \"127.0.0.1:$3\" </dev/null & \
                      server=$!; cat >/dev/null; kill -9 $server; wait";
        let guard = Command::new("sh")
            .args(["-c", script, "guard"])
            .arg(program())
            .arg(dir.path())
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_mins(1);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "the SPARQL server does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { guard, port, _dir: dir }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// By the Graph Store Protocol too.
    pub(crate) fn client(&self) -> Client {
        Client::new(endpoints(self.port, true), Auth::None, Space::environment()).unwrap()
    }

    /// By queries and updates alone.
    pub(crate) fn client_without_store(&self) -> Client {
        Client::new(endpoints(self.port, false), Auth::None, Space::environment()).unwrap()
    }
}

pub(crate) fn endpoints(port: u16, store: bool) -> Endpoints {
    let url = |path: &str| format!("http://127.0.0.1:{port}/{path}").parse().unwrap();
    Endpoints { query: url("query"), update: url("update"), store: store.then(|| url("store")) }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
