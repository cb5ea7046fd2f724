//! Vendors' clients against a simulated cloud that verifies their signatures.

mod huawei;
mod refusals;
mod support;
mod tencent;
