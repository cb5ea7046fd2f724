//! What managed resources are sold as: classes and engines, with each
//! vendor's word for them.

use super::family::Family;

/// A class: what a managed resource has of power.
pub(crate) struct Class {
    pub cpu: u16,
    pub memory_mib: u32,
    /// Connections that it takes at once.
    pub connections: u32,
    /// Alibaba Cloud's word; of a database, what follows the engine.
    pub aliyun: &'static str,
    /// AWS's word.
    pub aws: &'static str,
}

/// What a database or a cache speaks.
pub(crate) struct Engine {
    /// Alibaba Cloud's name and version, and how its classes begin.
    pub aliyun: (&'static str, &'static str, &'static str),
    /// AWS's name and version.
    pub aws: (&'static str, &'static str),
    pub port: u16,
}

const fn class(
    cpu: u16,
    memory_mib: u32,
    connections: u32,
    aliyun: &'static str,
    aws: &'static str,
) -> Class {
    Class { cpu, memory_mib, connections, aliyun, aws }
}

static DATABASES: [Class; 5] = [
    class(1, 2048, 1000, "n2.small.2c", "db.t3.small"),
    class(2, 4096, 2000, "n2.medium.2c", "db.t3.medium"),
    class(4, 16384, 5000, "x4.large.2c", "db.m6g.xlarge"),
    class(8, 32768, 10_000, "x4.xlarge.2c", "db.m6g.2xlarge"),
    class(16, 131_072, 20_000, "x8.2xlarge.2c", "db.r6g.4xlarge"),
];

static CACHES: [Class; 5] = [
    class(2, 1024, 10_000, "redis.master.small.default", "cache.t3.small"),
    class(2, 2048, 10_000, "redis.master.mid.default", "cache.t3.medium"),
    class(2, 4096, 10_000, "redis.master.stand.default", "cache.m6g.large"),
    class(2, 8192, 10_000, "redis.master.large.default", "cache.m6g.xlarge"),
    class(4, 16_384, 20_000, "redis.master.2xlarge.default", "cache.r6g.xlarge"),
];

static BALANCERS: [Class; 4] = [
    class(0, 0, 5000, "slb.s1.small", "application"),
    class(0, 0, 50_000, "slb.s2.small", "network"),
    class(0, 0, 100_000, "slb.s2.medium", "network"),
    class(0, 0, 500_000, "slb.s3.medium", "gateway"),
];

static BUCKETS: [Class; 3] = [
    class(0, 0, 0, "Standard", "STANDARD"),
    class(0, 0, 0, "IA", "STANDARD_IA"),
    class(0, 0, 0, "Archive", "GLACIER"),
];

const fn engine(
    aliyun: (&'static str, &'static str, &'static str),
    aws: (&'static str, &'static str),
    port: u16,
) -> Engine {
    Engine { aliyun, aws, port }
}

static DATABASE_ENGINES: [Engine; 5] = [
    engine(("MySQL", "8.0", "mysql"), ("mysql", "8.0.39"), 3306),
    engine(("MySQL", "5.7", "mysql"), ("mysql", "5.7.44"), 3306),
    engine(("PostgreSQL", "16.0", "pg"), ("postgres", "16.4"), 5432),
    engine(("MariaDB", "10.6", "mariadb"), ("mariadb", "10.6.18"), 3306),
    engine(("SQLServer", "2022_std_ha", "mssql"), ("sqlserver-se", "16.00.4140.3.v1"), 1433),
];

static CACHE_ENGINES: [Engine; 3] = [
    engine(("Redis", "7.0", ""), ("redis", "7.1.0"), 6379),
    engine(("Redis", "5.0", ""), ("redis", "5.0.6"), 6379),
    engine(("Memcache", "4.0", ""), ("memcached", "1.6.22"), 11211),
];

/// Returns the classes that a family is sold in.
pub(crate) fn classes(family: Family) -> &'static [Class] {
    match family {
        Family::Database => &DATABASES,
        Family::Cache => &CACHES,
        Family::Balancer => &BALANCERS,
        Family::Bucket => &BUCKETS,
        Family::Instance | Family::Disk | Family::Address => &[],
    }
}

/// Returns the engines that a family is sold with.
pub(crate) fn engines(family: Family) -> &'static [Engine] {
    match family {
        Family::Database => &DATABASE_ENGINES,
        Family::Cache => &CACHE_ENGINES,
        _ => &[],
    }
}
