//! Names that are not as one would like them.
use std::collections::HashSet;

use es_core::persistence::{Advance, CheckpointStore, EventStore, Filter, FollowerId, Slice, Span};
use es_core::{Position, StreamId, Version};
use es_store_postgres::{OpenError, PostgresStore};
use uuid::Uuid;

use crate::{Effort, log, server};

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
    let place = server::fresh();
    let store = server::open(&place);
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
        let stored = server::block_on(store.commit(commit));
        stored.unwrap_or_else(|error| panic!("{name:?}: {error:?}"));
        let mut other = log::commit(&[], 0);
        other.checkpoint = Some(Advance::new(
            FollowerId::new("follower", name.clone()),
            Position::START,
            Position::from(number as u64 + 1),
        ));
        server::block_on(store.commit(other)).unwrap_or_else(|error| panic!("{name:?}: {error:?}"));
    }
    for (number, name) in names.iter().enumerate() {
        let position = Position::from(number as u64 + 1);
        let stream = StreamId::new(name.clone(), id);
        let records =
            server::block_on(store.read_stream(&stream, Slice::all())).expect("it can be read");
        let [record] = &records[..] else {
            panic!("{name:?}: {records:?}")
        };
        assert_eq!((&*record.event, record.position), (&**name, position));
        for filter in [
            Filter::category(name.clone()),
            Filter::events(name.clone(), [name.clone()]),
        ] {
            let page =
                server::block_on(store.read_log(Span::all(), &filter)).expect("it can be read");
            assert_eq!(page.records.len(), 1, "{name:?}");
            assert_eq!(page.records[0].stream, stream);
        }
        let ids = server::block_on(store.read_ids(name, None, 9)).expect("they can be read");
        assert_eq!(ids, [id], "{name:?}");
        for follower in [
            FollowerId::new(name.clone(), "log"),
            FollowerId::new("follower", name.clone()),
        ] {
            let at = server::block_on(store.checkpoint(&follower)).expect("it can be read");
            assert_eq!(at, position, "{follower}");
        }
    }
    assert!(
        server::block_on(store.verify())
            .expect("it can be read")
            .findings
            .is_empty()
    );
    drop(store);

    let (mut taken, mut refused) = (HashSet::new(), 0);
    for (number, name) in names.iter().enumerate() {
        let place = server::fresh();
        let owned = server::open(&place);
        for asked in [name, "another"] {
            let owner = server::block_on(owned.owner(asked)).expect("it can be asked for");
            assert_eq!(owner, *name);
        }
        let as_prefix = place.builder().table_prefix(name);
        let as_schema = PostgresStore::builder(place.url()).schema(name);
        for (kind, builder) in [("prefix", as_prefix), ("schema", as_schema)] {
            let opened = server::block_on(async {
                let store = builder.connect().await?;
                store.migrate().await?;
                Ok(store)
            });
            match opened {
                Ok(store) => {
                    assert_eq!(
                        server::block_on(store.head()).expect("a log"),
                        Position::START,
                        "{kind} {name:?}"
                    );
                    server::block_on(store.commit(log::one(1, 0))).expect("it is stored");
                    assert!(taken.insert((kind, name.clone())), "{kind} {name:?}");
                    if kind == "schema" {
                        let quoted = name.replace('"', "\"\"");
                        let drop = format!("DROP SCHEMA \"{quoted}\" CASCADE");
                        server::execute(&place, &drop).expect("it is there");
                    }
                }
                Err(OpenError::Prefix { .. } | OpenError::Schema { .. }) => refused += 1,
                Err(other) => panic!("{kind} {number} {name:?}: {other:?}"),
            }
        }
    }
    let of = |wanted: &str| taken.iter().filter(|(kind, _)| *kind == wanted).count();
    format!(
        "names tried {}, each as category, event, follower, log, owner, table prefix and schema; prefixes taken {}, schemas taken {}, refused {refused}, \
         collisions = 0",
        names.len(),
        of("prefix"),
        of("schema")
    )
}
