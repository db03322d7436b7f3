//! The suite: every law, by name.
use futures_core::future::BoxFuture;

use super::{log, streams};
use crate::persistence::EventStore;

/// A law, ready to be tried on a store.
pub struct Law<S> {
    /// Its name, which is what it says.
    pub name: &'static str,
    /// Tries it on a fresh, empty store; panics where the store breaks it.
    pub run: fn(S) -> BoxFuture<'static, ()>,
}

/// Every law, in order. [`store_laws!`](crate::store_laws) makes tests of them; this is for running them otherwise.
#[must_use]
pub fn all<S: EventStore>() -> Vec<Law<S>> {
    macro_rules! table {
        ({} $($chapter:ident :: $law:ident)*) => {
            vec![$(Law { name: stringify!($law), run: |store| Box::pin($chapter::$law(store)) }),*]
        };
    }
    crate::each_law!(table! {})
}

/// Makes one `#[test]` of every law, each on a fresh store: an expression that is evaluated anew for each of them.
///
/// In a test file of the store's crate, with `es-core`'s feature `testing`:
///
/// ```
/// # use es_store_memory::MemoryStore;
/// es_core::store_laws!(MemoryStore::new());
/// ```
#[macro_export]
macro_rules! store_laws {
    ($fresh_store:expr) => {
        use $crate::__law_tests;
        $crate::each_law!(__law_tests! { $fresh_store });
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __law_tests {
    ({ $fresh_store:expr } $($chapter:ident :: $law:ident)*) => {$(
        #[test]
        fn $law() {
            $crate::testing::block_on($crate::testing::laws::$chapter::$law($fresh_store));
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
            streams::two_categories_with_one_id_are_two_streams
            streams::of_two_writers_racing_for_one_version_exactly_one_wins
            streams::the_same_commit_sent_again_gives_the_first_result
            streams::the_outcome_of_a_commit_is_told_by_its_id
            streams::a_commit_id_used_for_another_commit_is_refused
            log::positions_have_no_holes_after_refused_commits
            log::events_of_one_commit_are_neighbours_in_order
            log::the_log_is_read_page_by_page
            log::a_reader_misses_nothing_while_others_write
            log::time_never_runs_backwards_along_the_log
        }
    };
}
