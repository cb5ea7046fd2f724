//! What Tencent Cloud sells.

use super::{Catalog, Image, InstanceType, RegionFacts, plain};
use crate::world::Provider;

const fn region(
    id: &'static str,
    chinese: &'static str,
    english: &'static str,
    zones: &'static str,
) -> RegionFacts {
    RegionFacts { provider: Provider::Tencent, id, chinese, english, prefix: "", zones }
}

const fn image(id: &'static str, name: &'static str, os: &'static str) -> Image {
    Image { id, chinese: name, english: name, os }
}

pub(super) static CATALOG: Catalog = Catalog {
    regions: &REGIONS,
    types: &TYPES,
    images: &IMAGES,
    disk_categories: &[
        ("CLOUD_HSSD", ""),
        ("CLOUD_SSD", ""),
        ("CLOUD_PREMIUM", ""),
        ("CLOUD_BSSD", ""),
    ],
    statuses: ["PENDING", "STARTING", "RUNNING", "STOPPING", "STOPPED"],
    charges: ["POSTPAID_BY_HOUR", "PREPAID"],
};

static REGIONS: [RegionFacts; 16] = [
    region("ap-guangzhou", "华南地区(广州)", "South China (Guangzhou)", "34567"),
    region("ap-shanghai", "华东地区(上海)", "East China (Shanghai)", "234578"),
    region("ap-beijing", "华北地区(北京)", "North China (Beijing)", "34567"),
    region("ap-nanjing", "华东地区(南京)", "East China (Nanjing)", "123"),
    region("ap-chengdu", "西南地区(成都)", "Southwest China (Chengdu)", "12"),
    region("ap-chongqing", "西南地区(重庆)", "Southwest China (Chongqing)", "1"),
    region("ap-hongkong", "港澳台地区(中国香港)", "Hong Kong, Macao and Taiwan (Hong Kong)", "23"),
    region("ap-singapore", "亚太东南(新加坡)", "Southeast Asia (Singapore)", "1234"),
    region("ap-jakarta", "亚太东南(雅加达)", "Southeast Asia (Jakarta)", "12"),
    region("ap-bangkok", "亚太东南(曼谷)", "Southeast Asia (Bangkok)", "12"),
    region("ap-tokyo", "亚太东北(东京)", "Northeast Asia (Tokyo)", "12"),
    region("ap-seoul", "亚太东北(首尔)", "Northeast Asia (Seoul)", "12"),
    region("eu-frankfurt", "欧洲地区(法兰克福)", "Europe (Frankfurt)", "12"),
    region("na-ashburn", "美国东部(弗吉尼亚)", "US East (Virginia)", "12"),
    region("na-siliconvalley", "美国西部(硅谷)", "US West (Silicon Valley)", "12"),
    region("sa-saopaulo", "南美地区(圣保罗)", "South America (Sao Paulo)", "1"),
];

static TYPES: [InstanceType; 18] = [
    plain("S2.SMALL2", "S2", 1, 2),
    plain("S5.SMALL2", "S5", 1, 2),
    plain("S5.MEDIUM4", "S5", 2, 4),
    plain("S6.MEDIUM4", "S6", 2, 4),
    plain("S6.LARGE8", "S6", 4, 8),
    plain("S6.2XLARGE16", "S6", 8, 16),
    plain("S6.4XLARGE32", "S6", 16, 32),
    plain("SA2.MEDIUM8", "SA2", 2, 8),
    plain("SA5.MEDIUM8", "SA5", 2, 8),
    plain("SA5.LARGE16", "SA5", 4, 16),
    plain("SA5.2XLARGE32", "SA5", 8, 32),
    plain("M6.LARGE32", "M6", 4, 32),
    plain("M6.2XLARGE64", "M6", 8, 64),
    plain("M6.8XLARGE256", "M6", 32, 256),
    plain("C6.LARGE8", "C6", 4, 8),
    plain("BMS6.32XLARGE512", "BMS6", 128, 512),
    InstanceType { local: (1, 1788), ..plain("IT5.2XLARGE64", "IT5", 8, 64) },
    InstanceType { gpus: 1, gpu: "NVIDIA V100", ..plain("GN10X.2XLARGE40", "GN10X", 8, 40) },
];

static IMAGES: [Image; 5] = [
    image("img-l8og963d", "TencentOS Server 3.1 (TK4)", "linux"),
    image("img-mmytdhbn", "Ubuntu Server 24.04 LTS 64bit", "linux"),
    image("img-btj3hovu", "Debian 12.5 64bit", "linux"),
    image("img-l5eqiljn", "CentOS 7.9 64bit", "linux"),
    image("img-9id7emv7", "Windows Server 2022 DataCenter 64bitCN", "windows"),
];
