//! What the service's errors mean to the callers of the store.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;

use crate::store::StoreError;

/// What was asked of which table, for the texts of errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// In words: "writing rows".
    pub operation: &'static str,
    /// The service's name for it: "BatchWriteItem".
    pub api: &'static str,
    /// The table's whole name.
    pub table: &'a str,
}

impl Call<'_> {
    fn says(self, what: &str) -> String {
        format!("{} on table {}: {what}", self.api, self.table)
    }
}

pub(crate) fn unavailable(call: Call<'_>, what: &str) -> StoreError {
    StoreError::Unavailable { operation: call.operation, reason: call.says(what) }
}

pub(crate) fn refused(call: Call<'_>, what: &str) -> StoreError {
    StoreError::Refused { operation: call.operation, reason: call.says(what) }
}

pub(crate) fn corrupt(call: Call<'_>, what: &str) -> StoreError {
    StoreError::Corrupt { operation: call.operation, reason: call.says(what) }
}

/// Codes of a service that is busy, which asks to be asked again.
const BUSY: [&str; 9] = [
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "ThrottlingException",
    "Throttling",
    "TransactionInProgressException",
];

/// Returns what an error of the SDK, which has done its own retries, means.
pub(crate) fn failure<E>(call: Call<'_>, error: SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let SdkError::ServiceError(answer) = &error else {
        let text = DisplayErrorContext(&error).to_string();
        return match error {
            // The request could not even be made: the same one never can.
            SdkError::ConstructionFailure(_) => refused(call, &text),
            _ => unavailable(call, &text),
        };
    };
    let code = answer.err().code().unwrap_or("an unknown error");
    let status = answer.raw().status().as_u16();
    let request = answer.raw().request_id().unwrap_or("unknown");
    let message = answer.err().message().unwrap_or("without a message");
    let text = format!("{code}: {message} (HTTP {status}, request {request})");
    if BUSY.contains(&code) || status == 429 || status >= 500 {
        unavailable(call, &text)
    } else {
        refused(call, &text)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::config::http::HttpResponse;
    use aws_sdk_dynamodb::error::ErrorMetadata;
    use aws_sdk_dynamodb::operation::get_item::GetItemError;

    use super::*;

    const CALL: Call<'_> = Call { operation: "reading", api: "GetItem", table: "t-accounts" };

    fn answered(status: u16, code: &str) -> StoreError {
        let error = GetItemError::generic(ErrorMetadata::builder().code(code).message("m").build());
        let response = HttpResponse::new(status.try_into().unwrap(), "".into());
        failure(CALL, SdkError::service_error(error, response))
    }

    #[test]
    fn a_busy_service_is_asked_again_and_a_refusal_is_final() {
        for (status, code) in [(400, "ThrottlingException"), (500, "Whatever"), (429, "Odd")] {
            let error = answered(status, code);
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        }
        for code in ["ResourceNotFoundException", "AccessDeniedException", "ValidationException"] {
            let error = answered(400, code);
            assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        }
    }

    #[test]
    fn an_error_names_the_table_and_what_was_said() {
        assert_eq!(
            answered(400, "AccessDeniedException").to_string(),
            "reading: the store refused: GetItem on table t-accounts: \
             AccessDeniedException: m (HTTP 400, request unknown)",
        );
    }

    #[test]
    fn a_lost_request_may_be_sent_again_and_a_malformed_one_not() {
        let lost = SdkError::<GetItemError, _>::timeout_error("too slow");
        assert!(matches!(failure(CALL, lost), StoreError::Unavailable { .. }));
        let malformed = SdkError::<GetItemError, _>::construction_failure("no key");
        assert!(matches!(failure(CALL, malformed), StoreError::Refused { .. }));
    }
}
