//! What the API says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use axum::http::Method;
use cloud_sync_tests::world::World;
use serde_json::{Value, json};

use super::support::Client;

#[test]
fn the_document_in_the_repository_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(
        kept.trim_end() == api::openapi(),
        "docs/openapi.json is stale: cargo run -p api --example openapi > docs/openapi.json"
    );
}

#[tokio::test(start_paused = true)]
async fn the_document_is_served_and_every_path_in_it_has_a_route() {
    let client = Client::new(&World::new(&["r1"]).await);
    let document = client.get("/openapi.json").await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 2, "{paths:?}");
    for (path, item) in paths {
        let target = path.replace(['{', '}'], "");
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = client.call(method.clone(), &target).await;
            assert_ne!(answer.status, 405, "{method} {path}");
            let is_routed = answer.body["detail"] != "there is no such route";
            assert!(is_routed, "{method} {path}");
        }
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_one_group() {
    let document: Value = serde_json::from_str(&api::openapi()).unwrap();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(
                names.insert(name.to_owned()),
                "{method} {path}: '{name}' is another's; clients name functions after it"
            );
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{method} {path}");
        }
    }
}

#[test]
fn whatever_the_document_refers_to_is_in_it() {
    let document: Value = serde_json::from_str(&api::openapi()).unwrap();
    let mut left = vec![&document];
    let mut references = BTreeSet::new();
    while let Some(value) = left.pop() {
        match value {
            Value::Object(object) => {
                references.extend(object.get("$ref").and_then(Value::as_str));
                left.extend(object.values());
            }
            Value::Array(list) => left.extend(list),
            _ => {}
        }
    }
    assert!(references.len() > 20, "{references:?}");
    for reference in references {
        let found = reference.strip_prefix('#').and_then(|place| document.pointer(place));
        assert!(found.is_some(), "{reference}");
    }
}

#[test]
fn every_operation_says_how_it_refuses() {
    let document: Value = serde_json::from_str(&api::openapi()).unwrap();
    let of = |path: &str, method: &str| -> Vec<String> {
        let responses = document["paths"][path][method]["responses"].as_object().unwrap();
        responses.keys().cloned().collect()
    };
    let common = ["401", "403", "429", "503"];
    for status in common {
        assert!(of("/tasks/{id}", "get").iter().any(|found| found == status), "{status}");
    }
    for status in ["202", "400", "413", "415", "422"] {
        assert!(of("/syncs", "post").iter().any(|found| found == status), "{status}");
    }
    for (name, response) in document["components"]["responses"].as_object().unwrap() {
        let (media_type, schema) = match name.as_str() {
            // API Gateway's own.
            "TooManyRequests" => ("application/json", "GatewayMessage"),
            _ => ("application/problem+json", "Problem"),
        };
        let content = response["content"].as_object().unwrap();
        let found = &content[media_type]["schema"]["$ref"];
        assert_eq!((content.len(), found), (1, &json!(format!("#/components/schemas/{schema}"))));
    }
    let hook = of("/hooks/{provider}", "post");
    for (status, is_said) in
        [("400", true), ("401", true), ("413", true), ("415", false), ("422", true)]
    {
        assert_eq!(hook.iter().any(|found| found == status), is_said, "a hook's {status}");
    }
    let polls = &document["paths"]["/changes"]["get"]["responses"]["429"];
    assert_eq!(polls["$ref"], "#/components/responses/TooManyWait");
}

#[test]
fn the_document_says_how_callers_show_who_they_are_everywhere() {
    let document: Value = serde_json::from_str(&api::openapi()).unwrap();
    assert_eq!(document["security"], json!([{ "bearer": [] }, { "iam": [] }]));
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(
        (&schemes["bearer"]["scheme"], &schemes["iam"]["in"]),
        (&json!("bearer"), &json!("header"))
    );
}

#[test]
fn answers_lead_on_to_what_can_be_asked_with_them() {
    let document: Value = serde_json::from_str(&api::openapi()).unwrap();
    let operations = document["paths"].as_object().unwrap().values();
    let operations = operations.flat_map(|item| item.as_object().unwrap().values());
    let operations: BTreeMap<_, _> = operations
        .map(|operation| (operation["operationId"].as_str().unwrap(), operation))
        .collect();
    for (from, status, to) in [
        (
            "put_account",
            "200",
            &["account", "patch_account", "verify", "resume", "delete_account"][..],
        ),
        ("put_account", "201", &["account", "patch_account", "verify", "resume", "delete_account"]),
        ("list_resources", "200", &["get_resource", "get_resource_history"]),
        ("create_syncs", "202", &["get_task", "cancel_task", "list_task_changes"]),
        ("create_plans", "202", &["get_task", "cancel_task", "list_task_changes"]),
    ] {
        let links = operations[from]["responses"][status]["links"].as_object().unwrap();
        let mut found = BTreeSet::new();
        for link in links.values() {
            let target = link["operationId"].as_str().unwrap();
            found.insert(target);
            let parameters = operations[target]["parameters"].as_array().unwrap().iter();
            let in_path = parameters.filter(|one| one["in"] == "path").map(|one| &one["name"]);
            let given = link["parameters"].as_object().unwrap();
            for name in in_path {
                assert!(given.contains_key(name.as_str().unwrap()), "{from} to {target}: {name}");
            }
        }
        assert_eq!(found, to.iter().copied().collect(), "{from}");
    }
    for (operation, status) in [
        ("account", "200"),
        ("put_account", "200"),
        ("put_account", "201"),
        ("patch_account", "200"),
    ] {
        let headers = &operations[operation]["responses"][status]["headers"];
        assert!(headers["ETag"].is_object(), "{operation} {status}");
    }
}
