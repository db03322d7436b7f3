//! Names that are not as one would like them.
use std::collections::BTreeMap;

use es_core::persistence::{Advance, CheckpointStore, EventStore, Filter, FollowerId, Slice, Span};
use es_core::{Position, StreamId, Version};
use uuid::Uuid;

use super::{Effort, Log};
use crate::{block_on, log};

fn hostile() -> Vec<String> {
    let plain = [
        "",
        " ",
        "'",
        "''",
        "\"",
        "`",
        "];",
        "'; DROP TABLE es_events; --",
        "\" OR \"\" = \"",
        "Lamp",
        "lamp",
        "LAMP",
        "Lamp ",
        "a",
        "a\0",
        "a\0b",
        "a\0c",
        "\0",
        "%",
        "_",
        "?1",
        "\\",
        "\n",
        "💡",
        "👩‍👩‍👧",
        "é",
        "e\u{301}",
        "\u{feff}a",
        "\u{202e}pmaL",
        "NULL",
        "es_events",
        "a{events}",
        "x{history}",
    ];
    let long = [(63, "x"), (64, "x"), (65, "x"), (64, "y"), (10_000, "x")];
    let ends = long.map(|(length, end)| format!("{}{end}", "n".repeat(length - 1)));
    plain.into_iter().map(str::to_owned).chain(ends).collect()
}

pub(super) fn they_come_back_and_none_is_taken_for_another<L: Log>(_: Effort) -> String {
    let names = hostile();
    let place = L::fresh();
    let store = place.open();
    let id = Uuid::from_u128(1);
    for (number, name) in names.iter().enumerate() {
        let stream = StreamId::new(name.clone(), id);
        let mut commit = log::commit(&[(stream, Version::NEW, 1)], 0);
        commit.appends[0].events[0].name = name.clone().into();
        commit.checkpoint = Some(Advance::new(
            FollowerId::new(name.clone(), "log"),
            Position::START,
            Position::from(number as u64 + 1),
        ));
        let stored = block_on(store.commit(commit));
        stored.unwrap_or_else(|error| panic!("{name:?}: {error:?}"));
        let mut other = log::commit(&[], 0);
        other.checkpoint = Some(Advance::new(
            FollowerId::new("follower", name.clone()),
            Position::START,
            Position::from(number as u64 + 1),
        ));
        block_on(store.commit(other)).unwrap_or_else(|error| panic!("{name:?}: {error:?}"));
    }
    for (number, name) in names.iter().enumerate() {
        let position = Position::from(number as u64 + 1);
        let stream = StreamId::new(name.clone(), id);
        let records = block_on(store.read_stream(&stream, Slice::all())).expect("it can be read");
        let [record] = &records[..] else {
            panic!("{name:?}: {records:?}")
        };
        assert_eq!((&*record.event, record.position), (&**name, position));
        for filter in [
            Filter::category(name.clone()),
            Filter::events(name.clone(), [name.clone()]),
        ] {
            let page = block_on(store.read_log(Span::all(), &filter)).expect("it can be read");
            assert_eq!(page.records.len(), 1, "{name:?}");
            assert_eq!(page.records[0].stream, stream);
        }
        let ids = block_on(store.read_ids(name, None, 9)).expect("they can be read");
        assert_eq!(ids, [id], "{name:?}");
        for follower in [
            FollowerId::new(name.clone(), "log"),
            FollowerId::new("follower", name.clone()),
        ] {
            let at = block_on(store.checkpoint(&follower)).expect("it can be read");
            assert_eq!(at, position, "{follower}");
        }
    }
    assert!(
        block_on(store.verify())
            .expect("it can be read")
            .findings
            .is_empty()
    );
    drop(store);

    let (mut taken, mut refused) = (BTreeMap::<&str, usize>::new(), 0);
    for name in &names {
        let fresh = L::fresh();
        let owned = fresh.open();
        for asked in [name, "another"] {
            let owner = block_on(owned.owner(asked)).expect("it can be asked for");
            assert_eq!(owner, *name);
        }
        refused += place.named(name, |way, store| {
            let head = block_on(store.head()).expect("a log");
            assert_eq!(head, Position::START, "{way} {name:?} is another's too");
            block_on(store.commit(log::one(1, 0))).expect("it is stored");
            *taken.entry(way).or_default() += 1;
        });
    }
    let ways: Vec<_> = taken.keys().copied().collect();
    let taken: Vec<_> = taken
        .iter()
        .map(|(way, n)| format!("taken as {way} {n}"))
        .collect();
    format!(
        "names tried {}, each as category, event, follower, log, owner, {}; {}, refused {refused}, collisions = 0",
        names.len(),
        ways.join(", "),
        taken.join(", ")
    )
}
