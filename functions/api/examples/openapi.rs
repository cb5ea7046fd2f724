//! Prints docs/openapi.json, from what the routes declare.

use std::io::{self, Write};

fn main() -> io::Result<()> {
    writeln!(io::stdout(), "{}", api::openapi())
}
