//! Roles, the keys that come with them, and the accounts of an organisation.

use jiff::SignedDuration;
use simulated_cloud::{AccessKey, Permission, Plan, World};

use crate::client::{Client, KEY, REGION, Reply, SECRET, noon};

const STS: (&str, &str) = ("Version", "2015-04-01");
const DIRECTORY: (&str, &str) = ("Version", "2020-03-31");

pub fn organisation() -> World {
    let plan = Plan::new(7)
        .account("demo", AccessKey::new(KEY, SECRET), [(REGION, 10)])
        .role("sync", &["demo"])
        .role("closed", &[])
        .account("one", AccessKey::new("one", SECRET), [(REGION, 20)])
        .member_of("demo")
        .account("two", AccessKey::new("two", SECRET), [(REGION, 0)])
        .member_of("demo")
        .role("chained", &["one"])
        .account("stranger", AccessKey::new("stranger", SECRET), [(REGION, 0)]);
    World::new(&plan).expect("a world")
}

fn number(index: u64) -> String {
    (1_690_700_000_000_030 + index).to_string()
}

pub fn assume(client: &Client, account: u64, role: &str) -> Reply {
    let arn = format!("acs:ram::{}:role/{role}", number(account));
    let params = [STS, ("RoleArn", arn.as_str()), ("RoleSessionName", "test")];
    client.call("AssumeRole", &[&params[..], &[("DurationSeconds", "900")]].concat())
}

/// Makes a client of the session that a role gave.
fn session(of: &Client, reply: &Reply) -> Client {
    assert_eq!(reply.status, 200, "{}", reply.body);
    let text = |name: &str| reply.body["Credentials"][name].as_str().expect("a text").to_owned();
    let mut client = Client::new(of.world.clone());
    (client.key, client.secret) = (text("AccessKeyId"), text("AccessKeySecret"));
    client.token = Some(text("SecurityToken"));
    client
}

#[test]
fn a_roles_keys_are_its_accounts_until_they_expire() {
    let client = Client::new(organisation());
    let lent = assume(&client, 1, "ResourceDirectoryAccountAccessRole");
    assert_eq!(lent.body["Credentials"]["Expiration"], "2026-11-22T12:15:01Z");
    let mut theirs = session(&client, &lent);
    assert!(theirs.key.starts_with("STS."));
    let who = theirs.call("GetCallerIdentity", &[STS]);
    assert_eq!(who.body["AccountId"], number(1));
    assert_eq!(who.body["IdentityType"], "AssumedRoleUser");
    assert_eq!(theirs.call("DescribeInstances", &[]).body["TotalCount"], 20);
    theirs.now = noon() + SignedDuration::from_mins(15);
    let refused = theirs.call("DescribeInstances", &[]);
    assert_eq!((refused.status, refused.code()), (400, "InvalidSecurityToken.Expired"));
}

#[test]
fn a_role_may_take_on_another_that_trusts_its_account() {
    let client = Client::new(organisation());
    assert_eq!(assume(&client, 2, "chained").code(), "NoPermission");
    let first = session(&client, &assume(&client, 1, "ResourceDirectoryAccountAccessRole"));
    let second = session(&first, &assume(&first, 2, "chained"));
    assert_eq!(second.call("GetCallerIdentity", &[STS]).body["AccountId"], number(2));
}

#[test]
fn roles_are_refused_to_those_whom_they_do_not_trust() {
    let client = Client::new(organisation());
    for (account, role, status, code) in [
        (0, "closed", 403, "NoPermission"),
        (0, "none", 404, "EntityNotExist.Role"),
        (3, "ResourceDirectoryAccountAccessRole", 404, "EntityNotExist.Role"),
        (99, "sync", 404, "EntityNotExist.Role"),
    ] {
        let refused = assume(&client, account, role);
        assert_eq!((refused.status, refused.code()), (status, code), "{account} {role}");
    }
    client.world.permit("demo", Some("AssumeRole"), Permission::Denied);
    let refused = assume(&client, 0, "sync");
    assert_eq!((refused.status, refused.code()), (403, "NoPermission"));
}

#[test]
fn an_organisation_needs_its_head() {
    let plan = Plan::new(7)
        .account("one", AccessKey::new("one", SECRET), [(REGION, 0)])
        .member_of("nobody");
    let refused = World::new(&plan).err().expect("no head").to_string();
    assert!(refused.contains("`nobody`"), "{refused}");
}

#[test]
fn only_the_head_of_an_organisation_sees_its_members() {
    let mut client = Client::new(organisation());
    let list = |client: &Client, page: &str| {
        client.call("ListAccounts", &[DIRECTORY, ("PageNumber", page), ("PageSize", "1")])
    };
    for (page, name, index) in [("1", "one", 1), ("2", "two", 2)] {
        let reply = list(&client, page);
        assert_eq!(reply.body["TotalCount"], 2);
        let [account] = reply.items("/Accounts/Account") else { panic!("{}", reply.body) };
        assert_eq!(account["DisplayName"], name);
        assert_eq!(account["AccountId"], number(index));
    }
    assert!(list(&client, "3").items("/Accounts/Account").is_empty());
    client.key = "stranger".into();
    assert_eq!(list(&client, "1").code(), "ResourceDirectoryNotInUse");
    client.key = KEY.into();
    client.world.set_service("resourcemanager", "", false);
    let params = [DIRECTORY, ("RegionId", "-")];
    assert_eq!(client.call("ListAccounts", &params).code(), "ResourceDirectoryNotInUse");
}
