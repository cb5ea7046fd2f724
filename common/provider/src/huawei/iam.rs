//! Whose the account is, and its projects, of which each region has one or
//! more. Source: the vendor's reference of the API of IAM.

use cloud_sync_core::account::Region;
use cloud_sync_core::identity::Identity;
use serde::Deserialize;

use super::call;
use crate::engine::decode::{Unreadable, is_id, nullable};
use crate::engine::spec::{Call, IdentitySpec, RegionsSpec};

/// The one host that answers for all regions.
const HOST: &str = "iam.myhuaweicloud.com";

/// The regions of an account, by its projects: that of a region has the
/// region's name, and one that a user made below it `region_name`. What is in
/// one is not listed with another, so each is a region to us.
pub(crate) const REGIONS: RegionsSpec = RegionsSpec {
    call: Call {
        host: HOST,
        items: &["projects"],
        ..call("iam", "KeystoneListProjects", "/v3/projects")
    },
    decode: decode_project,
};

/// Who is calling.
pub(crate) const IDENTITY: IdentitySpec = IdentitySpec {
    call: Call { host: HOST, ..call("iam", "KeystoneListAuthDomains", "/v3/auth/domains") },
    decode: decode_identity,
};

#[derive(Deserialize)]
struct Project {
    id: String,
    name: String,
    #[serde(default)]
    enabled: Option<bool>,
}

/// A project that is of no region is the object storage's own.
fn decode_project(item: &str) -> Result<Option<Region>, Unreadable> {
    let project: Project = serde_json::from_str(item)?;
    if project.enabled == Some(false) || !project.name.contains('-') {
        return Ok(None);
    }
    if !is_id(&project.id) {
        return Err(Unreadable::value("id", &project.id, "a project's id"));
    }
    Ok(Some(Region { project: project.id, ..Region::new(&project.name) }))
}

#[derive(Deserialize)]
struct Domains {
    domains: Vec<Domain>,
}

#[derive(Deserialize)]
struct Domain {
    id: String,
    #[serde(default, deserialize_with = "nullable")]
    name: String,
}

fn decode_identity(reply: &str) -> Result<Identity, Unreadable> {
    let Domains { domains } = serde_json::from_str(reply)?;
    let Ok([domain]) = <[Domain; 1]>::try_from(domains) else {
        return Err(Unreadable::value("domains", reply, "a list of the one account"));
    };
    if !is_id(&domain.id) {
        return Err(Unreadable::value("id", &domain.id, "an account's number"));
    }
    if !domain.name.is_empty() && !is_id(&domain.name) {
        return Err(Unreadable::value("name", &domain.name, "a name"));
    }
    Ok(Identity { account_number: domain.id, principal: domain.name })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn each_project_of_a_region_is_a_region() {
        let decode = |project: Value| decode_project(&project.to_string());
        let project = |name: &str| json!({ "id": "p1", "name": name, "enabled": true });
        for name in ["cn-north-4", "cn-north-4_dev"] {
            let region = decode(project(name)).unwrap().unwrap();
            assert_eq!((region.id.as_str(), region.project.as_str()), (name, "p1"));
        }
        assert_eq!(decode(project("MOS")).unwrap(), None);
        let disabled = json!({ "id": "p1", "name": "cn-north-4", "enabled": false });
        assert_eq!(decode(disabled).unwrap(), None);
        assert!(decode(json!({ "name": "cn-north-4" })).is_err());
        assert!(decode(json!({ "id": "", "name": "cn-north-4" })).is_err());
    }

    #[test]
    fn an_answer_has_the_one_account() {
        let domain = |id: &str| json!({ "id": id, "name": "acme", "enabled": true });
        let decode = |domains: Value| decode_identity(&json!({ "domains": domains }).to_string());
        let identity = decode(json!([domain("d1")])).unwrap();
        assert_eq!((&*identity.account_number, &*identity.principal), ("d1", "acme"));
        for bad in [json!([]), json!([domain("d1"), domain("d2")]), json!([domain("")])] {
            assert!(decode(bad.clone()).is_err(), "{bad}");
        }
    }
}
