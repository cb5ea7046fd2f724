//! What is told to the outside, and that it is told.

mod documents;
mod notices;
mod streams;
mod support;
