//! Laws 1 to 7: what a stream is.
use std::ops::ControlFlow;

use bytes::Bytes;

use super::{
    Harness, append, assert_as_written, assert_conflict, at, commit, nested, read, read_log,
    reopened, stream, versions, write,
};
use crate::domain::{Position, StreamId, Version};
use crate::persistence::{
    Append, AppendError, Commit, EncodedEvent, EventStore, Metadata, Record, Slice, StoredEvent,
};

/// Law 1.
pub async fn an_empty_commit_changes_nothing(harness: impl Harness) {
    let store = harness.open().await;
    let committed = store.commit(commit([])).await.expect("it is allowed");
    assert_eq!(committed.position, None);
    let without_events = store
        .commit(commit([append(&stream(1), 0, 0)]))
        .await
        .expect("it is allowed");
    assert_eq!(without_events.position, None);
    let stale = commit([append(&stream(1), 1, 0)]);
    assert_conflict(&store, stale, &stream(1), 1, 0).await;
    assert_eq!(read_log(&store, 0, 10).await, []);
    // The records of the log have times, and it has none.
    write(&store, [append(&stream(1), 0, 1)]).await;
    let earlier = Commit {
        time: at(0),
        ..commit([append(&stream(1), 1, 0)])
    };
    let committed = store.commit(earlier).await.expect("it is allowed");
    assert_eq!(
        committed.time,
        at(0),
        "a commit without events has the time that it says"
    );
}

/// Law 2.
pub async fn records_come_back_exactly_as_written(mut harness: impl Harness) {
    let store = harness.open().await;
    let stream = StreamId::new("Ünïcødé \"quoted\"; DROP TABLE events", uuid::Uuid::max());
    let payloads = [
        Bytes::from_static(b"{}"),
        Bytes::from(r#"{"float":0.1,"big":18446744073709551615,"text":"\u0000'\"🐕"}"#),
        Bytes::from(format!(r#"{{"long":"{}"}}"#, "x".repeat(70_000))),
        Bytes::from_iter(0..=u8::MAX),
        Bytes::new(),
    ];
    let sent = Commit {
        time: at(7),
        metadata: Metadata::new()
            .actor("Ann \"\0")
            .correlation(stream.id)
            .causation(uuid::Uuid::nil())
            .with("size", 1.5)
            .with("deep", nested(Metadata::DEEPEST)),
        ..commit([Append {
            stream: stream.clone(),
            expected: Version::NEW,
            events: (1_u32..)
                .zip(payloads.clone())
                .map(|(schema, payload)| EncodedEvent {
                    name: format!("Event{schema}").into(),
                    schema,
                    payload,
                })
                .collect(),
        }])
    };
    let committed = store
        .commit(sent.clone())
        .await
        .expect("the commit is stored");
    assert_eq!(committed.time, at(7));
    let too_deep = Commit {
        metadata: Metadata::new().with("deep", nested(Metadata::DEEPEST + 1)),
        ..commit([append(&stream, payloads.len() as u64, 1)])
    };
    match store.commit(too_deep).await {
        Err(AppendError::MetadataTooDeep { key, .. }) => assert_eq!(key, "deep"),
        other => panic!("what nobody could read is refused, so not {other:?}"),
    }

    let expected: Vec<_> = (1_u32..)
        .zip(payloads.clone())
        .map(|(number, payload)| Record {
            stream: stream.clone(),
            version: Version::from(u64::from(number)),
            position: Position::from(u64::from(number)),
            event: format!("Event{number}").into(),
            schema: number,
            payload,
            time: at(7),
            commit: sent.id,
            metadata: sent.metadata.clone(),
        })
        .collect();
    assert_as_written(&read(&store, &stream, Slice::all()).await, &expected);
    assert_as_written(&read_log(&store, 0, 10).await, &expected);

    let store = reopened("law 2", &mut harness, store).await;
    assert_as_written(&read(&store, &stream, Slice::all()).await, &expected);
    assert_as_written(&read_log(&store, 0, 10).await, &expected);
}

/// Law 3.
pub async fn a_version_already_present_is_a_conflict_and_nothing_is_stored(harness: impl Harness) {
    let store = harness.open().await;
    write(&store, [append(&stream(1), 0, 3)]).await;
    assert_conflict(&store, commit([append(&stream(1), 2, 2)]), &stream(1), 2, 3).await;
    assert_conflict(&store, commit([append(&stream(1), 0, 1)]), &stream(1), 0, 3).await;
    // Somebody decided by a stream to which nothing is written.
    for expected in [0, 2] {
        let decided = commit([append(&stream(2), 0, 1), append(&stream(1), expected, 0)]);
        assert_conflict(&store, decided, &stream(1), expected, 3).await;
    }
    assert_eq!(versions(&store, &stream(1), Slice::all()).await, [1, 2, 3]);
    let nothing: [u64; 0] = [];
    assert_eq!(versions(&store, &stream(2), Slice::all()).await, nothing);
}

/// Law 4.
pub async fn a_commit_over_several_streams_is_all_or_nothing(harness: impl Harness) {
    let store = harness.open().await;
    write(&store, [append(&stream(2), 0, 1)]).await;
    let streams = [stream(1), stream(2), stream(3)];
    for stale in 0..3 {
        let appends: Vec<_> = (0..3)
            .map(|place| match (place == stale, place) {
                (true, 1) => append(&streams[1], 0, 2),
                (true, _) => append(&streams[place], 1, 2),
                (false, 1) => append(&streams[1], 1, 2),
                (false, _) => append(&streams[place], 0, 2),
            })
            .collect();
        let refused = store.commit(commit(appends)).await;
        assert!(
            matches!(&refused, Err(AppendError::Conflict { stream, .. }) if *stream == streams[stale]),
            "the conflict names the stream that is stale, not {refused:?}"
        );
        assert!(read(&store, &streams[0], Slice::all()).await.is_empty());
        assert_eq!(versions(&store, &streams[1], Slice::all()).await, [1]);
        assert!(read(&store, &streams[2], Slice::all()).await.is_empty());
    }
    write(
        &store,
        [append(&streams[0], 0, 2), append(&streams[1], 1, 2)],
    )
    .await;
    assert_eq!(versions(&store, &streams[1], Slice::all()).await, [1, 2, 3]);
}

/// Law 4, its last clause.
pub async fn one_stream_may_occur_twice_in_a_commit(harness: impl Harness) {
    let store = harness.open().await;
    write(
        &store,
        [
            append(&stream(1), 0, 1),
            append(&stream(2), 0, 1),
            append(&stream(1), 1, 2),
        ],
    )
    .await;
    assert_eq!(versions(&store, &stream(1), Slice::all()).await, [1, 2, 3]);

    let stale_second = commit([append(&stream(1), 3, 1), append(&stream(1), 3, 1)]);
    assert_conflict(&store, stale_second, &stream(1), 3, 4).await;
    assert_eq!(versions(&store, &stream(1), Slice::all()).await, [1, 2, 3]);
}

/// Law 5.
pub async fn a_commit_that_would_leave_a_hole_is_refused(harness: impl Harness) {
    let store = harness.open().await;
    assert_conflict(&store, commit([append(&stream(1), 1, 1)]), &stream(1), 1, 0).await;
    write(&store, [append(&stream(1), 0, 2)]).await;
    assert_conflict(&store, commit([append(&stream(1), 3, 1)]), &stream(1), 3, 2).await;
    assert_eq!(versions(&store, &stream(1), Slice::all()).await, [1, 2]);
}

/// Law 6.
pub async fn a_stream_is_read_from_both_ends_and_in_part(harness: impl Harness) {
    let store = harness.open().await;
    write(&store, [append(&stream(1), 0, 5)]).await;
    write(&store, [append(&stream(2), 0, 1), append(&stream(1), 5, 2)]).await;

    let (all, two, five) = (Slice::all(), Version::from(2), Version::from(5));
    let cases: [(Slice, &[u64]); 12] = [
        (all, &[1, 2, 3, 4, 5, 6, 7]),
        (all.descending(), &[7, 6, 5, 4, 3, 2, 1]),
        (all.after(two), &[3, 4, 5, 6, 7]),
        (all.up_to(two), &[1, 2]),
        (all.limit(3), &[1, 2, 3]),
        (all.limit(3).descending(), &[7, 6, 5]),
        (all.after(two).up_to(five), &[3, 4, 5]),
        (all.after(two).up_to(five).descending().limit(2), &[5, 4]),
        (all.after(five).up_to(two), &[]),
        (all.after(Version::from(7)), &[]),
        (all.after(Version::MAX), &[]),
        (all.limit(0), &[]),
    ];
    for (slice, expected) in cases {
        assert_eq!(
            versions(&store, &stream(1), slice).await,
            expected,
            "{slice:?}"
        );
    }
    assert_eq!(read(&store, &stream(9), all).await, []);
}

/// Law 6.
pub async fn a_page_is_short_only_where_there_is_no_more(harness: impl Harness) {
    let store = harness.open().await;
    write(&store, [append(&stream(1), 0, 2_500)]).await;
    let (mut of_stream, mut of_log) = (Vec::new(), Vec::new());
    for after in [0, 1_000, 2_000] {
        let slice = Slice::all().after(Version::from(after)).limit(1_000);
        of_stream.push(read(&store, &stream(1), slice).await.len());
        of_log.push(read_log(&store, after, 1_000).await.len());
    }
    assert_eq!(
        (of_stream, of_log),
        (vec![1_000, 1_000, 500], vec![1_000, 1_000, 500])
    );
    let all = read(&store, &stream(1), Slice::all()).await.len();
    assert_eq!(all, 2_500, "read without a limit");
}

/// Law 6.
pub async fn visiting_a_stream_shows_what_reading_it_gives(harness: impl Harness) {
    let store = harness.open().await;
    let mut first = append(&stream(1), 0, 5);
    first.events[1].name = "Renamed".into();
    first.events[2].schema = 7;
    first.events[3].payload = Bytes::from(vec![b'x'; 70_000]);
    write(&store, [first]).await;
    let later = Commit {
        time: at(7),
        ..commit([append(&stream(2), 0, 1), append(&stream(1), 5, 1_500)])
    };
    store.commit(later).await.expect("the commit is stored");

    let (all, two) = (Slice::all(), Version::from(2));
    let cases = [
        all,
        all.descending(),
        all.after(two),
        all.up_to(two),
        all.after(two).up_to(Version::from(6)),
        all.limit(4).descending(),
        all.after(Version::from(3)).limit(1_100),
        all.after(Version::MAX),
        all.limit(0),
    ];
    for slice in cases {
        for stream in [stream(1), stream(2), stream(9)] {
            let records = read(&store, &stream, slice).await;
            for breaking_off_after in [0, 3, usize::MAX] {
                let mut expected = records.iter().map(Record::stored);
                let mut seen = 0;
                let mut visit = |event: StoredEvent<'_>| {
                    assert_eq!(Some(event), expected.next(), "of {stream}, {slice:?}");
                    seen += 1;
                    if seen > breaking_off_after {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                };
                let visited = store.visit_stream(&stream, slice, &mut visit).await;
                visited.expect("the stream can be visited");
                let asked_for = breaking_off_after.saturating_add(1);
                assert_eq!(
                    seen,
                    records.len().min(asked_for),
                    "events of {stream} visited, {slice:?}, by one who broke off after {breaking_off_after}"
                );
            }
        }
    }
}

/// Law 7.
pub async fn two_categories_with_one_id_are_two_streams(harness: impl Harness) {
    let store = harness.open().await;
    let (dog, cat) = (stream(1), StreamId::new("Cat", stream(1).id));
    write(&store, [append(&dog, 0, 2)]).await;
    write(&store, [append(&cat, 0, 1)]).await;
    assert_eq!(versions(&store, &dog, Slice::all()).await, [1, 2]);
    assert_eq!(versions(&store, &cat, Slice::all()).await, [1]);
}
