//! Two items that are changed together, or not at all.

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, TransactWriteItem, Update as Part};

use super::DynamoStore;
use super::errors::{failure, refused, unavailable};
use super::requests::{Update, Want, waits};
use crate::store::{Result, keys};

/// The reason of a part whose condition does not hold.
const UNMET: &str = "ConditionalCheckFailed";

/// The reasons for which the same transaction may succeed a moment later.
const PASSING: [&str; 3] =
    ["ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"];

impl DynamoStore {
    /// Changes two items, if the condition on the first holds. Returns whether
    /// it did.
    ///
    /// Where the answer is lost the SDK sends the same request again, which
    /// the service knows by its token and does once.
    pub(super) async fn update_both(
        &self,
        first: (Want, Update<'_>),
        second: (Want, Update<'_>),
    ) -> Result<bool> {
        let call = self.call(first.0, "TransactWriteItems");
        let part = |(want, update)| self.part_of(want, update);
        let parts: std::result::Result<Vec<_>, BuildError> =
            [first, second].into_iter().map(part).collect();
        let parts = parts.map_err(|error| refused(call, &error.to_string()))?;
        let mut waits = waits();
        loop {
            let request = self
                .client
                .transact_write_items()
                .set_transact_items(Some(parts.clone()))
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let error = match self.measured(request.send()).await {
                Ok(_) => return Ok(true),
                Err(error) => error,
            };
            let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
                error.as_service_error()
            else {
                return Err(failure(call, error));
            };
            let reasons = cancelled.cancellation_reasons();
            let mut codes = reasons.iter().filter_map(|reason| reason.code());
            if reasons.first().and_then(|reason| reason.code()) == Some(UNMET) {
                return Ok(false);
            }
            if !codes.any(|code| PASSING.contains(&code)) {
                return Err(failure(call, error));
            }
            let Some(delay) = waits.next() else {
                let text = error.message().unwrap_or("without a message").to_owned();
                return Err(unavailable(call, &text));
            };
            tokio::time::sleep(delay).await;
        }
    }

    fn part_of(
        &self,
        want: Want,
        update: Update<'_>,
    ) -> std::result::Result<TransactWriteItem, BuildError> {
        let names = keys::names(&[update.update, update.condition.unwrap_or_default()]);
        let part = Part::builder()
            .table_name(self.table_name(want.table))
            .set_key(Some(update.key))
            .update_expression(update.update)
            .set_condition_expression(update.condition.map(Into::into))
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(update.values))
            .build()?;
        Ok(TransactWriteItem::builder().update(part).build())
    }
}
