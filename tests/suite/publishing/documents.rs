//! The documents: that they are what their schemas and examples say.

use cloud_sync_core::document::{DetailType, Document};
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::Mode;
use cloud_sync_core::task::TaskStatus;
use cloud_sync_tests::vendor::{Call, error, machine};
use cloud_sync_tests::world::{ACCOUNT, World};

use super::support::{assert_valid, example};

const REGION: &str = "cn-hangzhou";

/// Lets everything happen that is told of, and returns what is told, a
/// document of each type.
async fn documents() -> Vec<Document> {
    let world = World::new(&[REGION]).await;
    world.vendor.fill(REGION, "i", 3);
    let (task, _) = world.sync(Mode::Full).await;
    world.vendor.change(REGION, "i-001", |machine| {
        machine.tags.insert("owner".to_owned(), "payments".to_owned());
    });
    world.sync(Mode::Full).await;
    world.vendor.release(REGION, "i-001");
    world.sync(Mode::Full).await;
    world.vendor.put(REGION, machine("i-001"));
    world.sync(Mode::Full).await;
    let mut documents: Vec<_> =
        world.history(REGION, "i-001").await.iter().map(Document::of_change).collect();
    documents.extend(Document::of_task(&task));

    let refused = error(ErrorClass::Auth, "InvalidAccessKeyId.NotFound");
    world.vendor.fail(Call::Page, None, 0, u32::MAX, refused);
    world.sync(Mode::Full).await;
    let record = world.store.account(ACCOUNT).await.unwrap().unwrap();
    let suspension = record.suspended.expect("the account is suspended");
    documents.push(Document::of_suspension(&record.account, &suspension));
    documents
}

#[tokio::test(start_paused = true)]
async fn every_document_is_what_its_schema_and_its_example_say() {
    let documents = documents().await;
    let types: Vec<_> = documents.iter().map(|document| document.detail_type).collect();
    assert_eq!(types, DetailType::ALL);
    for document in &documents {
        assert_valid(document);
        let path = example(document);
        let text = format!("{}\n", serde_json::to_string_pretty(document).unwrap());
        if std::env::var_os("WRITE_EXAMPLES").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == text,
            "{} is stale: run the test with WRITE_EXAMPLES=1\n{text}",
            path.display()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_task_and_a_cut_document_are_what_their_schemas_say() {
    let world = World::new(&[REGION, "cn-beijing"]).await;
    let fault = error(ErrorClass::Internal, "Broken");
    world.vendor.fail(Call::Page, None, 0, u32::MAX, fault);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Failed);
    assert_valid(&Document::of_task(&task).unwrap());

    world.vendor.heal();
    let tags = (0..60).map(|n| (format!("tag-{n}"), "\u{1}".repeat(1_000))).collect();
    world.vendor.put(REGION, cloud_sync_core::resource::Resource { tags, ..machine("i-1") });
    world.sync(Mode::Full).await;
    let document = Document::of_change(&world.history(REGION, "i-1").await[0]);
    let text = serde_json::to_string(&document).unwrap();
    assert!(text.contains("\"omitted_fields\":[\"tags\"]"), "{text}");
    assert_valid(&document);
}
