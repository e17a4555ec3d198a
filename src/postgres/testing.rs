//! One private cluster for all tests of a test binary. A guard process holds the other end of a
//! pipe: when the test process ends, however it ends, the guard stops the server and removes it.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{ConnectOptions as _, Connection as _, PgPool};
use tokio::sync::OnceCell;

use super::connect::{execute, open_pool};
use super::quote::{Part, sql};
use super::{Cluster, Durability};

struct Shared {
    cluster: Cluster,
    /// Holds the guard's standard input open as long as the process lives.
    _guard: Child,
}

static SHARED: OnceCell<Shared> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

async fn shared() -> &'static Shared {
    SHARED
        .get_or_init(|| async {
            let dir = tempfile::Builder::new().prefix("coppice-pg").tempdir().unwrap().keep();
            std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o711)).unwrap();
            let cluster = Cluster::ensure(&dir.join("pg"), Durability::Scratch).await.unwrap();
            let (pg_ctl, pgdata, uid, gid) = cluster.stop_command_parts();
            let mut guard = Command::new("sh");
            guard
                .args([
                    "-c",
                    "cat >/dev/null; \"$1\" stop -m immediate -D \"$2\"; cd /; rm -rf \"$3\"/*; rmdir \"$3\"",
                ])
                .arg("guard")
                .args([&pg_ctl, &pgdata, &dir])
                .current_dir(&dir)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                // Its own group: Ctrl-C ends the tests, not the guard.
                .process_group(0);
            if rustix::process::geteuid().is_root() {
                rustix::fs::chown(&dir, Some(rustix::fs::Uid::from_raw(uid)), None).unwrap();
                guard.uid(uid).gid(gid);
            }
            let mut guard = guard.spawn().unwrap();
            guard.stdin.as_mut().unwrap().flush().unwrap();
            Shared { cluster, _guard: guard }
        })
        .await
}

/// A pool on a database of the test's own, with PostGIS.
pub(crate) async fn database() -> PgPool {
    let shared = shared().await;
    let name = format!("t{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let mut admin = shared.cluster.options_of("postgres").connect().await.unwrap();
    let create =
        sql("CREATE DATABASE {} TEMPLATE {}", &[Part::Ident(&name), Part::Ident("coppice")]);
    execute(&mut admin, "create a database", &create).await.unwrap();
    admin.close().await.unwrap();
    open_pool(shared.cluster.options_of(&name), 8).await.unwrap()
}
