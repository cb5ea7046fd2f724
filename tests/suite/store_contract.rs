//! The contract of the store, promise by promise, held up to every
//! implementation: the twin, the SDK over an embedded DynamoDB, and the SDK
//! over any other one (in CI, AWS's own DynamoDB Local).

mod accounts;
mod changes;
mod costs;
mod days;
mod dynamo;
mod fixtures;
mod resources;
mod scopes;
mod tasks;

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use cloud_sync_runtime::store::Store;
use cloud_sync_runtime::store::dynamo::DynamoStore;
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_runtime::store::tables::create_tables;
use cloud_sync_tests::dynamodb::{dynamodb_at, embedded_dynamodb};
use uuid::Uuid;

/// Where the third implementation is.
pub(crate) const ENDPOINT: &str = "CONTRACT_DYNAMODB_ENDPOINT";

#[allow(clippy::unused_async, reason = "the others are")]
async fn in_memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

async fn embedded() -> Arc<dyn Store> {
    Arc::new(over(&embedded_dynamodb().await).await)
}

async fn elsewhere() -> Arc<dyn Store> {
    let url = std::env::var(ENDPOINT).expect("CONTRACT_DYNAMODB_ENDPOINT is set");
    Arc::new(over(&dynamodb_at(&url)).await)
}

/// Returns a store over tables of its own.
pub(crate) async fn over(config: &SdkConfig) -> DynamoStore {
    let prefix = format!("contract-{}-", Uuid::new_v4().simple());
    create_tables(&Client::new(config), &prefix).await.expect("tables");
    DynamoStore::connect(config, &prefix)
}

/// Makes one test of every promise for every implementation.
macro_rules! contract {
    ($($subject:ident: $($promise:ident),+;)+) => {
        contract!(@of in_memory_twin, in_memory, [], $($subject: $($promise),+;)+);
        contract!(@of embedded_dynamodb, embedded, [], $($subject: $($promise),+;)+);
        contract!(
            @of dynamodb_elsewhere, elsewhere,
            [#[ignore = "needs CONTRACT_DYNAMODB_ENDPOINT, the URL of a DynamoDB"]],
            $($subject: $($promise),+;)+
        );
    };
    (@of $name:ident, $make:ident, $attributes:tt, $($subject:ident: $($promise:ident),+;)+) => {
        mod $name {
            $(mod $subject {
                $(contract!(@test $make, $attributes, $subject, $promise);)+
            })+
        }
    };
    (@test $make:ident, [$($attribute:tt)*], $subject:ident, $promise:ident) => {
        #[tokio::test]
        $($attribute)*
        async fn $promise() {
            use crate::store_contract as suite;
            suite::$subject::$promise(suite::$make().await).await;
        }
    };
}

contract! {
    accounts:
        an_account_that_was_never_written_is_none,
        an_account_comes_back_as_it_was_written,
        accounts_are_sorted_by_id,
        writing_a_configuration_keeps_suspension_and_regions,
        only_one_of_many_suspends_an_account,
        a_resumed_account_can_be_suspended_again,
        what_many_spend_on_a_day_adds_up,
        another_day_begins_at_nothing,
        an_identity_is_of_one_account_until_it_is_forgotten,
        an_unknown_account_stays_unknown,
        more_regions_than_fit_are_refused,
        a_configuration_is_replaced_by_who_knows_the_last_one,
        of_a_removed_account_only_its_identity_is_remembered;
    scopes:
        a_scope_that_was_never_touched_is_new,
        exactly_one_of_two_workers_gets_a_lease,
        a_lease_is_free_from_the_moment_it_expires,
        the_same_owner_gets_its_lease_again_in_a_new_epoch,
        a_takeover_keeps_the_tasks_that_may_be_unfinished,
        a_clean_release_forgets_the_tasks,
        an_abandoned_lease_is_free_at_once_and_keeps_its_tasks,
        a_worker_whose_lease_was_taken_can_write_nothing,
        a_lease_ends_only_once,
        the_findings_of_a_task_replace_those_before,
        a_continuation_finds_the_checkpoint_and_its_parts,
        a_checkpoint_replaces_the_one_before,
        the_same_part_twice_is_one,
        a_part_that_is_too_large_is_refused,
        a_missing_part_is_an_error_and_not_an_empty_one,
        a_zombie_cannot_put_its_parts_into_the_checkpoint,
        the_scopes_of_an_account_are_its_own_and_sorted,
        a_scope_given_to_a_task_keeps_its_lease,
        leases_that_are_let_expire_are_free_and_keep_their_tasks,
        one_of_two_operators_decides_first,
        what_is_decided_while_a_worker_runs_outlives_its_lease,
        nothing_is_decided_on_a_scope_that_was_never_touched,
        what_throttling_taught_is_remembered_under_the_lease,
        instance_types_are_of_one_account_and_kind_and_no_scopes,
        an_event_is_remembered_by_account_and_is_no_scope,
        the_task_of_events_is_remembered_beside_all_else;
    tasks:
        a_task_is_created_once,
        a_task_comes_back_as_it_was_written,
        starting_moves_the_deadline_out_and_never_in,
        starting_a_task_that_ended_changes_nothing,
        a_wish_to_cancel_is_for_tasks_that_have_not_ended,
        the_sums_are_written_and_the_rest_is_left,
        a_task_that_ended_is_final,
        updating_an_unknown_task_does_not_create_it,
        a_region_that_ended_is_final,
        the_results_of_a_task_are_its_own,
        open_tasks_are_those_that_have_not_ended_oldest_deadline_first,
        tasks_come_newest_first_and_limited,
        tasks_of_all_accounts_come_newest_first,
        a_task_that_has_not_begun_can_be_joined,
        a_task_is_joined_up_to_what_one_request_takes,
        tasks_go_on_after_a_place_also_within_one_time,
        tasks_until_a_time_include_it,
        a_request_is_remembered_once_until_it_is_forgotten;
    resources:
        a_row_comes_back_as_it_was_written,
        more_rows_than_a_batch_holds_are_written_and_read,
        rows_that_do_not_exist_are_left_out,
        a_row_written_twice_at_once_is_as_the_last,
        tombstones_leave_the_live_index_and_restored_rows_come_back,
        the_live_index_shows_fingerprints_and_marks,
        an_index_of_many_pages_is_read_to_its_end,
        the_rows_of_a_scope_come_in_pages_sorted_by_id,
        removed_rows_are_gone,
        a_row_that_is_too_large_is_refused_by_name,
        an_id_that_cannot_be_a_key_is_refused,
        no_rows_at_all_are_no_error;
    changes:
        a_history_is_sorted_by_version,
        a_change_of_the_same_version_is_replaced,
        the_changes_of_a_task_are_those_of_one_scope_by_id_and_version,
        the_changes_of_a_task_are_read_to_their_end,
        the_changes_of_an_account_come_in_pages_oldest_first,
        the_changes_of_an_account_begin_at_a_time,
        a_cursor_of_another_list_is_refused,
        a_change_that_is_too_large_is_refused_by_name;
    days:
        a_task_counts_for_the_day_on_which_it_ends,
        a_task_counts_once_however_often_it_is_ended,
        of_many_who_end_tasks_at_once_each_counts_once,
        what_goes_on_or_only_plans_counts_for_no_day,
        days_come_by_day_and_kind_within_bounds,
        the_latest_snapshot_of_a_day_stays,
        the_scopes_of_a_kind_are_those_of_no_other;
    costs:
        every_request_is_counted_on_its_own_meter,
        the_live_index_costs_a_fraction_of_its_rows;
}
