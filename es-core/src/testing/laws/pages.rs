//! Law 13: what a reader of the log gets, and how far it was read.
use bytes::Bytes;

use super::{Harness, append, commit, positions, read_log, stream, write};
use crate::domain::{Position, StreamId, Version};
use crate::persistence::{Append, EncodedEvent, EventStore, Filter, LogPage, Span};

/// Law 13.
pub async fn the_log_is_read_page_by_page(harness: impl Harness) {
    let store = harness.open().await;
    assert_eq!(read_log(&store, 0, 10).await, []);
    write(&store, [append(&stream(1), 0, 5)]).await;
    assert_eq!(positions(&read_log(&store, 0, 2).await), [1, 2]);
    assert_eq!(positions(&read_log(&store, 2, 2).await), [3, 4]);
    assert_eq!(positions(&read_log(&store, 4, 2).await), [5]);
    assert_eq!(read_log(&store, 5, 2).await, []);
    assert_eq!(read_log(&store, u64::MAX, 2).await, []);
    assert_eq!(read_log(&store, 0, 0).await, []);
}

/// Eight events of three categories, with names that occur in more than one; some would mean something in SQL or in a pattern.
async fn write_events(store: &impl EventStore) {
    let events = [
        ("Dog", "Born"),
        ("Cat", "Born"),
        ("Dog", "Barked"),
        ("D%", "Born"),
        ("Dog", "barked"),
        ("Cat", "It's \"quoted\"; --"),
        ("Dog", "Barked"),
        ("Dog", "B_rked"),
    ];
    for (place, (category, name)) in events.into_iter().enumerate() {
        let append = Append {
            stream: StreamId::new(category, uuid::Uuid::from_u128(place as u128)),
            expected: Version::NEW,
            events: vec![EncodedEvent {
                name: name.into(),
                schema: 1,
                payload: Bytes::from_static(b"{}"),
            }],
        };
        let committed = store.commit(commit([append])).await;
        committed.expect("the commit is stored");
    }
}

/// Law 13.
pub async fn a_filter_admits_by_category_and_event_name(harness: impl Harness) {
    const NONE: [&str; 0] = [];
    let store = harness.open().await;
    write_events(&store).await;
    let cases: [(Filter, &[u64]); 14] = [
        (Filter::everything(), &[1, 2, 3, 4, 5, 6, 7, 8]),
        (Filter::category("Dog"), &[1, 3, 5, 7, 8]),
        (Filter::category("D%"), &[4]),
        (Filter::category("dog"), &[]),
        (Filter::category(""), &[]),
        (Filter::events("Dog", ["Barked"]), &[3, 7]),
        (Filter::events("Dog", ["B_rked", "Born"]), &[1, 8]),
        (Filter::events("Cat", ["It's \"quoted\"; --"]), &[6]),
        (Filter::events("Cat", ["Barked"]), &[]),
        (Filter::events("Dog", NONE), &[]),
        (
            Filter::category("Cat").or_events("Dog", ["Barked", "Slept"]),
            &[2, 3, 6, 7],
        ),
        (
            Filter::events("Dog", ["Born"]).or_events("Dog", ["barked"]),
            &[1, 5],
        ),
        (
            Filter::category("Dog").or_events("Dog", ["Born"]),
            &[1, 3, 5, 7, 8],
        ),
        (
            Filter::category("Cat").or(Filter::everything()),
            &[1, 2, 3, 4, 5, 6, 7, 8],
        ),
    ];
    let all = read_log(&store, 0, 10).await;
    for (filter, admitted) in cases {
        let page = store.read_log(Span::all(), &filter).await;
        let records = page.expect("the log can be read").records;
        assert_eq!(positions(&records), admitted, "{filter:?}");
        let unfiltered = all
            .iter()
            .filter(|record| admitted.contains(&record.position.get()));
        assert!(records.iter().eq(unfiltered), "{filter:?} changes records");
    }
}

/// Law 13: every combination of where a page begins and what ends it.
pub async fn a_page_says_how_far_the_log_was_read(harness: impl Harness) {
    const HEAD: u64 = 8;
    let store = harness.open().await;
    let read = async |span, filter: &Filter| -> LogPage {
        let page = store.read_log(span, filter).await;
        page.expect("the log can be read")
    };
    let empty = read(Span::all(), &Filter::everything()).await;
    assert_eq!(empty.read_to, Position::START, "an empty log");
    write_events(&store).await;

    let filters: [(Filter, &[u64]); 4] = [
        (Filter::everything(), &[1, 2, 3, 4, 5, 6, 7, 8]),
        (Filter::category("Dog"), &[1, 3, 5, 7, 8]),
        (Filter::events("Cat", ["Born"]), &[2]),
        (Filter::category("Bird"), &[]),
    ];
    for (filter, admitted) in filters {
        for after in [0, 1, 2, 4, 7, 8, 9, u64::MAX] {
            for up_to in [0, 1, 3, 5, 7, 8, 9, u64::MAX] {
                for limit in [0, 1, 2, 5, 8, usize::MAX] {
                    let within = |position: &u64| (after + 1..=up_to).contains(position);
                    let expected: Vec<u64> = match after {
                        u64::MAX => Vec::new(),
                        _ => admitted
                            .iter()
                            .copied()
                            .filter(within)
                            .take(limit)
                            .collect(),
                    };
                    let read_to = match expected.last() {
                        _ if limit == 0 => after,
                        Some(&last) if expected.len() == limit => last,
                        // Never back behind where the page begins.
                        _ => up_to.min(HEAD).max(after),
                    };
                    let span = Span::after(Position::from(after))
                        .up_to(Position::from(up_to))
                        .limit(limit);
                    let page = read(span, &filter).await;
                    assert_eq!(positions(&page.records), expected, "{span:?} {filter:?}");
                    assert_eq!(page.read_to.get(), read_to, "{span:?} {filter:?}");
                }
            }
        }
    }
}
