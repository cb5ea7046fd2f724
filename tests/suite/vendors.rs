//! The vendors' clients over the simulated clouds: what they list, what they
//! say of what is not there, and what they make of refusals.

mod aliyun;
mod aws;
mod huawei;
mod refusals;
mod support;
mod tencent;
mod truth;
mod warm;
