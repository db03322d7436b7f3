//! What errors mean for whoever made the call. Erased events and keys out of reach are with the keys, failed handlers with the systems.
use es_core::ErrorKind;
use es_core::persistence::Committed;

use super::*;

/// A store that is gone.
struct Gone(MemoryStore);

impl Intercept for Gone {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    fn commit<'a>(
        &'a self,
        _: Commit,
    ) -> BoxFuture<'a, std::result::Result<Committed, AppendError>> {
        Box::pin(async { Err(AppendError::Unavailable("no route".into())) })
    }

    fn read_stream<'a>(
        &'a self,
        _: &'a StreamId,
        _: Slice,
    ) -> BoxFuture<'a, std::result::Result<Vec<Record>, ReadError>> {
        Box::pin(async { Err(ReadError::Unavailable("no route".into())) })
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 2).await;
    let unknown = app.get::<Lamp>(Uuid::nil()).await.unwrap_err();
    let version = app.get_at::<Lamp>(lamp.id(), Version::from(3)).await;
    let before = app
        .get_as_of::<Lamp>(lamp.id(), SystemTime::UNIX_EPOCH)
        .await;
    for error in [unknown, version.unwrap_err(), before.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn who_comes_second_has_a_conflict() -> Result<()> {
    let app = app();
    let mut one = saved_lamp(&app, 1).await;
    let mut two = app.get::<Lamp>(one.id()).await?;
    one.switch();
    two.switch();
    app.save(&mut one).await?;
    let error = app.save(&mut two).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    Ok(())
}

#[tokio::test]
async fn what_is_created_twice_exists_already() -> Result<()> {
    let app = app();
    let mut lamp = Lamp::mount("kitchen");
    let mut again = lamp.clone();
    app.save(&mut lamp).await?;
    let error = app.save(&mut again).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    Ok(())
}

#[tokio::test]
async fn what_the_domain_refuses_is_refused() -> Result<()> {
    let app = app();
    let mut purse = Purse::open(1);
    app.save(&mut purse).await?;
    let take = |purse: &mut Purse| purse.take(2);
    let error = app.update(purse.id(), take).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(Error::from(error).kind(), ErrorKind::Refused);
    let error = app.update(Uuid::nil(), take).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    Ok(())
}

#[tokio::test]
async fn what_no_store_takes_is_invalid() {
    let large = Metadata::new().with("page", "a".repeat(Metadata::LARGEST));
    let app = app().with(large);
    let error = app.save(&mut Lamp::mount("hall")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

#[tokio::test]
async fn who_cannot_reach_the_store_knows_whether_to_send_it_again() {
    let app = Application::new(Intercepted(Gone(MemoryStore::new())));
    let error = app.get::<Lamp>(Uuid::nil()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let error = app.save(&mut Lamp::mount("hall")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{error}");
}

#[tokio::test]
async fn who_waits_too_long_finds_it_busy() {
    let list = FollowerId::new("list", "school");
    let waited = app().wait_for(list, Position::from(1), Duration::ZERO);
    let error = waited.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
}

#[tokio::test]
async fn what_this_program_does_not_know_is_unreadable() -> Result<()> {
    let store = MemoryStore::new();
    let app = Application::new(store.clone());
    let lamp = saved_lamp(&app, 1).await;
    let stolen = Commit {
        id: CommitId::draw(),
        time: SystemTime::UNIX_EPOCH,
        metadata: Metadata::new(),
        appends: vec![Append {
            stream: stream(&lamp),
            expected: Version::FIRST,
            events: vec![EncodedEvent {
                name: "Stolen".into(),
                schema: 1,
                payload: "{}".into(),
            }],
        }],
        checkpoint: None,
    };
    app.append(stolen).await?;
    let app = Application::new(store);
    let error = app.get::<Lamp>(lamp.id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreadable, "{error}");
    Ok(())
}

#[tokio::test]
async fn what_the_program_does_wrong_is_misuse() -> Result<()> {
    let app = app();
    let mut one = saved_lamp(&app, 1).await;
    let mut same = one.clone();
    one.switch();
    same.switch();
    let error = app.save((&mut one, &mut same)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    Ok(())
}

#[tokio::test]
async fn what_is_damaged_is_unreadable_and_what_does_not_open_is_unavailable() {
    let damaged = ReadError::Damaged("a page".into());
    let error = Error::from(LogError::Store(damaged));
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    assert_eq!(Error::Open("no file".into()).kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn the_log_of_another_application_is_misuse() {
    let store = MemoryStore::new();
    let named = |name: &str| Application::builder(store.clone()).name(name).build();
    named("school").claim().await.unwrap();
    let error = named("office").get::<Lamp>(Uuid::nil()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    let error = named("school").snapshot::<Lamp>(Uuid::nil()).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Misuse);
}
