//! How fast is Coppice beside the tools that people use today? Each number stands beside that of a
//! peer that did the same work on the same data in the same run, in turns, because absolute numbers
//! say more of the machine than of either. Nothing is asserted.
//!
//! `make bench` installs the peers, builds with the release profile and runs all of it;
//! `cargo bench -- rows` runs one part: `objects`, `rows` or `digests`.
//!
//! `COPPICE_BENCH_ROWS` (3000000), `COPPICE_BENCH_DATASETS` (2000, about seven objects each) and
//! `COPPICE_BENCH_ROUNDS` (3) say how much. All data are drawn from a seed.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench says what it demands by panicking, and what it measured on its output"
)]

mod digests;
mod objects;
mod platform;
mod rows;
mod server;
mod tools;

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let parts: [(&str, fn()); 3] =
        [("digests", digests::run), ("objects", objects::run), ("rows", rows::run)];
    for (name, run) in parts {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            run();
        }
    }
}
