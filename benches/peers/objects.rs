//! A snapshot of many objects and its restore, against copying and hashing them, and against two
//! backup tools.

use std::fs;

use crate::platform::{Platform, spent};
use crate::tools::{Table, rounds, setting, shell, timed};

/// A plan that restores objects alone.
const PLAN: &str = "\
apiVersion: coppice/v1
kind: RecoveryPlan
metadata: { name: bench }
spec:
  jobs: jobs
  environments:
    bench:
      backup: { url: backup }
      canonical: { url: restored }
      projections: { url: projections }
      postgis: { private: {} }
      objectives: {}
";

/// Objects of one synthetic dataset are small: what is measured is the work for each of them.
const FEATURES: u64 = 100;

pub(crate) fn run() {
    let platform = Platform::make(setting("COPPICE_BENCH_DATASETS", 2000), FEATURES);
    platform.write("plan.yaml", PLAN);
    fs::create_dir_all(platform.path("jobs")).unwrap();
    let made = platform.path("made").display().to_string();
    let at = |name: &str| platform.path(name).display().to_string();
    let objects: f64 = shell(&format!("find {made} -type f | wc -l")).trim().parse().unwrap();
    let mut sealed = Table::new(format!("Backing up {objects} objects"), objects, "objects");
    let mut restored = Table::new(format!("Restoring {objects} objects"), objects, "objects");
    for _ in 0..rounds() {
        let clear =
            ["backup", "restored", "state", "projections", "copy", "back", "rclone", "restic"];
        for name in clear {
            shell(&format!("rm -rf {}", at(name)));
        }
        ours(&platform, &mut sealed, &mut restored);
        let hash = |of: &str| format!("find {of} -type f -print0 | xargs -0 b3sum");
        let copy =
            format!("cp -a {made} {c} && {h} >{c}.b3", c = at("copy"), h = hash(&at("copy")));
        sealed.add("cp -a, b3sum", timed(|| shell(&format!("{copy} && sync"))).0);
        let back = format!("cp -a {} {b} && {}", at("copy"), hash(&at("back")), b = at("back"));
        restored.add("cp -a, b3sum", timed(|| shell(&format!("{back} >/dev/null && sync"))).0);

        let rclone = |from: &str, to: &str| {
            format!(
                "rclone copy --checksum {from} {to} && rclone check {from} {to} 2>/dev/null && sync"
            )
        };
        sealed.add("rclone copy, check", timed(|| shell(&rclone(&made, &at("rclone")))).0);
        shell(&format!("rm -rf {}", at("back")));
        let back = rclone(&at("rclone"), &at("back"));
        restored.add("rclone copy, check", timed(|| shell(&back)).0);

        let restic = format!("RESTIC_PASSWORD=bench restic --no-cache -q -r {}", at("restic"));
        shell(&format!("{restic} init"));
        sealed.add("restic backup", timed(|| shell(&format!("{restic} backup {made} && sync"))).0);
        shell(&format!("rm -rf {}", at("back")));
        let back = format!("{restic} restore latest --verify --target {} && sync", at("back"));
        restored.add("restic restore --verify", timed(|| shell(&back)).0);
    }
    sealed.print();
    restored.print();
    println!("  (ours also checks catalogs, links and the ledger, and syncs each object)");
}

fn ours(platform: &Platform, sealed: &mut Table, restored: &mut Table) {
    let seal =
        ["snapshot", "--from", "made", "--to", "backup", "--plan", "plan.yaml", "--env", "bench"];
    sealed.add("coppice snapshot", timed(|| platform.coppice(&seal, &[])).0);
    platform.coppice(&["init", "plan.yaml", "--env", "bench"], &[]);
    let receipt = platform.coppice(&["restore", "plan.yaml", "--env", "bench"], &[]);
    // Starting and stopping a private server is no part of it.
    restored.add("coppice restore and verify", spent(&receipt, &["restore/", "verify/"]));
}
