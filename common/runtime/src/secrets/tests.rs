use std::ffi::OsString;

use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials as SdkCredentials, Region};
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const GOOD: &str = r#"{"access_key_id":"id","access_key_secret":"canary"}"#;

fn env(variables: &'static [(&'static str, &'static str)]) -> EnvAndSecretsManager {
    let read = |name: &str| {
        let found = variables.iter().find(|(other, _)| *other == name);
        match found {
            Some((_, "not UTF-8")) => Err(VarError::NotUnicode(OsString::from("canary"))),
            Some((_, value)) => Ok((*value).to_owned()),
            None => Err(VarError::NotPresent),
        }
    };
    EnvAndSecretsManager::with(Box::new(read), None)
}

async fn of_prod(source: &EnvAndSecretsManager) -> Result<Credentials, CredentialError> {
    source.credentials(&CredentialsRef::Env("PROD".to_owned())).await
}

#[tokio::test]
async fn credentials_are_read_from_the_environment() {
    let source = env(&[
        ("PROD_ACCESS_KEY_ID", "id"),
        ("PROD_ACCESS_KEY_SECRET", "secret\n"),
        ("PROD_SECURITY_TOKEN", "token"),
    ]);
    let credentials = of_prod(&source).await.unwrap();
    assert_eq!(credentials.access_key_id, "id");
    assert_eq!(credentials.access_key_secret.expose_secret(), "secret");
    assert_eq!(credentials.security_token.unwrap().expose_secret(), "token");
}

#[tokio::test]
async fn an_empty_token_is_none() {
    let source = env(&[
        ("PROD_ACCESS_KEY_ID", "id"),
        ("PROD_ACCESS_KEY_SECRET", "secret"),
        ("PROD_SECURITY_TOKEN", ""),
    ]);
    assert!(of_prod(&source).await.unwrap().security_token.is_none());
}

#[tokio::test]
async fn the_missing_variable_is_named() {
    for (source, expected) in [
        (env(&[("PROD_ACCESS_KEY_SECRET", "canary")]), "PROD_ACCESS_KEY_ID is not set"),
        (env(&[("PROD_ACCESS_KEY_ID", "id")]), "PROD_ACCESS_KEY_SECRET is not set"),
        (
            env(&[("PROD_ACCESS_KEY_ID", " "), ("PROD_ACCESS_KEY_SECRET", "canary")]),
            "PROD_ACCESS_KEY_ID is not set or empty",
        ),
        (env(&[("PROD_ACCESS_KEY_ID", "not UTF-8")]), "PROD_ACCESS_KEY_ID is not valid UTF-8"),
        (
            env(&[("PROD_ACCESS_KEY_ID", "id"), ("PROD_ACCESS_KEY_SECRET", "can\nary")]),
            "PROD_ACCESS_KEY_SECRET has a blank, a line break",
        ),
        (
            env(&[
                ("PROD_ACCESS_KEY_ID", "id"),
                ("PROD_ACCESS_KEY_SECRET", "canary"),
                ("PROD_SECURITY_TOKEN", "can\r\nary"),
            ]),
            "PROD_SECURITY_TOKEN has a blank, a line break",
        ),
    ] {
        let error = of_prod(&source).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{error:?}").contains("canary"));
        assert_eq!(error.class(), ErrorClass::Auth);
    }
}

fn reference() -> CredentialsRef {
    CredentialsRef::SecretArn("prod/aliyun".to_owned())
}

async fn answering(status: u16, body: serde_json::Value) -> (MockServer, EnvAndSecretsManager) {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(&server)
        .await;
    let source = source_at(&server.uri());
    (server, source)
}

fn source_at(url: &str) -> EnvAndSecretsManager {
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(url)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(SdkCredentials::new("test", "test", None, None, "test"))
        .build();
    EnvAndSecretsManager::new(Some(Client::from_conf(config)))
}

fn secret(text: &str) -> serde_json::Value {
    json!({"ARN": "arn", "Name": "prod/aliyun", "SecretString": text})
}

async fn requests(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn a_secret_is_remembered_for_a_while() {
    let (server, source) = answering(200, secret(GOOD)).await;
    let first = source.credentials(&reference()).await.unwrap();
    assert_eq!(first.access_key_secret.expose_secret(), "canary");
    source.credentials(&reference()).await.unwrap();
    assert_eq!(requests(&server).await, 1);
    tokio::time::pause();
    tokio::time::advance(SECRET_TTL + Duration::from_secs(1)).await;
    tokio::time::resume();
    source.credentials(&reference()).await.unwrap();
    assert_eq!(requests(&server).await, 2);
}

#[tokio::test]
async fn a_forgotten_secret_is_read_anew() {
    let (server, source) = answering(200, secret(GOOD)).await;
    source.credentials(&reference()).await.unwrap();
    source.forget(&reference()).await;
    source.credentials(&reference()).await.unwrap();
    assert_eq!(requests(&server).await, 2);
}

#[tokio::test]
async fn what_is_wrong_with_a_secret_is_said_without_showing_it() {
    for (text, expected) in [
        ("canary", "prod/aliyun is not JSON (line 1, column 1)"),
        (r#"{"access_key_id":"id","access_key_secret":"canary""#, "is not JSON (line 1"),
        (r#""canary""#, "members that are missing, unknown or not texts"),
        (r#"{"access_key_id":"canary"}"#, "members that are missing"),
        (r#"{"access_key_id":"id","access_key_secret":"s","canary":1}"#, "members that are"),
        (r#"{"access_key_id":"","access_key_secret":"canary"}"#, "its access_key_id is empty"),
        (
            r#"{"access_key_id":"id","access_key_secret":"canary\n"}"#,
            "its access_key_secret has a blank",
        ),
        (
            r#"{"access_key_id":"id x","access_key_secret":"canary"}"#,
            "its access_key_id has a blank",
        ),
        (
            r#"{"access_key_id":"id","access_key_secret":"canary","security_token":"ä"}"#,
            "its security_token has a blank, a line break",
        ),
        ("", "holds no text"),
    ] {
        let (_server, source) = answering(200, secret(text)).await;
        let error = source.credentials(&reference()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{text}: {error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        assert_eq!(error.class(), ErrorClass::Auth);
    }
}

#[tokio::test]
async fn an_empty_token_in_a_secret_is_none() {
    let text = r#"{"access_key_id":"id","access_key_secret":"s","security_token":""}"#;
    let (_server, source) = answering(200, secret(text)).await;
    assert!(source.credentials(&reference()).await.unwrap().security_token.is_none());
}

#[tokio::test]
async fn a_refusal_is_told_from_a_service_that_is_down() {
    for (status, code, class) in [
        (400, "ResourceNotFoundException", ErrorClass::Auth),
        (400, "AccessDeniedException", ErrorClass::Auth),
        (400, "ThrottlingException", ErrorClass::Network),
        (500, "InternalServiceError", ErrorClass::Network),
        (503, "ServiceUnavailable", ErrorClass::Network),
    ] {
        let (_server, source) =
            answering(status, json!({"__type": code, "message": "said so"})).await;
        let error = source.credentials(&reference()).await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.to_string().contains(code), "{error}");
    }
}

#[tokio::test]
async fn a_service_out_of_reach_may_answer_later() {
    // Nobody listens on a port that was just let go.
    let address = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let source = source_at(&format!("http://{address}"));
    let error = source.credentials(&reference()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Network, "{error}");
}

#[tokio::test]
async fn without_aws_a_secret_is_a_clear_error() {
    let error = env(&[]).credentials(&reference()).await.unwrap_err();
    assert!(error.to_string().contains("no access to AWS"), "{error}");
}

#[tokio::test]
async fn fixed_credentials_are_by_reference() {
    let known = |id: &str| Credentials {
        access_key_id: id.into(),
        access_key_secret: "canary".to_owned().into(),
        security_token: None,
    };
    let source = FixedCredentials::default();
    assert!(source.credentials(&reference()).await.is_err());
    source.set(&reference(), known("one"));
    source.set(&reference(), known("two"));
    assert_eq!(source.credentials(&reference()).await.unwrap().access_key_id, "two");
    let for_all = FixedCredentials::for_all(known("all"));
    assert_eq!(for_all.credentials(&reference()).await.unwrap().access_key_id, "all");
}

#[tokio::test]
async fn a_secret_of_events_is_in_a_variable_or_a_secret() {
    let token = "0123456789abcdef";
    let source = env(&[("PROD_HOOK", "0123456789abcdef\n"), ("SHORT", "canary")]);
    let by_name = |name: &str| HookRef::Env(name.to_owned());
    let found = source.hook_token(&by_name("PROD_HOOK")).await.unwrap();
    assert_eq!(found.expose_secret(), token);
    let missing = source.hook_token(&by_name("NONE")).await.unwrap_err().to_string();
    assert!(missing.contains("NONE is not set"), "{missing}");
    let short = source.hook_token(&by_name("SHORT")).await.unwrap_err().to_string();
    assert!(short.contains("SHORT holds no secret for events") && !short.contains("canary"));

    let (server, source) = answering(200, secret(token)).await;
    let in_secret = HookRef::SecretArn("prod/hook".to_owned());
    for _ in 0..3 {
        let found = source.hook_token(&in_secret).await.unwrap();
        assert_eq!(found.expose_secret(), token);
    }
    assert_eq!(requests(&server).await, 1, "it is remembered");
}
