//! Prints docs/PROVIDERS.md, from what is declared of vendors and kinds.

use std::io::{self, Write};

fn main() -> io::Result<()> {
    io::stdout().write_all(cloud_sync_provider::conformance().as_bytes())
}
