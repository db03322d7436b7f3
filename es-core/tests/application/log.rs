//! The story: history, log, who and why.
use super::*;

#[tokio::test]
async fn the_log_tells_everything_in_order() -> Result<()> {
    let app = app();
    assert_eq!(app.log().read(Position::START, 10).await?, []);
    let lamp = saved_lamp(&app, 2).await;
    let other = saved_lamp(&app, 1).await;
    app.update(lamp.id(), Lamp::switch).await?;

    let all = app.log().read(Position::START, 10).await?;
    let told: Vec<_> = all
        .iter()
        .map(|record| (record.stream.id, record.version.get(), &*record.event))
        .collect();
    let (lamp, other) = (lamp.id(), other.id());
    assert_eq!(
        told,
        [
            (lamp, 1, "Mounted"),
            (lamp, 2, "Switched"),
            (other, 1, "Mounted"),
            (lamp, 3, "Switched")
        ]
    );
    assert_eq!(app.log().read(Position::from(1), 2).await?, all[1..3]);
    assert_eq!(app.log().read(Position::from(4), 2).await?, []);
    Ok(())
}

#[tokio::test]
async fn who_and_why_are_stored_with_every_event() -> Result<()> {
    let app = app();
    let request = Uuid::from_u128(7);
    let alice = Metadata::new()
        .actor("alice")
        .correlation(request)
        .with("channel", "web");
    let for_alice = app.with(alice.clone());
    let (mut lamp, mut other) = (Lamp::mount("hall"), Lamp::mount("attic"));
    lamp.switch();
    for_alice.save((&mut lamp, &mut other)).await?;
    app.update(lamp.id(), Lamp::switch).await?;
    for_alice.update(lamp.id(), Lamp::switch).await?;

    let mut history = app.history::<Lamp>(lamp.id());
    for expected in [&alice, &alice, &Metadata::new(), &alice] {
        assert_eq!(history.next().await.unwrap()?.metadata, *expected);
    }
    let of_other = app
        .history::<Lamp>(other.id())
        .next()
        .await
        .unwrap()?
        .metadata;
    assert_eq!(of_other.get_actor(), Some("alice"));
    assert_eq!(
        (of_other.get_correlation(), of_other.get_causation()),
        (Some(request), None)
    );
    assert_eq!(
        of_other.keys().collect::<Vec<_>>(),
        [("channel", &"web".into())]
    );
    assert!(Metadata::new().is_empty() && !alice.is_empty());
    Ok(())
}

#[tokio::test]
async fn the_history_tells_what_happened_in_order() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 2).await;
    let mut history = app.history::<Lamp>(lamp.id());
    let first = history.next().await.unwrap()?;
    assert_eq!(
        first.event,
        LampEvent::Mounted {
            room: "kitchen".to_owned()
        }
    );
    assert_eq!(&first.payload[..], br#"{"room":"kitchen"}"#);
    assert_eq!(
        (first.stream, Some(first.time)),
        (stream(&lamp), lamp.created_at())
    );
    let second = history.next().await.unwrap()?;
    assert_eq!(
        (second.event, second.position),
        (LampEvent::Switched {}, Position::from(2))
    );
    assert!(history.next().await.is_none());
    assert!(history.next().await.is_none(), "it stays ended");
    Ok(())
}
