//! One log, one application.
use super::*;

fn named(store: &MemoryStore, name: &str) -> Application {
    Application::builder(store.clone()).name(name).build()
}

fn is_foreign(error: &Error) -> bool {
    let (Error::Save(SaveError::Open(open))
    | Error::Load(LoadError::Open(open))
    | Error::Log(LogError::Open(open))
    | Error::Wait(WaitError::Open(open))) = error
    else {
        return false;
    };
    matches!(open, OpenError::Foreign { name, owner } if name == "office" && owner == "school")
}

#[tokio::test]
async fn a_log_is_not_opened_under_another_name() -> Result<()> {
    let store = MemoryStore::new();
    let (school, office) = (named(&store, "school"), named(&store, "office"));
    let lamp = saved_lamp(&school, 1).await;
    let mut other = Lamp::mount("hall");
    let waited = office.wait_for(FollowerId::new("list", "school"), None, Duration::ZERO);
    let errors = [
        office.save(&mut other).await.map(|_| ()).unwrap_err(),
        office.get::<Lamp>(lamp.id()).await.map(|_| ()).unwrap_err(),
        office
            .log()
            .read(Position::START, 1)
            .await
            .map(|_| ())
            .unwrap_err(),
        office
            .ids::<Lamp>()
            .next()
            .await
            .unwrap()
            .map(|_| ())
            .unwrap_err(),
        office
            .history::<Lamp>(lamp.id())
            .next()
            .await
            .unwrap()
            .map(|_| ())
            .unwrap_err(),
        waited.await.map(|_| ()).unwrap_err(),
    ];
    for error in errors {
        assert!(is_foreign(&error), "{error:?}");
    }
    assert_eq!(other.pending().len(), 1, "nothing pending is lost");
    assert_eq!(named(&store, "school").get::<Lamp>(lamp.id()).await?, lamp);
    assert_eq!(
        Application::new(store).get::<Lamp>(lamp.id()).await?,
        lamp,
        "who has no name is not asked for one"
    );
    Ok(())
}

/// A store that can be reached from the second time on.
#[derive(Default)]
struct LateStore(MemoryStore, std::sync::atomic::AtomicBool);

impl Intercept for LateStore {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    fn owner<'a>(&'a self, name: &'a str) -> BoxFuture<'a, std::result::Result<String, ReadError>> {
        if self.1.swap(true, std::sync::atomic::Ordering::SeqCst) {
            return self.0.owner(name);
        }
        Box::pin(async { Err(ReadError::Unavailable("not yet".into())) })
    }
}

#[tokio::test]
async fn whose_log_it_is_is_asked_again_where_there_was_no_answer() -> Result<()> {
    let app = Application::builder(Intercepted(LateStore::default()))
        .name("school")
        .build();
    let mut lamp = Lamp::mount("hall");
    let error = app.save(&mut lamp).await.unwrap_err();
    assert!(
        matches!(error, Error::Save(SaveError::Open(OpenError::Store(_)))),
        "{error:?}"
    );
    assert_eq!(app.save(&mut lamp).await?.position, Some(Position::FIRST));
    Ok(())
}

#[tokio::test]
async fn after_a_claim_staging_waits_for_nothing() -> Result<()> {
    for name in [Some("school"), None] {
        let builder = Application::builder(Intercepted(Slow::default()));
        let app = match name {
            Some(name) => builder.name(name).build(),
            None => builder.build(),
        };
        let mut lamp = Lamp::mount("hall");
        let error = app.stage(&mut lamp).unwrap_err();
        assert!(
            matches!(error, Error::Save(SaveError::MustWait { .. })),
            "{error:?}"
        );
        app.claim().await?;
        app.stage(&mut lamp)?.refused();
    }
    Ok(())
}
