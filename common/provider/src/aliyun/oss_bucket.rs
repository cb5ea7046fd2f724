//! `aliyun.oss.bucket`: buckets of the object store, of all regions of an
//! account. Source: the vendor's reference of `ListBuckets` and
//! `GetBucketTagging`.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};
use serde::Deserialize;

use super::oss;
use super::shared::{Tag, tags};
use crate::Detail;
use crate::engine::decode::{Unreadable, nullable, time};
use crate::engine::spec::{ByIds, Call, Format, IdForm, KindSpec, Paging, Path, Secondary};

/// Buckets. Their zone is their region. Their tags are told by each alone, at
/// its own region's host.
pub(crate) const KIND: KindSpec = KindSpec {
    is_global: true,
    tracked: &[Field::Name, Field::Status, Field::Spec, Field::Zone, Field::Tags, Field::CreatedAt],
    typed: &["CreationDate", "Location", "Name", "Region", "StorageClass"],
    secondary: &[Secondary {
        call: Call {
            path: "/{bucket}/",
            params: &[("tagging", "")],
            items: &["TagSet", "Tag"],
            ..call("GetBucketTagging")
        },
        lists_region: false,
        by_ids: ByIds {
            absent: &["NoSuchBucket", "NoSuchTagSet"],
            ..ByIds::new(oss::BUCKET, IdForm::Single, 1)
        },
        region: Some(|bucket| &bucket.zone),
        decode: decode_tag,
    }],
    ..KindSpec::new(
        "aliyun.oss.bucket",
        Call {
            params: &[("max-keys", "1000")],
            ..call("ListBuckets").listing(&["Buckets", "Bucket"], PAGING)
        },
        // Others that begin like it are left out.
        ByIds::new("prefix", IdForm::Single, 1),
        "Name",
        decode_bucket,
    )
};

/// The next page begins after the last name of this one; where there is none,
/// nothing is said of pages at all.
const PAGING: Paging = Paging::Token { param: "marker", next: NEXT };
const NEXT: Path = &["NextMarker"];

const fn call(action: &'static str) -> Call {
    Call { format: Format::Xml, per_second: 10, ..Call::new(oss::PRODUCT, "", action) }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Bucket {
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    region: String,
    #[serde(default, deserialize_with = "nullable")]
    location: String,
    #[serde(default, deserialize_with = "nullable")]
    storage_class: String,
    #[serde(default, deserialize_with = "nullable")]
    creation_date: String,
}

/// A bucket that is listed is in service; the vendor has no word for it.
fn decode_bucket(item: &str) -> Result<Resource, Unreadable> {
    let item: Bucket = serde_json::from_str(item)?;
    let zone = match item.region.as_str() {
        "" => item.location.trim_start_matches("oss-").to_owned(),
        region => region.to_owned(),
    };
    Ok(Resource {
        zone,
        status: Status::Running,
        created_at: time("CreationDate", &item.creation_date)?,
        id: item.name.clone(),
        name: item.name,
        spec: item.storage_class,
        ..Resource::default()
    })
}

fn decode_tag(item: &str) -> Result<Vec<(String, Detail)>, Unreadable> {
    let tag: Tag = serde_json::from_str(item)?;
    Ok(vec![(String::new(), Detail { tags: tags(vec![tag]), ..Detail::default() })])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::testing;

    const SAMPLE: &str = include_str!("../../testdata/sample_aliyun_oss_list_buckets.xml");

    #[test]
    fn reads_a_bucket_and_its_tags() {
        let mut all = testing::resources(&KIND, SAMPLE);
        let [bucket, archive] = all.as_mut_slice() else { panic!("{all:?}") };
        assert_eq!((&*bucket.id, &*bucket.name), ("app-base-oss", "app-base-oss"));
        assert_eq!((&*bucket.zone, &*bucket.spec), ("cn-shanghai", "Standard"));
        assert_eq!((bucket.status, &*bucket.vendor_status), (Status::Running, ""));
        assert_eq!(bucket.created_at, "2014-02-17T18:12:43Z".parse().ok());
        assert_eq!(bucket.attributes["ExtranetEndpoint"], "oss-cn-shanghai.aliyuncs.com");
        assert!(bucket.is_deferred && bucket.data_disks.is_none(), "tags are not known yet");
        assert_eq!((&*archive.zone, &*archive.spec), ("ap-southeast-1", "Archive"));

        let tags = "<Tagging><TagSet><Tag><Key>env</Key><Value>prod</Value></Tag>\
                    <Tag><Key>empty</Key><Value/></Tag></TagSet></Tagging>";
        for item in testing::items(&KIND.secondary[0].call, tags) {
            for (id, detail) in decode_tag(&item).unwrap() {
                assert_eq!(id, "", "the one that was asked for");
                let mut merged =
                    Detail { tags: std::mem::take(&mut bucket.tags), ..Detail::default() };
                merged.add(detail);
                merged.put_into(bucket);
            }
        }
        assert_eq!((&*bucket.tags["env"], &*bucket.tags["empty"]), ("prod", ""));
        let none = testing::items(&KIND.secondary[0].call, "<Tagging><TagSet/></Tagging>");
        assert!(none.is_empty());
        testing::assert_tracked(&KIND, &all);
    }

    #[test]
    fn a_bucket_without_a_region_is_where_its_location_says() {
        let item = &testing::items(&KIND.list, SAMPLE)[0];
        let old = testing::changed(item, "Region", json!(null));
        assert_eq!(decode_bucket(&old).unwrap().zone, "cn-shanghai");
        for (field, value) in [("Name", json!(null)), ("CreationDate", json!("yesterday"))] {
            assert!(decode_bucket(&testing::changed(item, field, value)).is_err(), "{field}");
        }
    }
}
