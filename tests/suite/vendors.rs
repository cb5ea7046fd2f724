//! Vendors' clients against a simulated cloud that verifies their signatures.

mod aliyun;
mod aws;
mod clouds;
mod huawei;
mod refusals;
mod support;
mod tencent;
