//! `template.yaml` lets nobody call the API who does not say who he is, but
//! for the routes that are meant to be open.

use std::path::Path;

use api::OPEN_ROUTES;
use serde_yaml_ng::Value;

/// Returns the resources of a type, by name.
fn resources(kind: &str) -> Vec<(String, Value)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template: Value = serde_yaml_ng::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let all = template["Resources"].as_mapping().unwrap().iter();
    all.filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str().unwrap().to_owned(), resource["Properties"].clone()))
        .collect()
}

/// Returns what a tag like `!If` is given.
fn tagged<'a>(value: &'a Value, tag: &str) -> Vec<&'a Value> {
    let Value::Tagged(found) = value else { panic!("{value:?} is no {tag}") };
    assert!(found.tag == tag, "{value:?} is no {tag}");
    match &found.value {
        Value::Sequence(items) => items.iter().collect(),
        other => vec![other],
    }
}

#[test]
fn no_route_is_open_but_those_that_are_meant_to_be() {
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for (name, route) in resources("AWS::ApiGatewayV2::Route") {
        let key = route["RouteKey"].as_str().unwrap().to_owned();
        if route["AuthorizationType"] == "NONE" {
            open.push(key);
            continue;
        }
        assert_eq!(tagged(&route["AuthorizationType"], "If"), ["UsesJwt", "JWT", "AWS_IAM"]);
        let authorizer = tagged(&route["AuthorizerId"], "If");
        assert_eq!(authorizer[0], "UsesJwt", "{name}");
        assert_eq!(tagged(authorizer[1], "Ref"), ["JwtAuthorizer"], "{name}");
        closed.push(key);
    }
    open.sort_unstable();
    assert_eq!(open, OPEN_ROUTES, "the function lets through what the gateway does");
    assert_eq!(closed, ["$default"], "what has no route is closed, and there is no other");
}

#[test]
fn there_is_no_way_past_the_gateway() {
    for kind in ["AWS::Lambda::Url", "AWS::Serverless::HttpApi", "AWS::Serverless::Api"] {
        assert_eq!(resources(kind), [], "its routes are checked nowhere");
    }
    for (name, function) in resources("AWS::Serverless::Function") {
        assert!(function["FunctionUrlConfig"].is_null(), "{name} has a URL of its own");
        let events = function["Events"].as_mapping().into_iter().flatten();
        let has_api = events
            .filter(|(_, event)| ["Api", "HttpApi"].iter().any(|kind| event["Type"] == *kind));
        assert_eq!(has_api.count(), 0, "{name} has routes of its own");
    }
    let permissions = resources("AWS::Lambda::Permission");
    for (name, permission) in &permissions {
        assert_eq!(permission["Principal"], "apigateway.amazonaws.com", "{name}");
        assert!(!permission["SourceArn"].is_null(), "{name}: any gateway could call");
    }
    assert!(!permissions.is_empty());
}

#[test]
fn open_routes_have_limits_of_their_own() {
    let stages = resources("AWS::ApiGatewayV2::Stage");
    assert_eq!(stages.len(), 1);
    let (_, stage) = &stages[0];
    assert!(!stage["DefaultRouteSettings"]["ThrottlingRateLimit"].is_null());
    for route in OPEN_ROUTES {
        assert!(!stage["RouteSettings"][route]["ThrottlingRateLimit"].is_null(), "{route}");
    }
    assert!(!stage["AccessLogSettings"]["DestinationArn"].is_null());
    let format = stage["AccessLogSettings"]["Format"].as_str().unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(format).is_ok(), "{format}");
    assert!(format.contains("$context.requestId"));
}

#[test]
fn the_api_leaves_the_other_functions_their_concurrency() {
    let functions = resources("AWS::Serverless::Function");
    let (_, api) = functions.iter().find(|(name, _)| name == "ApiFunction").unwrap();
    assert_eq!(tagged(&api["ReservedConcurrentExecutions"], "Ref"), ["ApiConcurrency"]);
}

#[test]
fn the_events_of_the_api_come_by_routes_of_the_template() {
    let routes: Vec<_> = resources("AWS::ApiGatewayV2::Route")
        .into_iter()
        .map(|(_, route)| route["RouteKey"].as_str().unwrap().to_owned())
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("api-") {
            continue;
        }
        count += 1;
        let event: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let (key, context) = (event["routeKey"].as_str().unwrap(), &event["requestContext"]);
        assert!(routes.iter().any(|route| route == key), "{name}: {key}");
        assert_eq!(context["routeKey"], key, "{name}");
        assert_eq!(context["http"]["path"], event["rawPath"], "{name}");
        let is_open = OPEN_ROUTES.contains(&key);
        assert_eq!(context["authorizer"].is_null(), is_open, "{name}: who calls");
    }
    assert_eq!(count, 4);
}
