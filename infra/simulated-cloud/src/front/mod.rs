//! What stands before every vendor's APIs.

pub(crate) mod gate;
pub(crate) mod token;
pub(crate) mod xml;
