//! What is asked about an account: whose it is, and what its types are.

use cloud_sync_core::error::ErrorClass;
use serde_json::json;

use crate::support::{Cloud, error, kind, ok, region};

#[tokio::test]
async fn the_vendor_says_who_is_calling() {
    let cloud = Cloud::answering(|_| {
        ok(&json!({ "AccountId": "1690700000000030", "Arn": "acs:ram::1690700000000030:user/kim" }))
    })
    .await;
    let identity = cloud.open().identity().await.unwrap().unwrap();
    assert_eq!(identity.account_number, "1690700000000030");
    let asked = cloud.requests().await.remove(0);
    assert_eq!(asked["Action"], "GetCallerIdentity");
    assert_eq!(asked["Version"], "2015-04-01");
}

#[tokio::test]
async fn an_answer_without_a_number_is_nobody() {
    for body in [json!({}), json!({ "AccountId": "" }), json!([]), json!("1")] {
        let cloud = Cloud::answering(move |_| ok(&body)).await;
        let error = cloud.open().identity().await.unwrap_err();
        assert_eq!((error.class, &*error.code), (ErrorClass::Data, "UnexpectedReply"));
    }
    let cloud = Cloud::answering(|_| error(404, "InvalidAccessKeyId.NotFound")).await;
    assert_eq!(cloud.open().identity().await.unwrap_err().class, ErrorClass::Auth);
}

#[tokio::test]
async fn types_are_asked_about_ten_at_a_time() {
    let cloud = Cloud::answering(|params| {
        let names = (1..=20).filter_map(|n| params.get(&format!("InstanceTypes.{n}")));
        let items: Vec<_> = names
            .map(|name| json!({ "InstanceTypeId": name, "CpuCoreCount": 2, "MemorySize": 0.5 }))
            .collect();
        ok(&json!({ "InstanceTypes": { "InstanceType": items } }))
    })
    .await;
    let names: Vec<_> = (0..23).map(|n| format!("ecs.g7.{n:02}")).collect();
    let types = cloud.open().types(&kind(), &region(), &names).await.unwrap();
    assert_eq!(types.keys().collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
    assert!(types.values().all(|spec| (spec.vcpus, spec.memory_gib) == (2, 0.5)));
    assert_eq!(cloud.requests().await.len(), 3);
}
