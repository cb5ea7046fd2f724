//! The function's events: batches of one table's stream, in the order of its
//! writes.

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use cloud_sync_runtime::notify::Notice;
use cloud_sync_runtime::store::stream::{news, table_of};

use crate::bus::Entry;
use crate::{Publisher, Told};

/// The name of the event of an item that went. The tables remove only what has
/// outlived its time, and a removed account.
const REMOVE: &str = "REMOVE";

/// Handles a batch. From the first record on that could not be told, it comes
/// again; what cannot be read now cannot be read later either, and holds up
/// nothing.
pub async fn handle(publisher: &Publisher, event: Event) -> DynamoDbEventResponse {
    let mut records = Vec::new();
    for record in event.records {
        if record.event_name == REMOVE || publisher.was_told(&record.event_id) {
            continue;
        }
        match entry(&record) {
            Ok(Some(entry)) => records.push(Told {
                // Without a number the whole batch comes again.
                sequence_number: record.change.sequence_number.unwrap_or_default(),
                record: record.event_id,
                entry,
            }),
            Ok(None) => {}
            Err(problem) => give_up(publisher, &record, &problem).await,
        }
    }
    let mut response = DynamoDbEventResponse::default();
    let failed = publisher.publish(&records).await;
    match &failed {
        None => tracing::info!(published = records.len(), "told of everything"),
        Some(number) => tracing::error!(
            sequence_number = number,
            "the bus does not take a record; the batch comes again from there on"
        ),
    }
    response.batch_item_failures.extend(failed.map(|number| {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(number);
        failure
    }));
    response
}

/// Returns what is to be told of a record; `None` where that is nothing.
fn entry(record: &EventRecord) -> Result<Option<Entry>, String> {
    let arn = record.event_source_arn.as_deref().unwrap_or_default();
    let table = table_of(arn).ok_or_else(|| format!("'{arn}' is no stream of the tables"))?;
    let (new, old) = (record.change.new_image.clone(), record.change.old_image.clone());
    let news = news(table, new, old).map_err(|error| error.to_string())?;
    let document = news.and_then(|news| news.document());
    document.map(|document| Entry::new(&document)).transpose().map_err(|error| error.to_string())
}

/// Tells the operators of a record that nobody will hear of.
async fn give_up(publisher: &Publisher, record: &EventRecord, problem: &str) {
    let number = record.change.sequence_number.as_deref().unwrap_or("unknown");
    tracing::error!(
        record = record.event_id,
        sequence_number = number,
        error = problem,
        "left out"
    );
    let text = format!(
        "A record of a table's stream could not be told of on the event bus and was left out: \
         {problem}. It has the sequence number {number}; the table has what it is about."
    );
    publisher.tell(&Notice::dead_letter(None, &text)).await;
}
