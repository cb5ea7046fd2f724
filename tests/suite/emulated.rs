//! The stories whose point is in the tables and queues themselves: delivered
//! twice, failed in part, given up, worked on by two at once, throttled.
//!
//! The real handlers over the SDKs, in real time: the tables always behind a
//! gateway that can be told to misbehave, once embedded with queues in memory,
//! and once a DynamoDB and an SQS that nobody here wrote.

mod gateway;
mod service;
mod stories;

/// Makes one test of every story for both.
macro_rules! told {
    ($($story:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                use super::{service, stories};
                stories::$story(service::embedded).await;
            })+
        }
        mod elsewhere {
            $(#[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs CONTRACT_DYNAMODB_ENDPOINT and CONTRACT_SQS_ENDPOINT"]
            async fn $story() {
                use super::{service, stories};
                stories::$story(service::elsewhere).await;
            })+
        }
    };
}

told! {
    a_message_delivered_twice_does_what_it_did_once,
    a_worker_that_breaks_off_between_change_and_row_is_made_good,
    of_a_batch_only_what_failed_comes_again,
    a_panic_over_a_message_is_its_regions_failure_and_the_batch_goes_on,
    a_message_that_always_fails_ends_as_its_regions_failure_with_the_reason,
    a_message_that_cannot_be_read_is_reported_once_and_the_rest_flows,
    of_two_workers_at_once_on_a_scope_exactly_one_writes,
    throttled_and_partly_unprocessed_writes_lose_and_double_nothing,
    nothing_is_in_flight_any_more_when_a_write_has_failed,
    a_write_whose_answer_was_lost_is_not_doubled,
    what_an_operator_approves_is_deleted_once,
}
