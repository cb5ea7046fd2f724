//! The tests are in `tests/`; see there.
