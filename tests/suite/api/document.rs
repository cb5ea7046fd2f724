//! What the API says of itself.

use std::collections::BTreeSet;
use std::path::Path;

use axum::http::Method;
use cloud_sync_tests::world::World;
use serde_json::Value;

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
    let document: Value = serde_json::from_str(api::openapi()).unwrap();
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
    let document: Value = serde_json::from_str(api::openapi()).unwrap();
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
    let document: Value = serde_json::from_str(api::openapi()).unwrap();
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
    for response in document["components"]["responses"].as_object().unwrap().values() {
        let schema = &response["content"]["application/problem+json"]["schema"];
        assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{response}");
    }
}
