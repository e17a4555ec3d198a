//! The image of Coppice itself: built, and run as a cluster would run it. `make test` leaves this out
//! where no Docker engine answers, and says so.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::bench::{Bench, repository};

const IMAGE: &str = "coppice:under-test";
/// What the image may weigh beside the program. Debian's packages, of which GDAL's libraries are the
/// most, are 673 MiB where they are installed; a base that was made here also keeps their archives of
/// 160 MiB. That, and a fifth.
const LARGEST: u64 = 1 << 30;

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

/// A Debian base that is there or can be made here.
fn base() -> String {
    let script = repository().join("scripts/services.sh");
    let output = run(Command::new(script).arg("base"));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Builds it of the program under test, which was compiled on the release that the base is of.
fn build() {
    let context = tempfile::tempdir().unwrap();
    fs::copy(repository().join("Dockerfile"), context.path().join("Dockerfile")).unwrap();
    fs::create_dir(context.path().join("prebuilt")).unwrap();
    let program = context.path().join("prebuilt/coppice");
    fs::copy(env!("CARGO_BIN_EXE_coppice"), program).unwrap();
    let base = base();
    let mut docker = Command::new("docker");
    docker.args(["build", "--quiet", "--tag", IMAGE]);
    for name in ["BASE", "BUILDER"] {
        docker.args(["--build-arg", &format!("{name}={base}")]);
    }
    run(docker.arg(context.path()));
}

fn open_to_all(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
}

fn inspect() -> Value {
    let output = run(Command::new("docker").args(["image", "inspect", IMAGE]));
    let images: Value = serde_json::from_slice(&output.stdout).unwrap();
    images[0].clone()
}

/// The names in the root of the image.
fn in_its_root() -> Vec<String> {
    let mut docker = Command::new("docker");
    docker.args(["run", "--rm", "--network=none", "--entrypoint=ls", IMAGE, "-A", "/"]);
    let listed = String::from_utf8(run(&mut docker).stdout).unwrap();
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn the_image_is_small_and_rehearses_as_nobody_on_a_read_only_root() {
    build();
    let bench = Bench::new();
    bench.seal();
    let state = bench.path("state-of-the-pod");
    open_to_all(&state);
    let mount = |from: &Path, to: &str| format!("{}:{to}", from.display());
    let mut docker = Command::new("docker");
    docker.args(["run", "--rm", "--read-only", "--cap-drop=ALL", "--network=none"]);
    docker.args(["--security-opt=no-new-privileges", "--tmpfs", "/tmp", "--workdir", "/bench"]);
    docker.args(["--volume", &(mount(&bench.path(""), "/bench") + ":ro")]);
    docker.args(["--volume", &mount(&state, "/state"), IMAGE]);
    docker.args(["rehearse", "plans/kansas.yaml", "--env", "dev", "--format", "json"]);
    let output = run(&mut docker);
    let receipt: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(receipt["predicate"]["outcome"], "recovered", "{receipt:#}");
    let image = inspect();
    assert_eq!(image["Config"]["User"], "10001:10001");
    // The program under test is not optimised, and holds what a debugger wants.
    let program = fs::metadata(env!("CARGO_BIN_EXE_coppice")).unwrap().len();
    let size = image["Size"].as_u64().unwrap();
    assert!(size < LARGEST + program, "{size} bytes, {program} of them the program");
    let root = in_its_root();
    assert!(root.iter().any(|name| name == "state"), "{root:?}");
    assert!(!root.iter().any(|name| name == "src"), "it was built in the image: {root:?}");
}
