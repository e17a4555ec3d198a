//! The `coppice` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    coppice::cli::main()
}
