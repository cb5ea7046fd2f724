//! The only place that writes to standard output and standard error.
//!
//! What vendors and people named things may hold control characters, which
//! could rewrite a terminal: text for people passes through [`plain`] here.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;
use tracing_subscriber::fmt::MakeWriter;

/// Where a command's results and its remarks go.
#[derive(Clone, Debug)]
pub struct Output {
    json: bool,
    quiet: bool,
    bars: MultiProgress,
}

impl Output {
    /// Returns an output for results as JSON, or for people. A `quiet` one
    /// leaves out remarks.
    #[must_use]
    pub fn new(json: bool, quiet: bool) -> Self {
        // indicatif draws nothing where standard error is not a terminal.
        let target =
            if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { json, quiet, bars: MultiProgress::with_draw_target(target) }
    }

    /// Tells whether results are to be JSON.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Tells whether bars would be seen.
    #[must_use]
    pub fn has_bars(&self) -> bool {
        !self.bars.is_hidden()
    }

    /// Returns the place for bars.
    #[must_use]
    pub const fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Writes lines of a result for people.
    ///
    /// # Errors
    ///
    /// Standard output is closed.
    pub fn text(&self, text: impl AsRef<str>) -> io::Result<()> {
        let text = plain(text.as_ref());
        self.bars.suspend(|| writeln!(io::stdout().lock(), "{text}"))
    }

    /// Writes a result as one line of JSON.
    ///
    /// # Errors
    ///
    /// Standard output is closed.
    pub fn json<T: Serialize>(&self, value: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.bars.suspend(|| io::stdout().lock().write_all(&line))
    }

    /// Writes a remark to standard error, unless remarks are left out.
    pub fn remark(&self, text: impl AsRef<str>) {
        if !self.quiet {
            self.problem(text);
        }
    }

    /// Writes to standard error what a person has to know.
    pub fn problem(&self, text: impl AsRef<str>) {
        let text = plain(text.as_ref());
        // Without anywhere to say it, there is nobody to tell.
        self.bars.suspend(|| writeln!(io::stderr().lock(), "{text}")).ok();
    }

    /// Returns a writer for logs: standard error, past the bars.
    #[must_use]
    pub fn logs(&self) -> Logs {
        Logs { bars: self.bars.clone() }
    }
}

/// Writes logs to standard error without tearing the bars.
#[derive(Clone, Debug)]
pub struct Logs {
    bars: MultiProgress,
}

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bars.suspend(|| io::stderr().lock().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

impl MakeWriter<'_> for Logs {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Tells whether logs may be coloured.
#[must_use]
pub fn logs_to_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Returns the text with control characters shown instead of sent.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    let is_unsafe = |c: char| (c.is_control() && c != '\n') || is_direction(c);
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| if is_unsafe(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}

/// Tells whether a character turns the direction of those after it, which
/// makes a text read as another than it is.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_shown_instead() {
        assert_eq!(plain("web\u{1b}[2J\r\nx"), "web\\u{1b}[2J\\r\nx");
        assert_eq!(plain("a\u{202e}b\u{9b}1m"), "a\\u{202e}b\\u{9b}1m");
        assert_eq!(plain("华东1（杭州）"), "华东1（杭州）");
    }
}
