//! Deciding on a fresh aggregate, and again on conflict.
use super::*;

#[tokio::test]
async fn a_conflict_that_never_ends_is_given_back() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let mut decided = 0;
    let refused = app
        .update(lamp.id(), |lamp: &mut Lamp| {
            decided += 1;
            let mut other = pollster::block_on(app.get::<Lamp>(lamp.id())).unwrap();
            other.switch();
            pollster::block_on(app.save(&mut other)).unwrap();
            lamp.switch();
        })
        .await;
    assert!(matches!(
        refused,
        Err(UpdateError::Failed(Error::Save(SaveError::Conflict { .. })))
    ));
    assert_eq!(decided, 16);
    let version = app.get::<Lamp>(lamp.id()).await?.version();
    assert_eq!(version, Version::from(17), "its own events are not stored");
    Ok(())
}

#[tokio::test]
async fn an_update_decides_saves_and_answers() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let updated = app.update(lamp.id(), Lamp::switch).await?;
    assert_eq!(
        (updated.version, updated.position),
        (Version::from(2), Some(Position::from(2)))
    );
    let updated = app
        .update(lamp.id(), |lamp: &mut Lamp| Ok::<_, Burnt>(lamp.is_on()))
        .await?;
    assert_eq!((updated.value, updated.position), (true, None));
    Ok(())
}

#[tokio::test]
async fn a_refusal_changes_nothing_and_keeps_its_type() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let refused = app
        .update(lamp.id(), |lamp: &mut Lamp| {
            lamp.switch();
            Err::<(), _>(Burnt)
        })
        .await;
    assert!(matches!(refused, Err(UpdateError::Refused(Burnt))));
    assert!(
        matches!(Error::from(refused.unwrap_err()), Error::Refused(refusal) if refusal.is::<Burnt>())
    );
    assert_eq!(app.get::<Lamp>(lamp.id()).await?, lamp);
    Ok(())
}

#[tokio::test]
async fn an_update_decides_again_when_another_writer_was_faster() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let mut decided = 0;
    app.update(lamp.id(), |lamp: &mut Lamp| {
        decided += 1;
        if decided < 4 {
            // Another writer, between getting and saving.
            let mut other = pollster::block_on(app.get::<Lamp>(lamp.id())).unwrap();
            other.switch();
            pollster::block_on(app.save(&mut other)).unwrap();
        }
        lamp.switch();
    })
    .await?;
    assert_eq!(decided, 4);
    assert_eq!(
        app.get::<Lamp>(lamp.id()).await?.version(),
        Version::from(5)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_update_of_many_tasks_lands_once() -> Result<()> {
    const TASKS: usize = 100;
    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (app, id) = (app.clone(), lamp.id());
            tokio::spawn(async move {
                loop {
                    match app.update(id, Lamp::switch).await {
                        Ok(_) => return,
                        Err(UpdateError::Failed(Error::Save(SaveError::Conflict { .. }))) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let version = app.get::<Lamp>(lamp.id()).await?.version();
    assert_eq!(version, Version::from(1 + TASKS as u64));
    Ok(())
}
