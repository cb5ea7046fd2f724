//! What AWS sells.

use super::{Catalog, Image, InstanceType, RegionFacts, plain};
use crate::world::Provider;

const fn region(
    id: &'static str,
    chinese: &'static str,
    english: &'static str,
    zones: &'static str,
) -> RegionFacts {
    RegionFacts { provider: Provider::Aws, id, chinese, english, prefix: "", zones }
}

const fn image(id: &'static str, name: &'static str, os: &'static str) -> Image {
    Image { id, chinese: name, english: name, os }
}

pub(super) static CATALOG: Catalog = Catalog {
    regions: &REGIONS,
    types: &TYPES,
    images: &IMAGES,
    disk_categories: &[("gp3", ""), ("gp2", ""), ("st1", ""), ("io2", "")],
    statuses: ["pending", "pending", "running", "stopping", "stopped"],
    charges: ["", ""],
};

static REGIONS: [RegionFacts; 16] = [
    region("us-east-1", "US East (N. Virginia)", "US East (N. Virginia)", "abcdef"),
    region("us-east-2", "US East (Ohio)", "US East (Ohio)", "abc"),
    region("us-west-1", "US West (N. California)", "US West (N. California)", "ac"),
    region("us-west-2", "US West (Oregon)", "US West (Oregon)", "abcd"),
    region("eu-west-1", "Europe (Ireland)", "Europe (Ireland)", "abc"),
    region("eu-west-2", "Europe (London)", "Europe (London)", "abc"),
    region("eu-west-3", "Europe (Paris)", "Europe (Paris)", "abc"),
    region("eu-central-1", "Europe (Frankfurt)", "Europe (Frankfurt)", "abc"),
    region("eu-north-1", "Europe (Stockholm)", "Europe (Stockholm)", "abc"),
    region("ap-southeast-1", "Asia Pacific (Singapore)", "Asia Pacific (Singapore)", "abc"),
    region("ap-southeast-2", "Asia Pacific (Sydney)", "Asia Pacific (Sydney)", "abc"),
    region("ap-northeast-1", "Asia Pacific (Tokyo)", "Asia Pacific (Tokyo)", "acd"),
    region("ap-northeast-2", "Asia Pacific (Seoul)", "Asia Pacific (Seoul)", "abcd"),
    region("ap-south-1", "Asia Pacific (Mumbai)", "Asia Pacific (Mumbai)", "abc"),
    region("ca-central-1", "Canada (Central)", "Canada (Central)", "abd"),
    region("sa-east-1", "South America (Sao Paulo)", "South America (Sao Paulo)", "abc"),
];

static TYPES: [InstanceType; 18] = [
    plain("t2.small", "t2", 1, 2),
    plain("t3.small", "t3", 2, 2),
    plain("t3.medium", "t3", 2, 4),
    plain("c5.large", "c5", 2, 4),
    plain("c6i.xlarge", "c6i", 4, 8),
    plain("c6i.2xlarge", "c6i", 8, 16),
    plain("c7i.4xlarge", "c7i", 16, 32),
    plain("m5.large", "m5", 2, 8),
    plain("m6i.large", "m6i", 2, 8),
    plain("m6i.xlarge", "m6i", 4, 16),
    plain("m7g.2xlarge", "m7g", 8, 32),
    plain("r6i.xlarge", "r6i", 4, 32),
    plain("r6i.2xlarge", "r6i", 8, 64),
    plain("r7i.8xlarge", "r7i", 32, 256),
    plain("c6a.xlarge", "c6a", 4, 8),
    plain("m6i.32xlarge", "m6i", 128, 512),
    InstanceType { local: (1, 1770), ..plain("i3.2xlarge", "i3", 8, 61) },
    InstanceType { gpus: 1, gpu: "NVIDIA A10G", ..plain("g5.2xlarge", "g5", 8, 32) },
];

static IMAGES: [Image; 5] = [
    image("ami-0c101f26f147fa7fd", "Amazon Linux 2023", "linux"),
    image("ami-04b70fa74e45c3917", "Ubuntu Server 24.04 LTS", "linux"),
    image("ami-058bd2d568351da34", "Debian 12", "linux"),
    image("ami-002070d43b0a4f171", "CentOS 7.9", "linux"),
    image("ami-03cd80cfebcbb4481", "Windows Server 2022 Base", "windows"),
];
