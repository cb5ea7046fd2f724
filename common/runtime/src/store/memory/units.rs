//! What requests would cost.

use std::io;

use serde::Serialize;

/// Bytes that one read unit reads.
const READ_UNIT: usize = 4096;

/// Bytes that one write unit writes.
const WRITE_UNIT: usize = 1024;

/// What one request costs.
#[derive(Debug, Default)]
pub(in crate::store) struct Bill {
    /// Read units.
    pub read: f64,
    /// Write units.
    pub write: f64,
}

/// Returns a number of units; none is so large that it would lose precision.
#[allow(clippy::cast_precision_loss)]
fn units(bytes: usize, unit: usize) -> f64 {
    bytes.div_ceil(unit).max(1) as f64
}

impl Bill {
    /// Counts reading one item, or the sum of a query's items, consistently.
    pub(super) fn read(&mut self, bytes: usize) {
        self.read += units(bytes, READ_UNIT);
    }

    /// Counts the same where the answer may lag behind.
    pub(super) fn read_lagging(&mut self, bytes: usize) {
        self.read += units(bytes, READ_UNIT) / 2.0;
    }

    /// Counts writing one item, and again for each index that holds it.
    pub(in crate::store) fn write(&mut self, bytes: usize, indexes: u32) {
        self.write += units(bytes, WRITE_UNIT) * f64::from(1 + indexes);
    }
}

/// Returns about the size that a value has as an item: that of its JSON form.
pub(in crate::store) fn size(value: &impl Serialize) -> usize {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Counting cannot fail, and what has no JSON form has no size.
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) | Err(_) => counter.0,
    }
}
