//! `aws.s3.bucket`: buckets, which an account has over all regions. Source: the
//! vendor's reference of the API of S3 of 2006-03-01.

use cloud_sync_core::attributes::Attributes;
use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};
use serde::Deserialize;

use super::api::BUCKET;
use super::{attributes, decode_tag, sign};
use crate::engine::decode::{Unreadable, nullable, time};
use crate::engine::spec::{ByIds, Call, Format, IdForm, KindSpec, Paging, Path, Secondary};

/// Buckets, whose tags are told one by one, each in the bucket's own region.
pub(crate) const KIND: KindSpec = KindSpec {
    is_global: true,
    tracked: &[Field::Name, Field::Status, Field::Zone, Field::Tags, Field::CreatedAt],
    secondary: &[Secondary {
        call: Call {
            path: "/{Bucket}",
            params: &[("tagging", "")],
            ..call("GetBucketTagging", &["TagSet", "Tag"])
        },
        lists_region: false,
        by_ids: ByIds {
            absent: &["NoSuchTagSet", "NoSuchBucket"],
            ..ByIds::new(BUCKET, IdForm::Single, 1)
        },
        region: Some(region),
        decode: decode_tag,
    }],
    ..KindSpec::new(
        "aws.s3.bucket",
        Call {
            // Without a parameter the vendor does not say where a bucket is.
            params: &[("max-buckets", "1000")],
            paging: Some(Paging::Token {
                param: "continuation-token",
                next: &["ContinuationToken"],
            }),
            ..call("ListBuckets", &["Buckets", "Bucket"])
        },
        // The one that is looked for is among those that begin like it.
        ByIds::new("prefix", IdForm::Single, 1),
        "Name",
        decode,
    )
};

const fn call(action: &'static str, items: Path) -> Call {
    Call { format: Format::Xml, per_second: 10, items, ..Call::new(sign::S3, "2006-03-01", action) }
}

/// Where buckets are that the vendor does not say a region of.
const FIRST_REGION: &str = "us-east-1";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Bucket {
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    bucket_region: String,
    #[serde(default, deserialize_with = "nullable")]
    creation_date: String,
}

/// A bucket has no status: it is there.
fn decode(text: &str) -> Result<Resource, Unreadable> {
    let item: Bucket = serde_json::from_str(text)?;
    Ok(Resource {
        name: item.name.clone(),
        id: item.name,
        status: Status::Running,
        zone: item.bucket_region,
        created_at: time("CreationDate", &item.creation_date)?,
        attributes: Attributes::unread(text, &["Name", "BucketRegion", "CreationDate"], attributes),
        ..Resource::default()
    })
}

fn region(bucket: &Resource) -> &str {
    if bucket.zone.is_empty() { FIRST_REGION } else { &bucket.zone }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::tests::items;
    use crate::engine::testing::told;

    const SAMPLE: &str = include_str!("../../testdata/sample_aws_list_buckets.xml");
    const TAGS: &str = include_str!("../../testdata/sample_aws_get_bucket_tagging.xml");

    fn samples() -> Vec<Resource> {
        let items = items(SAMPLE, KIND.list.items);
        items.iter().map(|item| decode(item).unwrap()).collect()
    }

    #[test]
    fn reads_every_typed_field() {
        let [logs, old] = samples().try_into().unwrap();
        assert_eq!((&*logs.id, &*logs.name), ("logs.example.com", "logs.example.com"));
        assert_eq!((&*logs.zone, region(&logs)), ("eu-west-1", "eu-west-1"));
        assert_eq!(logs.created_at, "2019-12-11T23:32:47Z".parse().ok());
        assert_eq!((&*old.zone, region(&old)), ("", "us-east-1"));
        assert!(decode("{}").is_err());
    }

    #[test]
    fn what_is_tracked_is_what_the_vendor_tells() {
        let mut logs = samples().remove(0);
        for tag in items(TAGS, KIND.secondary[0].call.items) {
            logs.tags.extend(decode_tag(&tag).unwrap().remove(0).1.tags);
        }
        assert_eq!(logs.tags["team"], "基础架构");
        assert_eq!(told(&logs), KIND.tracked);
    }
}
