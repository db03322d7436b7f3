//! What can be wrong with a store, and who finds out.

macro_rules! faults {
    ($($fault:ident: $($law:ident)|+,)*) => {
        /// What is wrong with a store.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub(crate) enum Fault {
            Nothing,
            $($fault,)*
        }

        /// Every fault, and the laws that must catch it.
        pub(crate) const CAUGHT: &[(Fault, &[&str])] =
            &[$((Fault::$fault, &[$(stringify!($law)),+]),)*];
    };
}

faults! {
    DoesNothing: records_come_back_exactly_as_written,
    RefusesEmptyCommits: an_empty_commit_changes_nothing,
    TakesTheTimeOfTheLogForThatOfNothing: an_empty_commit_changes_nothing,
    DropsOneEventInAThousand: a_reader_misses_nothing_while_others_write,
    SwapsNeighbours: a_stream_is_read_from_both_ends_and_in_part,
    DeliversTwice: records_come_back_exactly_as_written,
    WritesHalfACommit: a_commit_over_several_streams_is_all_or_nothing,
    IgnoresTheExpectedVersion: a_version_already_present_is_a_conflict_and_nothing_is_stored,
    ChecksThenForgetsWhatHasNoEvents: of_two_writers_who_each_rest_on_what_the_other_changes_exactly_one_wins,
    MeansAnotherVersionInAConflict: of_two_writers_racing_for_one_version_exactly_one_wins,
    LeavesHoles: a_commit_that_would_leave_a_hole_is_refused,
    ForgetsOnReopen: positions_have_no_holes_after_refused_commits,
    ShowsEventsBeforeTheCommit: a_reader_on_another_handle_misses_nothing_while_others_write,
    ReadsStale: a_version_already_present_is_a_conflict_and_nothing_is_stored,
    MixesCategories: two_categories_with_one_id_are_two_streams,
    CutsAt64KiB: records_come_back_exactly_as_written,
    LosesFloatPrecision: records_come_back_exactly_as_written
        | an_event_comes_back_from_the_store_as_it_was_recorded,
    ReadsTextOnly: records_come_back_exactly_as_written,
    ForgetsTheSchema: records_come_back_exactly_as_written
        | upcasters_run_in_order_however_an_event_is_read
        | an_event_that_the_code_does_not_know_is_an_error_that_names_it,
    ForgetsMetadata: records_come_back_exactly_as_written,
    ChecksThenWrites: one_stream_may_occur_twice_in_a_commit,

    ReadsAThousandAtMost: a_page_is_short_only_where_there_is_no_more,
    CutsPages: a_page_is_short_only_where_there_is_no_more,
    ForgetsTheOrder: a_stream_is_read_from_both_ends_and_in_part,
    IgnoresTheLimit: a_stream_is_read_from_both_ends_and_in_part,
    StopsOneBefore: a_stream_is_read_from_both_ends_and_in_part,
    VisitsForwardsAlone: visiting_a_stream_shows_what_reading_it_gives,
    VisitsPagesOfAThousand: visiting_a_stream_shows_what_reading_it_gives,
    GoesOnVisiting: visiting_a_stream_shows_what_reading_it_gives,

    StoresTheRestOfARefusedCommit: a_refused_commit_fails_alone,
    TakesOthersAlong: a_refused_commit_fails_alone,
    ForgetsCommitIds: the_same_commit_sent_again_gives_the_first_result,
    ForgetsCommitIdsOnReopen: a_commit_sent_again_moves_no_checkpoint_again,
    ForgetsCommitIdsOfOtherHandles: a_commit_sent_again_moves_no_checkpoint_again,
    ChecksTheCheckpointBeforeTheId: a_commit_that_was_given_up_is_stored_once,
    ChecksTheIdThenWrites: a_commit_sent_twice_at_once_is_stored_once
        | of_commits_that_share_an_id_at_once_one_is_stored,
    TrustsCommitIds: a_commit_id_used_for_another_commit_is_refused,
    TrustsTheIdsOfWhatIsNotKept: a_commit_id_used_for_another_commit_is_refused,
    KeepsIdsOfRefusedCommits: random_histories_agree_with_the_model,
    ForgetsOutcomes: the_outcome_of_a_commit_is_told_by_its_id,
    StaysDisconnected: a_handle_recovers_when_its_connections_are_cut
        | a_subscription_goes_on_after_its_connections_are_cut,
    SaysThatALostCommitFailed: a_handle_recovers_when_its_connections_are_cut,
    SendsACommitTwice: a_handle_recovers_when_its_connections_are_cut,
    KnowsNoCommitWhileDisconnected: a_handle_recovers_when_its_connections_are_cut,
    KnowsNoCheckpointWhileDisconnected: a_handle_recovers_when_its_connections_are_cut,
    KnowsNoStreamWhileDisconnected: a_handle_recovers_when_its_connections_are_cut,

    CountsRefusedCommits: positions_have_no_holes_after_refused_commits,
    ReadsWhatWasThereWhenOpened: every_handle_sees_everything,
    SpreadsACommit: events_of_one_commit_are_neighbours_in_order,
    ShowsHalfOfACommitFirst: a_reader_misses_nothing_while_others_write
        | a_reader_on_another_handle_misses_nothing_while_others_write,
    ShowsEventsOutOfOrder: a_reader_misses_nothing_while_others_write
        | a_subscription_misses_nothing_while_others_write,
    LagsBehindNowAndThen: concurrent_histories_can_be_explained,
    SaysTheHeadIsTheNextPosition: the_head_is_the_newest_position_and_the_start_of_an_empty_log,
    KnowsNoTimeBefore1970: time_never_runs_backwards_along_the_log,
    KeepsTheClockOfTheWriter: time_never_runs_backwards_along_the_log,

    StartsPagesTwice: the_log_is_read_page_by_page
        | a_subscription_yields_what_is_there_then_what_comes,
    ReadsTheLogToItsEnd: a_page_says_how_far_the_log_was_read,
    IgnoresTheFilter: a_filter_admits_by_category_and_event_name
        | a_filtered_subscription_yields_what_is_admitted_and_no_more,
    FiltersByCategoryAlone: a_filter_admits_by_category_and_event_name,
    KeepsOnePartOfACategory: a_filter_admits_by_category_and_event_name,
    CountsFilteredEventsAnew: a_filter_admits_by_category_and_event_name
        | a_filtered_subscription_yields_what_is_admitted_and_no_more,
    FiltersAfterTheLimit: a_page_says_how_far_the_log_was_read,
    SaysItReadToTheLastRecord: a_page_says_how_far_the_log_was_read,
    SaysItReadToTheEnd: a_page_says_how_far_the_log_was_read,
    SaysItReadToTheEndOfTheSpan: a_page_says_how_far_the_log_was_read
        | a_subscription_yields_what_is_there_then_what_comes,

    TellsOfNoChange: a_commit_ends_the_wait_for_a_change,
    TellsOfEventsAlone: a_commit_ends_the_wait_for_a_change,
    TellsOfNoDecision: a_decision_ends_the_wait_for_a_change,
    TellsOfAChangeEveryTime: a_commit_ends_the_wait_for_a_change
        | every_event_has_its_effect_once_whoever_runs_the_follower,
    WakesOneOfThree: everyone_who_waits_for_a_change_is_woken,
    ListensOnlyWhenPolled: a_change_between_asking_and_waiting_is_not_missed,

    BlocksItsThread: a_subscription_ends_when_told,
    ReadsTheLogFromOnePlaceForAll: two_subscriptions_do_not_disturb_each_other,
    SkipsWhatCameWhileDisconnected: a_subscription_goes_on_after_its_connections_are_cut,
    RepeatsAPageOnceReconnected: a_subscription_goes_on_after_its_connections_are_cut,

    StoresTheCheckpointFirst: a_checkpoint_is_stored_with_its_events_or_not_at_all,
    StoresTheEventsFirst: a_checkpoint_is_stored_with_its_events_or_not_at_all,
    ForgetsCheckpointsOnReopen: a_checkpoint_is_stored_with_its_events_or_not_at_all,
    DropsACheckpointWithoutEvents: a_checkpoint_moves_without_events_too
        | waiting_ends_when_the_follower_gets_there,
    TrustsWhoMovesACheckpoint: a_checkpoint_only_moves_forward_from_where_its_writer_believed_it,
    MovesCheckpointsBackwards: a_checkpoint_only_moves_forward_from_where_its_writer_believed_it,
    MeansAnotherPositionInARefusal: a_checkpoint_only_moves_forward_from_where_its_writer_believed_it,
    ChecksACheckpointThenMovesIt: of_two_writers_racing_for_one_checkpoint_exactly_one_wins,
    SaysACheckpointIsOneBefore: waiting_ends_at_once_where_the_follower_has_been,
    RemembersCheckpoints: waiting_ends_when_the_follower_gets_there,
    MixesFollowers: checkpoints_are_kept_per_follower_and_log
        | waiting_ends_by_time_out_otherwise,
    MixesLogs: checkpoints_are_kept_per_follower_and_log
        | waiting_ends_by_time_out_otherwise,
    CutsNamesAtNul: checkpoints_are_kept_per_follower_and_log,
    GluesNames: checkpoints_are_kept_per_follower_and_log,

    RenewsByRaising: a_lease_is_taken_by_raising_its_epoch_and_renewed_without,
    NamesWhoHadALease: nobody_has_a_lease_that_has_ended,
    ForgetsWhyOneStopped: why_a_follower_stopped_is_kept_until_its_lease_is_taken_again,
    GivesBackUnderAnyEpoch: a_lease_is_taken_by_raising_its_epoch_and_renewed_without,
    LeasesWhatSomebodyHas: a_lease_is_taken_by_raising_its_epoch_and_renewed_without,
    IgnoresEpochs: a_write_under_an_older_epoch_is_refused,
    ForgetsWhereACheckpointStands: a_checkpoint_keeps_the_commit_it_stands_at,
    StandsStillWithTheCheckpoint: a_checkpoint_keeps_the_commit_it_stands_at,
    ParksAnewWhatFailsAgain: what_is_parked_waits_in_order_and_leaves_a_record_when_dropped,
    ForgetsWhyTheForgottenFailed: of_a_follower_that_is_forgotten_its_epoch_and_what_was_dropped_are_kept,
    ParksNothing: what_is_parked_waits_in_order_and_leaves_a_record_when_dropped,
    KnowsNoFollowers: what_is_parked_waits_in_order_and_leaves_a_record_when_dropped,
    PlacesUnderAnyEpoch: of_a_follower_that_is_forgotten_its_epoch_and_what_was_dropped_are_kept,
    PlacesNobody: of_a_follower_that_is_forgotten_its_epoch_and_what_was_dropped_are_kept
        | who_put_a_follower_somewhere_is_on_record,
    ForgetsWhoPlaced: who_put_a_follower_somewhere_is_on_record,
    TellsOfTheLastDroppedFirst: what_is_parked_waits_in_order_and_leaves_a_record_when_dropped,
    ForgetsWhoDropped: what_is_parked_waits_in_order_and_leaves_a_record_when_dropped,
    KeepsHalfABatch: an_effect_and_its_checkpoint_become_visible_together,
    ShowsWhatIsBuilt: two_revisions_stand_beside_each_other_until_one_takes_the_place,
    BeginsAgainWithTheFirstEpoch: who_built_what_took_the_place_is_told_from_who_builds_next,
    SwapsWhateverIsParked: what_takes_the_place_lacks_nothing_that_was_handled_or_given_up_on,
    SwapsWhateverIsRefused: what_takes_the_place_brings_all_that_it_has_and_decisions_stay,
    SwapsWithoutWhatIsParked: what_takes_the_place_brings_all_that_it_has_and_decisions_stay,
    SwapsWithoutWhatWasDropped: what_takes_the_place_brings_all_that_it_has_and_decisions_stay,
    SwapsAndTellsOfADecisionTwice: what_takes_the_place_brings_all_that_it_has_and_decisions_stay,
    SwapsWithoutTheCommit: what_takes_the_place_brings_all_that_it_has_and_decisions_stay,
    SwapsAndLowersTheEpoch: what_takes_the_place_brings_all_that_it_has_and_decisions_stay,
    SwapsAndLeavesWhatWasParked: what_takes_the_place_brings_all_that_it_has_and_decisions_stay,
    SwapsWithoutWhoPlaced: what_takes_the_place_brings_all_that_it_has_and_decisions_stay,
    ForgetsTheRevisionOnReopen: what_takes_the_place_brings_all_that_it_has_and_decisions_stay,
    PreparesUnderAnyEpoch: what_takes_the_place_brings_all_that_it_has_and_decisions_stay,
    MakesNothingAnew: what_is_made_anew_begins_with_nothing,
    MakesAnewBesideTheTables: what_is_made_anew_begins_with_nothing,
    MakesAnewBesideWhatIsParked: what_is_made_anew_begins_with_nothing,
    MakesAnewBesideWhatWasDropped: what_is_made_anew_begins_with_nothing,
    KeepsWhatIsRehearsed: a_dry_run_leaves_the_store_as_it_was,
    RehearsesWhatIsPreparedAlone: a_dry_run_leaves_the_store_as_it_was,
    RehearsesWhatIsPast: a_dry_run_leaves_the_store_as_it_was,
    SkipsWhatFails: a_panic_in_a_handler_changes_that_follower_alone,
    TakesWhatRunsInsideForAFollower: a_projection_inside_of_commits_is_never_behind,
    BeginsInsideWithTheNewestCommit: a_projection_inside_of_commits_is_never_behind,
    IgnoresTheFilterInside: a_projection_inside_of_commits_is_never_behind,
    PlacesWhatRunsInside: the_name_of_a_projection_inside_of_commits_is_kept_when_all_is_closed,
    RenewsWhatRunsInside: the_name_of_a_projection_inside_of_commits_is_kept_when_all_is_closed,
    ForgetsOnReopenWhatRunsInside: the_name_of_a_projection_inside_of_commits_is_kept_when_all_is_closed,
    KeepsWhatAnOlderRevisionMade: a_raised_revision_is_made_anew_inside_of_commits,
    WritesBesideANewerRevision: a_raised_revision_is_made_anew_inside_of_commits,
    RunsInsideNowAndThen: a_projection_inside_of_commits_is_never_behind,
    StoresWhatAProjectionRefuses: a_commit_that_a_projection_refuses_leaves_nothing,
    TakesNeighboursOfWhatIsRefusedAlong: a_commit_that_a_projection_refuses_takes_no_neighbour_along,
    HandlesWhatIsSentAgain: what_was_given_up_is_stored_with_what_projections_make_of_it,
    RunsInsideBesideWhatIsSetAside: nothing_runs_inside_of_commits_whose_name_has_set_events_aside,
    LeasesWhatRunsInside: nobody_follows_under_the_name_of_a_projection_inside_of_commits,
    RepeatsAnEventNowAndThen: every_event_has_its_effect_once_whoever_runs_the_follower,

    FindsTheNewestSnapshotOfAll: the_newest_snapshot_at_or_below_a_version_is_found,
    FindsSnapshotsAtTheVersionAlone: the_newest_snapshot_at_or_below_a_version_is_found,
    MixesCategoriesOfSnapshots: the_newest_snapshot_at_or_below_a_version_is_found,
    KeepsTheNewestSnapshotAlone: the_newest_snapshot_at_or_below_a_version_is_found,
    CutsSnapshotsAt64KiB: a_snapshot_comes_back_exactly_as_it_was_kept,
    RoundsFingerprints: a_snapshot_comes_back_exactly_as_it_was_kept,
    KeepsTheFirstSnapshot: a_second_snapshot_at_a_version_replaces_the_first,
    ForgetsWhatASnapshotCovers: with_and_without_snapshots_and_cache_aggregates_are_equal,
    DropsNoSnapshots: dropping_snapshots_changes_no_event,
    DropsAllSnapshots: dropping_snapshots_changes_no_event,

    ReadsLargeNumbersAsFloats: an_event_comes_back_from_the_store_as_it_was_recorded,
    LeavesOutNul: an_event_comes_back_from_the_store_as_it_was_recorded,
    CutsNamesOfEvents: upcasters_run_in_order_however_an_event_is_read
        | an_event_that_the_code_does_not_know_is_an_error_that_names_it,

    ReadsIdsOfEveryEvent: the_ids_of_a_category_are_read_page_by_page,
    ReadsIdsBackwards: the_ids_of_a_category_are_read_page_by_page,
    StartsIdsTwice: the_ids_of_a_category_are_read_page_by_page,
    ReadsIdsOfEveryCategory: the_ids_of_a_category_are_read_page_by_page,
    BelongsToWhoeverAsks: the_first_who_asks_owns_the_log,
    ForgetsTheOwnerOnReopen: the_first_who_asks_owns_the_log,
    IsTakenForEveryLog: a_log_is_told_from_others,
    IsTakenForAnotherLogEachTime: a_log_is_told_from_others,
}
