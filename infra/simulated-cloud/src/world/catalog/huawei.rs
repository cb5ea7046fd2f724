//! What Huawei Cloud sells.

use super::{Catalog, Image, InstanceType, RegionFacts, plain};
use crate::world::Provider;

const fn region(
    id: &'static str,
    chinese: &'static str,
    english: &'static str,
    zones: &'static str,
) -> RegionFacts {
    RegionFacts { provider: Provider::Huawei, id, chinese, english, prefix: "", zones }
}

const fn image(id: &'static str, name: &'static str, os: &'static str) -> Image {
    Image { id, chinese: name, english: name, os }
}

pub(super) static CATALOG: Catalog = Catalog {
    regions: &REGIONS,
    types: &TYPES,
    images: &IMAGES,
    disk_categories: &[("ESSD", ""), ("SSD", ""), ("SAS", ""), ("GPSSD", "")],
    statuses: ["BUILD", "SHUTOFF", "ACTIVE", "ACTIVE", "SHUTOFF"],
    charges: ["0", "1"],
};

static REGIONS: [RegionFacts; 14] = [
    region("cn-north-4", "华北-北京四", "CN North-Beijing4", "abcg"),
    region("cn-north-1", "华北-北京一", "CN North-Beijing1", "abc"),
    region("cn-north-9", "华北-乌兰察布一", "CN North-Ulanqab1", "abc"),
    region("cn-east-3", "华东-上海一", "CN East-Shanghai1", "abcd"),
    region("cn-east-2", "华东-上海二", "CN East-Shanghai2", "abcd"),
    region("cn-south-1", "华南-广州", "CN South-Guangzhou", "abcef"),
    region("cn-southwest-2", "西南-贵阳一", "CN Southwest-Guiyang1", "abcd"),
    region("ap-southeast-1", "中国-香港", "CN-Hong Kong", "ab"),
    region("ap-southeast-2", "亚太-曼谷", "AP-Bangkok", "abc"),
    region("ap-southeast-3", "亚太-新加坡", "AP-Singapore", "abc"),
    region("af-south-1", "非洲-约翰内斯堡", "AF-Johannesburg", "ab"),
    region("la-north-2", "拉美-墨西哥城二", "LA-Mexico City2", "ab"),
    region("sa-brazil-1", "拉美-圣保罗一", "LA-Sao Paulo1", "ab"),
    region("tr-west-1", "土耳其-伊斯坦布尔", "TR-Istanbul", "ab"),
];

static TYPES: [InstanceType; 18] = [
    plain("s3.small.1", "s3", 1, 1),
    plain("s6.small.1", "s6", 1, 1),
    plain("s6.large.2", "s6", 2, 4),
    plain("c6.large.2", "c6", 2, 4),
    plain("c7.xlarge.2", "c7", 4, 8),
    plain("c7.2xlarge.2", "c7", 8, 16),
    plain("c7.4xlarge.2", "c7", 16, 32),
    plain("s6.large.4", "s6", 2, 8),
    plain("c7.large.4", "c7", 2, 8),
    plain("c7.xlarge.4", "c7", 4, 16),
    plain("kc1.2xlarge.4", "kc1", 8, 32),
    plain("m7.xlarge.8", "m7", 4, 32),
    plain("m7.2xlarge.8", "m7", 8, 64),
    plain("m7.8xlarge.8", "m7", 32, 256),
    plain("h3.xlarge.2", "h3", 4, 8),
    plain("physical.c7.32xlarge", "physical.c7", 128, 512),
    InstanceType { local: (1, 1600), ..plain("i3.2xlarge.8", "i3", 8, 64) },
    InstanceType { gpus: 1, gpu: "NVIDIA T4", ..plain("pi2.2xlarge.4", "pi2", 8, 32) },
];

static IMAGES: [Image; 5] = [
    image("67f433d8-ed0e-4321-a8a2-a71838539e09", "Huawei Cloud EulerOS 2.0 64bit", "Linux"),
    image("0b6b4d4d-3d68-4c7f-8f0a-6a8a1d4f0b11", "Ubuntu 24.04 server 64bit", "Linux"),
    image("3b1a7c52-94f4-4d5b-9d0e-2f6f4e3c7a22", "Debian 12.0.0 64bit", "Linux"),
    image("1189efbf-d48b-46ad-a823-94b942e2a000", "CentOS 7.9 64bit", "Linux"),
    image(
        "9a5c6b1e-7b0a-4a7d-8b3e-5c2d1f0e4b33",
        "Windows Server 2022 Datacenter 64bit",
        "Windows",
    ),
];
