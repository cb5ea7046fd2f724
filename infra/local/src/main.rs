//! The command line of the whole service.

use std::process::ExitCode;

fn main() -> ExitCode {
    cloud_sync::cli::main()
}
