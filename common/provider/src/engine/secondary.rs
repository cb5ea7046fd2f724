//! What secondary calls tell of given resources, and what becomes of one that
//! the vendor refuses to tell of.

use std::collections::{BTreeMap, HashMap};

use cloud_sync_core::account::Region;
use cloud_sync_core::error::{ErrorClass, Handling, VendorError};
use cloud_sync_core::resource::Resource;

use super::spec::Secondary;
use super::{Client, read_all};
use crate::{Detail, Details, Result};

impl Client {
    /// Makes one secondary call for given resources.
    pub(super) async fn ask_secondary(
        &self,
        spec: &Secondary,
        region: &Region,
        resources: &[Resource],
        details: &mut Details,
    ) -> Result<()> {
        let mut by_region: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut ids: HashMap<&str, &str> = HashMap::new();
        let mut refusals = Refusals::default();
        for resource in resources {
            let place = spec.region.map_or(region.id.as_str(), |of| of(resource));
            let name = spec.by_ids.name.map_or(resource.id.as_str(), |of| of(resource));
            if name.is_empty() {
                refusals.add(&resource.id, nameless(spec));
                continue;
            }
            by_region.entry(place).or_default().push(name.to_owned());
            ids.insert(name, &resource.id);
        }
        for (place, names) in by_region {
            let region = if place == region.id { region.clone() } else { Region::new(place) };
            let read = read_all(&spec.call, spec.decode);
            let mut take = |asked: &[String], found: Vec<(String, Detail)>| {
                for (id, detail) in found {
                    let name = if id.is_empty() { asked.first() } else { Some(&id) };
                    if let Some(name) = name {
                        let id = ids.get(name.as_str()).map_or(name.as_str(), |id| id);
                        details.entry(id.to_owned()).or_default().add(detail);
                    }
                }
            };
            let at_once = if spec.call.is_of_one { 1 } else { names.len() };
            for names in names.chunks(at_once) {
                let by_ids = (&spec.call, &spec.by_ids);
                match self.by_ids(by_ids, &region, names, &read, &mut take).await {
                    Err(error) if spec.call.is_of_one && stays_home(&error) => {
                        names
                            .iter()
                            .for_each(|name| refusals.add(ids[name.as_str()], error.clone()));
                    }
                    asked => asked?,
                }
            }
        }
        refusals.put_into(details, resources.len())
    }
}

/// The resources that a call was refused about.
#[derive(Default)]
struct Refusals(Vec<(String, VendorError)>);

impl Refusals {
    /// Where so many are asked about and each is refused alike, it is the
    /// account that may not ask.
    const ALL_ALIKE: usize = 10;

    fn add(&mut self, id: &str, error: VendorError) {
        self.0.push((id.to_owned(), error));
    }

    /// Puts each refusal into the detail of its resource.
    ///
    /// # Errors
    ///
    /// All of many were refused: the call is, and is reported once.
    fn put_into(mut self, details: &mut Details, asked: usize) -> Result<()> {
        let are_alike = self.0.windows(2).all(|pair| pair[0].1.code == pair[1].1.code);
        if asked >= Self::ALL_ALIKE && self.0.len() == asked && are_alike {
            return self.0.pop().map_or(Ok(()), |(_, error)| Err(error));
        }
        for (id, error) in self.0 {
            details
                .entry(id)
                .or_default()
                .add(Detail { refused: Some(error), ..Detail::default() });
        }
        Ok(())
    }
}

/// Tells whether an error may be about the one resource that was asked about,
/// and no sign that others would not be told either.
const fn stays_home(error: &VendorError) -> bool {
    match error.class.handling() {
        Handling::Record | Handling::FailRegion | Handling::SkipRegion => true,
        Handling::Retry | Handling::Wait | Handling::StopAccount => false,
    }
}

/// Returns the error of a resource whose name for a call the list left out.
fn nameless(spec: &Secondary) -> VendorError {
    let text = format!("the list does not tell the {} to ask about", spec.by_ids.param);
    VendorError::new(ErrorClass::Data, spec.call.action, "NoName", text)
}

#[cfg(test)]
mod tests {
    use cloud_sync_core::error::ErrorClass::{Auth, Data, Internal, Throttled};
    use cloud_sync_core::scope::Kind;
    use serde_json::json;

    use super::*;
    use crate::engine::testing::{FakeVendor, account, answer_text};

    const TAGS: &str =
        "<Tagging><TagSet><Tag><Key>env</Key><Value>prod</Value></Tag></TagSet></Tagging>";

    fn bucket(id: &str) -> Resource {
        let (id, zone) = (id.to_owned(), "eu-west-1".to_owned());
        Resource { id, zone, is_deferred: true, ..Resource::default() }
    }

    fn refusal(code: &str) -> String {
        format!("<Error><Code>{code}</Code><Message>no</Message></Error>")
    }

    /// Asks for the tags of buckets, of which those whose names begin with
    /// `odd` are answered like this. Returns how often it was asked too.
    async fn tags(names: &[&str], odd: (u16, String)) -> (Result<Details>, usize) {
        let vendor =
            FakeVendor::answering(move |asked, _, _| match asked.starts_with("https://odd") {
                true => answer_text(odd.0, &odd.1),
                false => answer_text(200, TAGS),
            });
        let opened = vendor.open(&account(&json!({ "provider": "aws" })));
        let kind: Kind = "aws.s3.bucket".parse().unwrap();
        let buckets: Vec<_> = names.iter().map(|name| bucket(name)).collect();
        let details = opened.details(&kind, &Region::global(), &buckets).await;
        (details, vendor.asked().len())
    }

    #[tokio::test]
    async fn a_bucket_that_is_refused_costs_no_other_its_tags() {
        for (status, body, class, code) in [
            (403, refusal("AccessDenied"), Data, "AccessDenied"),
            (405, refusal("MethodNotAllowed"), Internal, "MethodNotAllowed"),
            (
                200,
                "<Tagging><TagSet><Tag><Key><a/></Key></Tag></TagSet></Tagging>".to_owned(),
                Data,
                "UndecodableItem",
            ),
            (200, "<Other/>".to_owned(), Data, "UnexpectedReply"),
        ] {
            let (details, _) = tags(&["a", "odd", "z"], (status, body)).await;
            let mut details = details.unwrap();
            let refused = details["odd"].refused.clone().unwrap();
            assert_eq!((refused.class, &*refused.code), (class, code));
            for (name, is_known) in [("a", true), ("odd", false), ("z", true)] {
                let mut bucket = bucket(name);
                details.remove(name).unwrap().put_into(&mut bucket);
                assert_eq!(
                    (bucket.has_details(), bucket.tags.len()),
                    (is_known, usize::from(is_known))
                );
            }
        }
    }

    #[tokio::test]
    async fn the_only_bucket_asked_about_may_be_refused_alone_too() {
        let (details, _) = tags(&["odd"], (403, refusal("AccessDenied"))).await;
        let refused = details.unwrap()["odd"].refused.clone().unwrap();
        assert!(refused.message.contains("permission s3:GetBucketTagging"), "{refused}");
    }

    #[tokio::test]
    async fn where_all_of_many_are_refused_alike_it_is_said_once() {
        let names =
            ["odd0", "odd1", "odd2", "odd3", "odd4", "odd5", "odd6", "odd7", "odd8", "odd9"];
        let (details, _) = tags(&names, (403, refusal("AccessDenied"))).await;
        assert_eq!(details.unwrap_err().code, "AccessDenied");
        let (details, _) = tags(&names[1..], (403, refusal("AccessDenied"))).await;
        assert_eq!(details.unwrap().len(), 9, "some may well be odd");
        let mut names = names;
        names[0] = "a";
        let (details, _) = tags(&names, (403, refusal("AccessDenied"))).await;
        assert!(details.unwrap()["a"].refused.is_none());
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_account_or_the_vendor_is_no_buckets_own() {
        for (status, code, class) in [
            (403, "InvalidAccessKeyId", Auth),
            (403, "ExpiredToken", Auth),
            (503, "SlowDown", Throttled),
        ] {
            let (details, asked) = tags(&["odd", "z"], (status, refusal(code))).await;
            let error = details.unwrap_err();
            assert_eq!((error.class, &*error.code, asked), (class, code, 1));
        }
    }

    #[tokio::test]
    async fn what_has_no_name_to_be_asked_about_is_not_asked_about() {
        let vendor = FakeVendor::answering(|_, _, _| {
            answer_text(
                200,
                "<R><ListTagsForResourceResult><TagList/></ListTagsForResourceResult></R>",
            )
        });
        let opened = vendor.open(&account(&json!({ "provider": "aws" })));
        let named = json!({ "ARN": "arn:aws:elasticache:r:1:cluster:named" });
        let serde_json::Value::Object(named) = named else { unreachable!() };
        let clusters = [
            Resource { id: "named".into(), attributes: named.into(), ..Resource::default() },
            Resource { id: "nameless".into(), ..Resource::default() },
        ];
        let kind: Kind = "aws.elasticache.cluster".parse().unwrap();
        let details = opened.details(&kind, &Region::new("r"), &clusters).await.unwrap();
        assert_eq!(details["nameless"].refused.as_ref().unwrap().code, "NoName");
        assert!(!details.contains_key("named"), "it has no tags");
        assert_eq!(vendor.asked().len(), 1);
    }
}
