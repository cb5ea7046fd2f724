//! What the simulated vendors sell: regions, instance types, images. Here is
//! Alibaba Cloud's and what all have in common; the others' is in a file each.

mod aws;
mod huawei;
mod tencent;

use super::Provider;
use super::model::Status;

/// Facts of a region.
pub(crate) struct RegionFacts {
    /// Whose region it is.
    pub provider: Provider,
    pub id: &'static str,
    pub chinese: &'static str,
    pub english: &'static str,
    /// The three characters that ids of its resources begin with.
    pub prefix: &'static str,
    /// The letters of its zones.
    pub zones: &'static str,
}

const fn region(
    id: &'static str,
    chinese: &'static str,
    english: &'static str,
    prefix: &'static str,
    zones: &'static str,
) -> RegionFacts {
    RegionFacts { provider: Provider::Aliyun, id, chinese, english, prefix, zones }
}

/// What a vendor sells, and its words. Every vendor has as many types, images
/// and categories as every other, so that a world is drawn alike for each.
pub(crate) struct Catalog {
    pub regions: &'static [RegionFacts],
    pub types: &'static [InstanceType; 18],
    pub images: &'static [Image; 5],
    /// Disk categories, each with its performance level.
    pub disk_categories: &'static [(&'static str, &'static str); 4],
    /// The words for [`Status::ALL`], in its order.
    statuses: [&'static str; 5],
    /// The words for pay-as-you-go and for a subscription.
    charges: [&'static str; 2],
}

impl Catalog {
    /// Returns a vendor's.
    pub(crate) fn of(provider: Provider) -> &'static Self {
        match provider {
            Provider::Aliyun => &ALIYUN,
            Provider::Tencent => &tencent::CATALOG,
            Provider::Huawei => &huawei::CATALOG,
            Provider::Aws => &aws::CATALOG,
        }
    }

    /// Returns the vendor's word for the state of an instance.
    pub(crate) fn status_word(&self, status: Status) -> &'static str {
        let place = Status::ALL.iter().position(|each| *each == status);
        place.map_or("", |place| self.statuses[place])
    }

    /// Returns the vendor's word for how an instance is paid.
    pub(crate) fn charge_word(&self, subscribed: bool) -> &'static str {
        self.charges[usize::from(subscribed)]
    }
}

static ALIYUN: Catalog = Catalog {
    regions: &REGIONS,
    types: &TYPES,
    images: &IMAGES,
    disk_categories: &DISK_CATEGORIES,
    statuses: ["Pending", "Starting", "Running", "Stopping", "Stopped"],
    charges: ["PostPaid", "PrePaid"],
};

/// Alibaba Cloud's regions; a world offers some or all of them. Worlds that are
/// only told how many regions they have take them from the front.
pub(crate) static REGIONS: [RegionFacts; 20] = [
    region("cn-hangzhou", "华东1（杭州）", "China (Hangzhou)", "bp1", "bghijk"),
    region("cn-shanghai", "华东2（上海）", "China (Shanghai)", "uf6", "befgl"),
    region("cn-beijing", "华北2（北京）", "China (Beijing)", "2ze", "cfghikl"),
    region("cn-shenzhen", "华南1（深圳）", "China (Shenzhen)", "wz9", "cdef"),
    region("cn-zhangjiakou", "华北3（张家口）", "China (Zhangjiakou)", "8vb", "abc"),
    region("cn-chengdu", "西南1（成都）", "China (Chengdu)", "2vc", "ab"),
    region("cn-hongkong", "中国香港", "China (Hong Kong)", "j6c", "bcd"),
    region("ap-southeast-1", "新加坡", "Singapore", "t4n", "abc"),
    region("ap-northeast-1", "日本（东京）", "Japan (Tokyo)", "6we", "abc"),
    region("us-west-1", "美国（硅谷）", "US (Silicon Valley)", "rj9", "ab"),
    region("eu-central-1", "德国（法兰克福）", "Germany (Frankfurt)", "gw8", "abc"),
    region("me-east-1", "阿联酋（迪拜）", "UAE (Dubai)", "eb3", "a"),
    region("cn-qingdao", "华北1（青岛）", "China (Qingdao)", "m5e", "bc"),
    region("cn-huhehaote", "华北5（呼和浩特）", "China (Hohhot)", "hp3", "ab"),
    region("cn-wulanchabu", "华北6（乌兰察布）", "China (Ulanqab)", "0jl", "abc"),
    region("cn-guangzhou", "华南3（广州）", "China (Guangzhou)", "7xv", "ab"),
    region("us-east-1", "美国（弗吉尼亚）", "US (Virginia)", "0xi", "ab"),
    region("eu-west-1", "英国（伦敦）", "UK (London)", "d7o", "ab"),
    region("ap-southeast-3", "马来西亚（吉隆坡）", "Malaysia (Kuala Lumpur)", "8ps", "ab"),
    region("ap-southeast-5", "印度尼西亚（雅加达）", "Indonesia (Jakarta)", "k1a", "abc"),
];

/// Returns the facts of a vendor's region.
pub(crate) fn find_region(provider: Provider, id: &str) -> Option<&'static RegionFacts> {
    Catalog::of(provider).regions.iter().find(|region| region.id == id)
}

/// An instance type.
pub(crate) struct InstanceType {
    pub id: &'static str,
    pub family: &'static str,
    pub cpu: u16,
    pub memory_mib: u32,
    pub gpus: u8,
    pub gpu: &'static str,
    /// Local disks: how many, and the size of each in GiB.
    pub local: (u8, u32),
}

const fn plain(id: &'static str, family: &'static str, cpu: u16, gib: u32) -> InstanceType {
    InstanceType { id, family, cpu, memory_mib: gib * 1024, gpus: 0, gpu: "", local: (0, 0) }
}

/// The type of instances on the classic network.
pub(crate) const CLASSIC_TYPE: u8 = 0;

/// The instance types there are.
pub(crate) static TYPES: [InstanceType; 18] = [
    plain("ecs.n1.small", "ecs.n1", 1, 2),
    plain("ecs.t6-c1m1.large", "ecs.t6", 2, 2),
    plain("ecs.e-c1m2.large", "ecs.e", 2, 4),
    plain("ecs.c6.large", "ecs.c6", 2, 4),
    plain("ecs.c7.xlarge", "ecs.c7", 4, 8),
    plain("ecs.c7.2xlarge", "ecs.c7", 8, 16),
    plain("ecs.c8i.4xlarge", "ecs.c8i", 16, 32),
    plain("ecs.g6.large", "ecs.g6", 2, 8),
    plain("ecs.g7.large", "ecs.g7", 2, 8),
    plain("ecs.g7.xlarge", "ecs.g7", 4, 16),
    plain("ecs.g8y.2xlarge", "ecs.g8y", 8, 32),
    plain("ecs.r7.xlarge", "ecs.r7", 4, 32),
    plain("ecs.r7.2xlarge", "ecs.r7", 8, 64),
    plain("ecs.r8i.8xlarge", "ecs.r8i", 32, 256),
    plain("ecs.hfc7.xlarge", "ecs.hfc7", 4, 8),
    plain("ecs.ebmg7.32xlarge", "ecs.ebmg7", 128, 512),
    InstanceType {
        id: "ecs.i3.2xlarge",
        family: "ecs.i3",
        cpu: 8,
        memory_mib: 65536,
        gpus: 0,
        gpu: "",
        local: (1, 1788),
    },
    InstanceType {
        id: "ecs.gn7i-c8g1.2xlarge",
        family: "ecs.gn7i",
        cpu: 8,
        memory_mib: 30720,
        gpus: 1,
        gpu: "NVIDIA A10",
        local: (0, 0),
    },
];

/// An image.
pub(crate) struct Image {
    pub id: &'static str,
    pub chinese: &'static str,
    pub english: &'static str,
    pub os: &'static str,
}

/// The images there are.
pub(crate) static IMAGES: [Image; 5] = [
    Image {
        id: "aliyun_3_x64_20G_alibase_20240819.vhd",
        chinese: "Alibaba Cloud Linux  3.2104 LTS 64位",
        english: "Alibaba Cloud Linux  3.2104 LTS 64 bit",
        os: "linux",
    },
    Image {
        id: "ubuntu_24_04_x64_20G_alibase_20260112.vhd",
        chinese: "Ubuntu  24.04 64位",
        english: "Ubuntu  24.04 64 bit",
        os: "linux",
    },
    Image {
        id: "debian_12_5_x64_20G_alibase_20250120.vhd",
        chinese: "Debian  12.5 64位",
        english: "Debian  12.5 64 bit",
        os: "linux",
    },
    Image {
        id: "centos_7_9_x64_20G_alibase_20240403.vhd",
        chinese: "CentOS  7.9 64位",
        english: "CentOS  7.9 64 bit",
        os: "linux",
    },
    Image {
        id: "win2022_21H2_x64_dtc_zh-cn_40G_alibase_20250218.vhd",
        chinese: "Windows Server  2022 数据中心版 64位中文版",
        english: "Windows Server  2022 Data Center Edition 64bit Chinese Edition",
        os: "windows",
    },
];

/// Disk categories, each with its performance level.
pub(crate) static DISK_CATEGORIES: [(&str, &str); 4] =
    [("cloud_essd", "PL1"), ("cloud_essd", "PL0"), ("cloud_efficiency", ""), ("cloud_auto", "")];

/// Names that instances are made of; some hold what breaks a careless client.
pub(crate) static NAMES: [&str; 16] = [
    "web-prod",
    "api-prod",
    "worker",
    "生产环境-数据库",
    "订单服务",
    "测试 环境",
    "cache",
    "batch node",
    "ci-runner",
    "支付网关_v2",
    "report *nightly*",
    "c++~builder",
    "日志收集*临时",
    "a&b=c%20d",
    "search",
    "naïve-über",
];

/// Locks that instances may be under.
pub(crate) static LOCKS: [&str; 3] = ["financial", "security", "Recycling"];
