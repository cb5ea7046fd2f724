//! The requests that the store makes, each measured and, where the service
//! answers in part, repeated for the rest.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemOutput;
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::scan::ScanOutput;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsOutput;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{
    ConsumedCapacity, DeleteRequest, KeysAndAttributes, PutRequest, ReturnConsumedCapacity,
    ReturnValue, ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use backon::{BackoffBuilder, ExponentialBuilder};
use futures::{StreamExt, TryStreamExt, stream};

use super::DynamoStore;
use super::errors::{Call, failure, refused, unavailable};
use super::items::Item;
use crate::store::tables::Table;
use crate::store::{Result, keys};

/// The service takes at most so many writes in a batch.
const WRITES_A_BATCH: usize = 25;

/// The service takes at most so many keys in a batch.
const KEYS_A_BATCH: usize = 100;

/// So many batches are under way at a time: enough to hide the latency, too
/// few to be a burst.
const BATCHES_AT_A_TIME: usize = 4;

/// How often the rest of a batch is sent again.
const MOST_REPEATS: usize = 8;

/// A table and what is wanted of it.
#[derive(Clone, Copy)]
pub(super) struct Want {
    /// In words, for errors: "writing rows".
    pub operation: &'static str,
    /// The table.
    pub table: Table,
}

/// A query, or the part of one that callers choose.
#[derive(Default)]
pub(super) struct Query<'a> {
    /// The index; `None` for the table itself.
    pub index: Option<&'static str>,
    /// Which partition, and what part of it.
    pub condition: &'a str,
    /// Which of the items read are returned.
    pub filter: Option<&'static str>,
    /// Which attributes; `None` for all.
    pub projection: Option<&'static str>,
    /// The values in the expressions.
    pub values: Item,
    /// Whether every write before it is seen.
    pub consistent: bool,
    /// Last first.
    pub descending: bool,
    /// At most so many items are read for a page.
    pub limit: Option<i32>,
    /// The key after which to begin.
    pub after: Option<Item>,
}

/// A change of one item.
pub(super) struct Update<'a> {
    /// Which item.
    pub key: Item,
    /// What is done to it.
    pub update: &'a str,
    /// On what condition.
    pub condition: Option<&'a str>,
    /// The values in both.
    pub values: Item,
    /// Which state of the item is returned.
    pub returned: ReturnValue,
}

/// How a conditional write went.
pub(super) enum Written {
    /// Done; the item, in the state asked for.
    Done(Item),
    /// The condition did not hold; the item as it is, empty where absent.
    Unmet(Item),
}

impl Written {
    pub(super) const fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

/// An answer that tells what it cost.
pub(super) trait Costed {
    /// Read and write units.
    fn units(&self) -> (f64, f64);
}

fn sum<'a>(capacities: impl IntoIterator<Item = &'a ConsumedCapacity>) -> f64 {
    capacities.into_iter().filter_map(ConsumedCapacity::capacity_units).sum()
}

macro_rules! costed {
    ($($output:ty => |$units:ident| $pair:expr;)*) => {
        $(impl Costed for $output {
            fn units(&self) -> (f64, f64) {
                let $units = sum(self.consumed_capacity());
                $pair
            }
        })*
    };
}

costed! {
    GetItemOutput => |units| (units, 0.0);
    BatchGetItemOutput => |units| (units, 0.0);
    QueryOutput => |units| (units, 0.0);
    ScanOutput => |units| (units, 0.0);
    PutItemOutput => |units| (0.0, units);
    UpdateItemOutput => |units| (0.0, units);
    BatchWriteItemOutput => |units| (0.0, units);
    TransactWriteItemsOutput => |units| (0.0, units);
}

/// The waits before what is left of a batch is sent again: some 10 seconds in
/// sum, with jitter.
pub(super) fn waits() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(25))
        .with_max_delay(Duration::from_secs(3))
        .with_max_times(MOST_REPEATS)
        .with_jitter()
        .build()
}

impl DynamoStore {
    pub(super) fn call(&self, want: Want, api: &'static str) -> Call<'_> {
        Call { operation: want.operation, api, table: self.table_name(want.table) }
    }

    /// Awaits an answer and counts what it cost.
    pub(super) async fn measured<T: Costed, E>(
        &self,
        sent: impl Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
    ) -> std::result::Result<T, SdkError<E, HttpResponse>> {
        let began = Instant::now();
        let answer = sent.await;
        let (read, write) = answer.as_ref().map_or((0.0, 0.0), Costed::units);
        self.meter.record_store(read, write, began.elapsed());
        answer
    }

    async fn answer<T: Costed, E>(
        &self,
        call: Call<'_>,
        sent: impl Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.measured(sent).await.map_err(|error| failure(call, error))
    }

    /// Reads one item, consistently.
    pub(super) async fn get(&self, want: Want, key: Item) -> Result<Option<Item>> {
        let call = self.call(want, "GetItem");
        let request = self
            .client
            .get_item()
            .table_name(call.table)
            .set_key(Some(key))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        Ok(self.answer(call, request.send()).await?.item)
    }

    /// Reads a whole table, page by page.
    pub(super) async fn scan(&self, want: Want) -> Result<Vec<Item>> {
        let call = self.call(want, "Scan");
        let mut items = Vec::new();
        let mut after = None;
        loop {
            let request = self
                .client
                .scan()
                .table_name(call.table)
                .consistent_read(true)
                .set_exclusive_start_key(after)
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let page = self.answer(call, request.send()).await?;
            items.extend(page.items.unwrap_or_default());
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(items);
            }
        }
    }

    /// Reads one page of a query. Returns its items and the key after which
    /// the next page begins.
    pub(super) async fn query_page(
        &self,
        want: Want,
        query: &Query<'_>,
    ) -> Result<(Vec<Item>, Option<Item>)> {
        let call = self.call(want, "Query");
        let expressions = [
            query.condition,
            query.filter.unwrap_or_default(),
            query.projection.unwrap_or_default(),
        ];
        let request = self
            .client
            .query()
            .table_name(call.table)
            .set_index_name(query.index.map(Into::into))
            .key_condition_expression(query.condition)
            .set_filter_expression(query.filter.map(Into::into))
            .set_projection_expression(query.projection.map(Into::into))
            .set_expression_attribute_names(Some(keys::names(&expressions)))
            .set_expression_attribute_values(Some(query.values.clone()))
            .consistent_read(query.consistent)
            .scan_index_forward(!query.descending)
            .set_limit(query.limit)
            .set_exclusive_start_key(query.after.clone())
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let page = self.answer(call, request.send()).await?;
        Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
    }

    /// Reads a query to its end, or until `most` items are there.
    pub(super) async fn query(
        &self,
        want: Want,
        mut query: Query<'_>,
        most: usize,
    ) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        loop {
            let (page, after) = self.query_page(want, &query).await?;
            items.extend(page);
            if after.is_none() || items.len() >= most {
                items.truncate(most);
                return Ok(items);
            }
            query.after = after;
        }
    }

    /// Changes one item, if the condition holds.
    pub(super) async fn update(&self, want: Want, update: Update<'_>) -> Result<Written> {
        let call = self.call(want, "UpdateItem");
        let names = keys::names(&[update.update, update.condition.unwrap_or_default()]);
        let values = (!update.values.is_empty()).then_some(update.values);
        let request = self
            .client
            .update_item()
            .table_name(call.table)
            .set_key(Some(update.key))
            .update_expression(update.update)
            .set_condition_expression(update.condition.map(Into::into))
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(values)
            .return_values(update.returned)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        match self.measured(request.send()).await {
            Ok(answer) => Ok(Written::Done(answer.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(unmet)) => {
                    Ok(Written::Unmet(unmet.item().cloned().unwrap_or_default()))
                }
                _ => Err(failure(call, error)),
            },
        }
    }

    /// Writes one item, if the condition holds.
    pub(super) async fn put(
        &self,
        want: Want,
        item: Item,
        condition: Option<&str>,
        values: Item,
    ) -> Result<Written> {
        let call = self.call(want, "PutItem");
        let names = condition.map(|condition| keys::names(&[condition]));
        let request = self
            .client
            .put_item()
            .table_name(call.table)
            .set_item(Some(item))
            .set_condition_expression(condition.map(Into::into))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        match self.measured(request.send()).await {
            Ok(_) => Ok(Written::Done(Item::new())),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => {
                    Ok(Written::Unmet(Item::new()))
                }
                _ => Err(failure(call, error)),
            },
        }
    }

    /// Reads the items of the given keys that exist, consistently. The keys
    /// are all different.
    pub(super) async fn get_batches(&self, want: Want, keys: Vec<Item>) -> Result<Vec<Item>> {
        let batches = keys.chunks(KEYS_A_BATCH).map(<[Item]>::to_vec).collect::<Vec<_>>();
        stream::iter(batches)
            .map(|batch| self.get_batch(want, batch))
            .buffer_unordered(BATCHES_AT_A_TIME)
            .try_concat()
            .await
    }

    async fn get_batch(&self, want: Want, keys: Vec<Item>) -> Result<Vec<Item>> {
        let call = self.call(want, "BatchGetItem");
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .build()
            .map_err(|error| refused(call, &error.to_string()))?;
        let mut left = HashMap::from([(call.table.to_owned(), wanted)]);
        let mut items = Vec::new();
        let mut waits = waits();
        loop {
            let request = self
                .client
                .batch_get_item()
                .set_request_items(Some(left))
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let answer = self.answer(call, request.send()).await?;
            items.extend(answer.responses.unwrap_or_default().into_values().flatten());
            left = answer.unprocessed_keys.unwrap_or_default();
            let count: usize = left.values().map(|keys| keys.keys().len()).sum();
            if count == 0 {
                return Ok(items);
            }
            wait(call, waits.next(), count).await?;
        }
    }

    /// Writes many items. Their keys are all different.
    pub(super) async fn put_batches(
        &self,
        want: Want,
        items: impl IntoIterator<Item = Item>,
    ) -> Result<()> {
        let write = |item| {
            let put = PutRequest::builder().set_item(Some(item)).build()?;
            Ok(WriteRequest::builder().put_request(put).build())
        };
        self.write_batches(want, items.into_iter().map(write).collect()).await
    }

    /// Deletes the items of many keys. They are all different.
    pub(super) async fn delete_batches(
        &self,
        want: Want,
        keys: impl IntoIterator<Item = Item>,
    ) -> Result<()> {
        let write = |key| {
            let delete = DeleteRequest::builder().set_key(Some(key)).build()?;
            Ok(WriteRequest::builder().delete_request(delete).build())
        };
        self.write_batches(want, keys.into_iter().map(write).collect()).await
    }

    async fn write_batches(
        &self,
        want: Want,
        writes: std::result::Result<Vec<WriteRequest>, BuildError>,
    ) -> Result<()> {
        let writes = writes
            .map_err(|error| refused(self.call(want, "BatchWriteItem"), &error.to_string()))?;
        let batches =
            writes.chunks(WRITES_A_BATCH).map(<[WriteRequest]>::to_vec).collect::<Vec<_>>();
        let written: Vec<_> = stream::iter(batches)
            .map(|batch| self.write_batch(want, batch))
            .buffer_unordered(BATCHES_AT_A_TIME)
            .collect()
            .await;
        // Only now: a batch that were left in flight beside one that failed
        // could be done after whatever the caller does next.
        written.into_iter().collect()
    }

    async fn write_batch(&self, want: Want, writes: Vec<WriteRequest>) -> Result<()> {
        let call = self.call(want, "BatchWriteItem");
        let mut left = HashMap::from([(call.table.to_owned(), writes)]);
        let mut waits = waits();
        loop {
            let request = self
                .client
                .batch_write_item()
                .set_request_items(Some(left))
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let answer = self.answer(call, request.send()).await?;
            left = answer.unprocessed_items.unwrap_or_default();
            let count: usize = left.values().map(Vec::len).sum();
            if count == 0 {
                return Ok(());
            }
            wait(call, waits.next(), count).await?;
        }
    }
}

/// Waits before what is left is sent again, or gives up.
async fn wait(call: Call<'_>, delay: Option<Duration>, left: usize) -> Result<()> {
    let Some(delay) = delay else {
        let text = format!("{left} items were left undone {} times", MOST_REPEATS + 1);
        return Err(unavailable(call, &text));
    };
    tokio::time::sleep(delay).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[tokio::test]
    async fn what_stays_undone_is_given_up_in_bounded_time() {
        let waits: Vec<_> = waits().collect();
        assert_eq!(waits.len(), MOST_REPEATS);
        let sum: Duration = waits.iter().sum();
        assert!(Duration::from_secs(5) < sum && sum < Duration::from_secs(20), "{sum:?}");

        let call = Call { operation: "writing rows", api: "BatchWriteItem", table: "t-resources" };
        let given_up = wait(call, None, 3).await;
        assert!(matches!(given_up, Err(StoreError::Unavailable { .. })), "{given_up:?}");
    }
}
