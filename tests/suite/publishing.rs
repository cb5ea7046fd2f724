//! What is told to the outside, and that it is told.

mod documents;
mod streams;
mod support;
