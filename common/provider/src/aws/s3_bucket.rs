//! `aws.s3.bucket`: buckets, which an account has over all regions. Source: the
//! vendor's reference of the API of S3 of 2006-03-01.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};

use super::api::BUCKET;
use super::{attributes, sign};
use crate::engine::decode::{Unreadable, tag_of_one, time};
use crate::engine::fields::{Item, Text, objects};
use crate::engine::spec::{ByIds, Call, IdForm, KindSpec, Paging, Secondary};

/// Buckets, whose tags are told one by one, each in the bucket's own region.
pub(crate) const KIND: KindSpec = KindSpec {
    attributes,
    is_global: true,
    tracked: &[Field::Name, Field::Status, Field::Zone, Field::Tags, Field::CreatedAt],
    secondary: &[Secondary {
        region: Some(region),
        ..Secondary::asked(
            Call { path: "/{Bucket}", ..call("GetBucketTagging") }
                .of(&["TagSet", "Tag"])
                .with(&[("tagging", "")]),
            ByIds::new(BUCKET, IdForm::Single, 1).refusing(&["NoSuchTagSet", "NoSuchBucket"]),
            tag_of_one,
        )
    }],
    ..KindSpec::new::<Bucket>(
        "aws.s3.bucket",
        call("ListBuckets")
            .listing(&["Buckets", "Bucket"], PAGING)
            // Without a parameter the vendor does not say where a bucket is.
            .with(&[("max-buckets", "1000")]),
        // The one that is looked for is among those that begin like it.
        ByIds::new("prefix", IdForm::Single, 1),
        "Name",
    )
};

const PAGING: Paging = Paging::Token { param: "continuation-token", next: &["ContinuationToken"] };

const fn call(action: &'static str) -> Call {
    Call { per_second: 10, ..super::call(sign::S3, "2006-03-01", action) }
}

/// Where buckets are that the vendor does not say a region of.
const FIRST_REGION: &str = "us-east-1";

objects! {
    struct Bucket {
        "Name" => name: String,
        "BucketRegion" => region: Text,
        "CreationDate" => created: Text,
    }
}

/// A bucket has no status: it is there.
impl Item for Bucket {
    fn resource(self) -> Result<Resource, Unreadable> {
        Ok(Resource {
            id: self.name.clone(),
            name: self.name,
            status: Status::Running,
            zone: self.region.0,
            created_at: time("CreationDate", &self.created)?,
            ..Resource::default()
        })
    }
}

fn region(bucket: &Resource) -> &str {
    if bucket.zone.is_empty() { FIRST_REGION } else { &bucket.zone }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::tests::items;
    use crate::engine::decode::resource;
    use crate::engine::testing::told;

    const SAMPLE: &str = include_str!("../../testdata/sample_aws_list_buckets.xml");
    const TAGS: &str = include_str!("../../testdata/sample_aws_get_bucket_tagging.xml");

    fn samples() -> Vec<Resource> {
        let items = items(SAMPLE, KIND.list.items);
        items.iter().map(|item| resource(item, &KIND).unwrap()).collect()
    }

    #[test]
    fn reads_every_typed_field() {
        let [logs, old] = samples().try_into().unwrap();
        assert_eq!((&*logs.id, &*logs.name), ("logs.example.com", "logs.example.com"));
        assert_eq!((&*logs.zone, region(&logs)), ("eu-west-1", "eu-west-1"));
        assert_eq!(logs.created_at, "2019-12-11T23:32:47Z".parse().ok());
        assert_eq!((&*old.zone, region(&old)), ("", "us-east-1"));
        assert!(resource("{}", &KIND).is_err());
    }

    #[test]
    fn what_is_tracked_is_what_the_vendor_tells() {
        let mut logs = samples().remove(0);
        for tag in items(TAGS, KIND.secondary[0].call.items) {
            logs.tags.extend(tag_of_one(&tag).unwrap().remove(0).1.tags);
        }
        assert_eq!(logs.tags["team"], "基础架构");
        assert_eq!(told(&logs), KIND.told());
    }
}
