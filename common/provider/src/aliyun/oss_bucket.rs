//! `aliyun.oss.bucket`: buckets of the object store, of all regions of an
//! account. Source: the vendor's reference of `ListBuckets` and
//! `GetBucketTagging`.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};

use super::oss;
use crate::engine::decode::{Unreadable, tag_of_one, time};
use crate::engine::fields::{Item, Text, objects};
use crate::engine::spec::{ByIds, Call, Format, IdForm, KindSpec, Paging, Secondary};

/// Buckets. Their zone is their region. Their tags are told by each alone, at
/// its own region's host.
pub(crate) const KIND: KindSpec = KindSpec {
    is_global: true,
    tracked: &[Field::Name, Field::Status, Field::Spec, Field::Zone, Field::Tags, Field::CreatedAt],
    secondary: &[Secondary {
        region: Some(|bucket| &bucket.zone),
        ..Secondary::asked(
            Call { path: "/{bucket}/", ..call("GetBucketTagging") }
                .of(&["TagSet", "Tag"])
                .with(&[("tagging", "")]),
            ByIds::new(oss::BUCKET, IdForm::Single, 1).refusing(&["NoSuchBucket", "NoSuchTagSet"]),
            tag_of_one,
        )
    }],
    ..KindSpec::new::<Bucket>(
        "aliyun.oss.bucket",
        call("ListBuckets").listing(&["Buckets", "Bucket"], PAGING).with(&[("max-keys", "1000")]),
        // Others that begin like it are left out.
        ByIds::new("prefix", IdForm::Single, 1),
        "Name",
    )
};

/// The next page begins after the last name of this one; where there is none,
/// nothing is said of pages at all.
const PAGING: Paging = Paging::Token { param: "marker", next: &["NextMarker"] };

const fn call(action: &'static str) -> Call {
    Call { format: Format::Xml, ..super::call(oss::PRODUCT, "", action) }
}

objects! {
    struct Bucket {
        "Name" => name: String,
        "Region" => region: Text,
        "Location" => location: Text,
        "StorageClass" => class: Text,
        "CreationDate" => created: Text,
    }
}

/// A bucket that is listed is in service; the vendor has no word for it.
impl Item for Bucket {
    fn resource(self) -> Result<Resource, Unreadable> {
        let located = self.location.trim_start_matches("oss-");
        Ok(Resource {
            zone: if self.region.is_empty() { located.to_owned() } else { self.region.0 },
            status: Status::Running,
            created_at: time("CreationDate", &self.created)?,
            id: self.name.clone(),
            name: self.name,
            spec: self.class.0,
            ..Resource::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Detail;
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
            for (id, detail) in tag_of_one(&item).unwrap() {
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
        assert_eq!((KIND.decode)(&old).unwrap().zone, "cn-shanghai");
        for (field, value) in [("Name", json!(null)), ("CreationDate", json!("yesterday"))] {
            assert!(testing::is_refused(&KIND, item, field, value), "{field}");
        }
    }
}
