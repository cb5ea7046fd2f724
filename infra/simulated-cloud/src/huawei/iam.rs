//! IAM: the account and its projects, of which each region has one.

use serde_json::{Value, json};

use super::error::{ApiError, Style};
use super::{Asked, Route, domain_id, project_id};

pub(super) static ROUTES: [Route; 3] = [
    Route {
        method: "GET",
        path: "/v3/projects",
        action: "KeystoneListProjects",
        params: &["name", "domain_id", "enabled", "page", "per_page"],
        style: Style::Iam,
        shape: None,
        answer: projects,
    },
    Route {
        method: "GET",
        path: "/v3/auth/projects",
        action: "KeystoneListAuthProjects",
        params: &[],
        style: Style::Iam,
        shape: None,
        answer: projects,
    },
    Route {
        method: "GET",
        path: "/v3/auth/domains",
        action: "KeystoneListAuthDomains",
        params: &[],
        style: Style::Iam,
        shape: None,
        answer: domains,
    },
];

fn projects(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let account = asked.admitted.account;
    let domain = domain_id(account, asked.world.seed());
    let size = asked.params.number("per_page", 5000)?.unwrap_or(5000).max(1);
    let page = asked.params.number("page", usize::MAX)?.unwrap_or(1).max(1);
    let state = asked.world.state();
    let holdings = state.accounts.get(account).into_iter().flat_map(|found| &found.holdings);
    let wanted = holdings.filter(|(region, _)| {
        !asked.admitted.sees_nothing()
            && asked.params.fits("name", |name| **region == name)
            && asked.params.fits("domain_id", |wanted| domain == wanted)
            && asked.params.fits("enabled", |enabled| enabled == "true")
    });
    let projects = wanted.skip((page - 1).saturating_mul(size)).take(size);
    let projects = projects.map(|(region, holding)| {
        json!({
            "id": project_id(holding),
            "name": region,
            "domain_id": domain,
            "parent_id": domain,
            "is_domain": false,
            "enabled": true,
            "description": "",
        })
    });
    let links = json!({ "self": "https://iam.myhuaweicloud.com/v3/projects" });
    Ok(json!({ "projects": projects.collect::<Vec<_>>(), "links": links }))
}

fn domains(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let id = domain_id(asked.admitted.account, asked.world.seed());
    let name = &asked.admitted.call.account;
    let domain = json!({ "id": id, "name": name, "enabled": true, "description": "" });
    let domains = if asked.admitted.sees_nothing() { Vec::new() } else { vec![domain] };
    let links = json!({ "self": "https://iam.myhuaweicloud.com/v3/auth/domains" });
    Ok(json!({ "domains": domains, "links": links }))
}
