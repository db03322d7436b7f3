//! The suite: every law, by name.
use super::{
    Harness, aggregates, changes, chaos, checkpoints, commits, concurrency, connections, followers,
    histories, inline, leases, log, mapping, names, pages, snapshots, streams, subscriptions,
    waiting,
};

/// A law, ready to be tried.
pub struct Law {
    /// Its name, which is what it says.
    pub name: &'static str,
    /// Tries it on a fresh log; panics where the store breaks it.
    pub run: fn(),
}

/// Every law, in order. [`store_laws!`](crate::store_laws) makes tests of them; this is for running them otherwise.
#[must_use]
pub fn all<H: Harness>() -> Vec<Law> {
    macro_rules! table {
        ({} $($chapter:ident :: $law:ident)*) => {
            vec![$(Law {
                name: stringify!($law),
                run: || H::block_on(async { $chapter::$law(H::fresh().await).await }),
            }),*]
        };
    }
    crate::each_law!(table! {})
}

/// Makes one `#[test]` of every law, each on a fresh log of a [`Harness`](crate::testing::laws::Harness).
///
/// In a test file of the store's crate, with `es-core`'s feature `testing`:
///
/// ```
/// # use es_core::testing::laws::Harness;
/// # use es_store_memory::MemoryStore;
/// # use futures_core::future::BoxFuture;
/// # struct MemoryHarness(MemoryStore);
/// # impl Harness for MemoryHarness {
/// #     type Store = MemoryStore;
/// #     fn fresh() -> BoxFuture<'static, Self> { Box::pin(async { Self(MemoryStore::new()) }) }
/// #     fn open(&self) -> BoxFuture<'_, MemoryStore> { Box::pin(async { self.0.clone() }) }
/// # }
/// es_core::store_laws!(MemoryHarness);
/// ```
#[macro_export]
macro_rules! store_laws {
    ($harness:ty) => {
        use $crate::__law_tests;
        $crate::each_law!(__law_tests! { $harness });
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __law_tests {
    ({ $harness:ty } $($chapter:ident :: $law:ident)*) => {$(
        #[test]
        fn $law() {
            use $crate::testing::laws::{Harness, $chapter};
            <$harness as Harness>::block_on(async {
                $chapter::$law(<$harness as Harness>::fresh().await).await;
            });
        }
    )*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! each_law {
    ($then:ident! { $($with:tt)* }) => {
        $then! { { $($with)* }
            streams::an_empty_commit_changes_nothing
            streams::records_come_back_exactly_as_written
            streams::a_version_already_present_is_a_conflict_and_nothing_is_stored
            streams::a_commit_over_several_streams_is_all_or_nothing
            streams::one_stream_may_occur_twice_in_a_commit
            streams::a_commit_that_would_leave_a_hole_is_refused
            streams::a_stream_is_read_from_both_ends_and_in_part
            streams::a_page_is_short_only_where_there_is_no_more
            streams::visiting_a_stream_shows_what_reading_it_gives
            streams::two_categories_with_one_id_are_two_streams
            commits::a_refused_commit_fails_alone
            commits::of_two_writers_racing_for_one_version_exactly_one_wins
            commits::of_two_writers_who_each_rest_on_what_the_other_changes_exactly_one_wins
            commits::the_same_commit_sent_again_gives_the_first_result
            commits::a_commit_sent_again_moves_no_checkpoint_again
            commits::a_commit_sent_twice_at_once_is_stored_once
            commits::of_commits_that_share_an_id_at_once_one_is_stored
            commits::a_commit_that_was_given_up_is_stored_once
            commits::the_outcome_of_a_commit_is_told_by_its_id
            commits::a_commit_id_used_for_another_commit_is_refused
            connections::a_handle_recovers_when_its_connections_are_cut
            log::positions_have_no_holes_after_refused_commits
            log::every_handle_sees_everything
            log::events_of_one_commit_are_neighbours_in_order
            log::a_reader_misses_nothing_while_others_write
            log::a_reader_on_another_handle_misses_nothing_while_others_write
            pages::the_log_is_read_page_by_page
            pages::a_filter_admits_by_category_and_event_name
            pages::a_page_says_how_far_the_log_was_read
            changes::a_commit_ends_the_wait_for_a_change
            changes::a_decision_ends_the_wait_for_a_change
            changes::everyone_who_waits_for_a_change_is_woken
            changes::a_change_between_asking_and_waiting_is_not_missed
            subscriptions::a_subscription_yields_what_is_there_then_what_comes
            subscriptions::a_filtered_subscription_yields_what_is_admitted_and_no_more
            subscriptions::a_subscription_ends_when_told
            subscriptions::two_subscriptions_do_not_disturb_each_other
            subscriptions::a_subscription_misses_nothing_while_others_write
            subscriptions::a_subscription_goes_on_after_its_connections_are_cut
            log::the_head_is_the_newest_position_and_the_start_of_an_empty_log
            log::time_never_runs_backwards_along_the_log
            checkpoints::a_checkpoint_is_stored_with_its_events_or_not_at_all
            checkpoints::a_checkpoint_moves_without_events_too
            checkpoints::a_checkpoint_only_moves_forward_from_where_its_writer_believed_it
            checkpoints::of_two_writers_racing_for_one_checkpoint_exactly_one_wins
            checkpoints::checkpoints_are_kept_per_follower_and_log
            leases::a_lease_is_taken_by_raising_its_epoch_and_renewed_without
            leases::nobody_has_a_lease_that_has_ended
            leases::why_a_follower_stopped_is_kept_until_its_lease_is_taken_again
            leases::a_write_under_an_older_epoch_is_refused
            leases::what_is_parked_waits_in_order_and_leaves_a_record_when_dropped
            leases::of_a_follower_that_is_forgotten_its_epoch_and_what_was_dropped_are_kept
            leases::who_put_a_follower_somewhere_is_on_record
            leases::a_checkpoint_keeps_the_commit_it_stands_at
            followers::an_effect_and_its_checkpoint_become_visible_together
            followers::two_revisions_stand_beside_each_other_until_one_takes_the_place
            followers::who_built_what_took_the_place_is_told_from_who_builds_next
            followers::what_takes_the_place_lacks_nothing_that_was_handled_or_given_up_on
            followers::what_takes_the_place_brings_all_that_it_has_and_decisions_stay
            followers::what_is_made_anew_begins_with_nothing
            followers::a_dry_run_leaves_the_store_as_it_was
            followers::a_panic_in_a_handler_changes_that_follower_alone
            inline::a_projection_inside_of_commits_is_never_behind
            inline::a_commit_that_a_projection_refuses_leaves_nothing
            inline::a_commit_that_a_projection_refuses_takes_no_neighbour_along
            inline::what_was_given_up_is_stored_with_what_projections_make_of_it
            inline::nothing_runs_inside_of_commits_whose_name_has_set_events_aside
            inline::nobody_follows_under_the_name_of_a_projection_inside_of_commits
            inline::the_name_of_a_projection_inside_of_commits_is_kept_when_all_is_closed
            inline::a_raised_revision_is_made_anew_inside_of_commits
            chaos::every_event_has_its_effect_once_whoever_runs_the_follower
            waiting::waiting_ends_at_once_where_the_follower_has_been
            waiting::waiting_ends_when_the_follower_gets_there
            waiting::waiting_ends_by_time_out_otherwise
            snapshots::the_newest_snapshot_at_or_below_a_version_is_found
            snapshots::a_snapshot_comes_back_exactly_as_it_was_kept
            snapshots::a_second_snapshot_at_a_version_replaces_the_first
            snapshots::dropping_snapshots_changes_no_event
            aggregates::with_and_without_snapshots_and_cache_aggregates_are_equal
            mapping::an_event_comes_back_from_the_store_as_it_was_recorded
            mapping::upcasters_run_in_order_however_an_event_is_read
            mapping::an_event_that_the_code_does_not_know_is_an_error_that_names_it
            names::the_ids_of_a_category_are_read_page_by_page
            names::the_first_who_asks_owns_the_log
            names::a_log_is_told_from_others
            histories::random_histories_agree_with_the_model
            concurrency::concurrent_histories_can_be_explained
        }
    };
}
