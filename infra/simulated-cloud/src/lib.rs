//! Clouds to run against: real protocols, signatures verified, paging, limits,
//! faults and churn.
//!
//! [`World`] is what there is: accounts, regions, instances and their disks, and
//! what the vendors run by themselves: databases, caches, buckets, addresses and
//! balancers. It is made from a seeded [`Plan`], knows the truth about itself and
//! can be changed while it is asked about. A vendor's folder speaks that vendor's
//! protocol over it; [`SimulatedCloud`] serves it over HTTP.

pub mod aliyun;
pub mod aws;
mod front;
pub mod huawei;
mod server;
pub mod tencent;
mod world;

pub use front::{Answer, Delivery, Request};
pub use server::{Clouds, Running, SimulatedCloud, StartError};
pub use world::{
    AccessKey, AccountPlan, Call, Change, Churn, ChurnReport, Counts, DEMO_KEY_ID, DEMO_KEY_SECRET,
    Endpoints, Event, Family, FamilyChurn, Fault, Faults, Happening, InvalidPlan, Limits,
    MEMBERS_ROLE, NotPossible, Permission, Plan, Provider, Rule, RuleId, Site, TruthAccount,
    TruthDisk, TruthFile, TruthInstance, TruthManaged, TruthVolume, TruthWriteError, Which, World,
    spread, spread_of,
};
