//! The contract of the queue, promise by promise, held up to every
//! implementation: the twin in virtual time, and the SDK over any SQS (in CI,
//! two that nobody here wrote).

mod made;
mod promises;

pub(crate) use made::{Made, Type, elsewhere, in_memory};

/// Makes one test of every promise for every implementation.
macro_rules! contract {
    ($($promise:ident),+ $(,)?) => {
        mod in_memory_twin {
            $(#[tokio::test(start_paused = true)]
            async fn $promise() {
                use super::{made, promises};
                promises::$promise(made::in_memory).await;
            })+
        }
        mod sqs_elsewhere {
            $(#[tokio::test]
            #[ignore = "needs CONTRACT_SQS_ENDPOINT, the URL of an SQS"]
            async fn $promise() {
                use super::{made, promises};
                promises::$promise(made::elsewhere).await;
            })+
        }
    };
}

contract! {
    what_is_sent_comes_as_it_was,
    an_empty_queue_answers_after_the_wait,
    a_waiting_receiver_gets_what_is_sent_meanwhile,
    a_group_keeps_its_order,
    one_message_of_a_group_is_in_flight_while_other_groups_flow,
    a_message_comes_again_after_its_visibility_timeout,
    a_message_that_comes_again_is_still_before_its_group,
    a_postponed_message_comes_later,
    a_message_postponed_by_nothing_comes_at_once,
    a_deleted_message_is_gone,
    a_second_message_with_the_same_dedup_text_is_dropped,
    a_dropped_message_stays_dropped_after_the_first_was_deleted,
    any_text_is_a_group_and_a_dedup_text,
    more_messages_than_a_request_holds_are_sent,
    messages_larger_than_a_request_in_sum_are_sent,
    a_message_that_is_too_large_is_refused_and_the_others_are_sent,
    after_its_last_delivery_a_message_is_in_the_dead_letter_queue,
    a_given_up_message_lets_its_group_flow,
    a_standard_queue_delivers_everything,
    a_fifo_queue_refuses_what_has_no_order,
    a_receipt_that_never_was_is_an_error,
}
