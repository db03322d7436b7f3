//! Names that are not as one would like them.
use std::collections::HashSet;

use es_core::persistence::{Advance, CheckpointStore, EventStore, Filter, FollowerId, Slice, Span};
use es_core::{Position, StreamId, Version};
use es_store_sqlite::{OpenError, SqliteStore};
use uuid::Uuid;

use crate::{Effort, log};

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
    ];
    let long = [(63, "x"), (64, "x"), (65, "x"), (64, "y"), (10_000, "x")];
    let ends = long.map(|(length, end)| format!("{}{end}", "n".repeat(length - 1)));
    plain.into_iter().map(str::to_owned).chain(ends).collect()
}

pub(crate) fn they_come_back_and_none_is_taken_for_another(_: Effort) -> String {
    let names = hostile();
    let folder = tempfile::tempdir().expect("there is room");
    let store = log::open(&folder.path().join("log.db"));
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
        let stored = pollster::block_on(store.commit(commit));
        stored.unwrap_or_else(|error| panic!("{name:?}: {error:?}"));
        let mut other = log::commit(&[], 0);
        other.checkpoint = Some(Advance::new(
            FollowerId::new("follower", name.clone()),
            Position::START,
            Position::from(number as u64 + 1),
        ));
        pollster::block_on(store.commit(other))
            .unwrap_or_else(|error| panic!("{name:?}: {error:?}"));
    }
    for (number, name) in names.iter().enumerate() {
        let position = Position::from(number as u64 + 1);
        let stream = StreamId::new(name.clone(), id);
        let records =
            pollster::block_on(store.read_stream(&stream, Slice::all())).expect("it can be read");
        let [record] = &records[..] else {
            panic!("{name:?}: {records:?}")
        };
        assert_eq!((&*record.event, record.position), (&**name, position));
        for filter in [
            Filter::category(name.clone()),
            Filter::events(name.clone(), [name.clone()]),
        ] {
            let page =
                pollster::block_on(store.read_log(Span::all(), &filter)).expect("it can be read");
            assert_eq!(page.records.len(), 1, "{name:?}");
            assert_eq!(page.records[0].stream, stream);
        }
        let ids = pollster::block_on(store.read_ids(name, None, 9)).expect("they can be read");
        assert_eq!(ids, [id], "{name:?}");
        for follower in [
            FollowerId::new(name.clone(), "log"),
            FollowerId::new("follower", name.clone()),
        ] {
            let at = pollster::block_on(store.checkpoint(&follower)).expect("it can be read");
            assert_eq!(at, position, "{follower}");
        }
    }
    assert!(
        pollster::block_on(store.verify())
            .expect("it can be read")
            .findings
            .is_empty()
    );
    drop(store);

    let (mut prefixes, mut refused) = (HashSet::new(), 0);
    let path = folder.path().join("prefixes.db");
    for (number, name) in names.iter().enumerate() {
        let owned = log::open(&folder.path().join(format!("{number}.db")));
        for asked in [name, "another"] {
            let owner = pollster::block_on(owned.owner(asked)).expect("it can be asked for");
            assert_eq!(owner, *name);
        }
        let opened = pollster::block_on(SqliteStore::builder(&path).table_prefix(name).open());
        match opened {
            Ok(store) => {
                assert_eq!(
                    pollster::block_on(store.head()).expect("a log"),
                    Position::START,
                    "{name:?}"
                );
                pollster::block_on(store.commit(log::one(1, 0))).expect("it is stored");
                assert!(prefixes.insert(name.to_ascii_lowercase()), "{name:?}");
            }
            Err(OpenError::Prefix { .. } | OpenError::Occupied { .. }) => refused += 1,
            Err(other) => panic!("{name:?}: {other:?}"),
        }
    }
    format!(
        "names tried {}, each as category, event, follower, log, owner and table prefix; prefixes taken {}, refused {refused}, collisions = 0",
        names.len(),
        prefixes.len()
    )
}
