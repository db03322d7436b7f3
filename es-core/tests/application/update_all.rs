//! One decision about several aggregates.
use super::*;

fn purses(app: &Application, coins: [u64; 3]) -> [Uuid; 3] {
    let mut purses = coins.map(Purse::open);
    pollster::block_on(app.save(&mut purses)).unwrap();
    purses.map(|purse| purse.id())
}

async fn coins(app: &Application, id: Uuid) -> u64 {
    app.get::<Purse>(id).await.unwrap().coins()
}

#[tokio::test]
async fn what_is_moved_leaves_one_and_reaches_the_other() -> Result<()> {
    let app = app();
    let [from, to, _] = purses(&app, [10, 0, 0]);
    let moved = app
        .update_all((from, to), |(from, to): (&mut Purse, &mut Purse)| {
            from.take(4)?;
            to.put(4);
            Ok(())
        })
        .await;
    match moved {
        Ok(updated) => {
            assert_eq!(updated.version, (Version::from(2), Version::from(2)));
            assert_eq!(updated.position, Some(Position::from(5)));
        }
        Err(UpdateError::Refused(Empty)) => panic!("there are ten"),
        Err(UpdateError::Failed(error)) => return Err(error),
    }
    assert_eq!((coins(&app, from).await, coins(&app, to).await), (6, 4));
    let log = app.log().read(Position::from(3), 10).await?;
    assert_eq!(log[0].commit, log[1].commit, "it is one commit");
    Ok(())
}

#[tokio::test]
async fn what_one_refuses_changes_none() -> Result<()> {
    let app = app();
    let [one, two, three] = purses(&app, [10, 1, 0]);
    let refused = app
        .update_all(
            (one, two, three),
            |(one, two, three): (&mut Purse, &mut Purse, &mut Purse)| {
                one.take(2)?;
                two.take(2)?;
                three.put(4);
                Ok::<_, Empty>(())
            },
        )
        .await;
    assert!(matches!(refused, Err(UpdateError::Refused(Empty))));
    assert_eq!(app.log().head().await?, Position::from(3));
    Ok(())
}

#[tokio::test]
async fn any_number_of_one_type_is_updated_as_a_slice() -> Result<()> {
    let app = app();
    let ids = purses(&app, [1, 2, 3]);
    let updated = app
        .update_all(ids.to_vec(), |purses: &mut [Purse]| {
            let all: u64 = purses.iter().map(Purse::coins).sum();
            for purse in purses {
                purse.put(all);
            }
        })
        .await?;
    assert_eq!(updated.version, [Version::from(2); 3]);
    assert_eq!(coins(&app, ids[2]).await, 9);
    let nothing = app
        .update_all(Vec::<Uuid>::new(), |purses: &mut [Purse]| {
            assert!(purses.is_empty());
        })
        .await?;
    assert_eq!(nothing.position, None);
    Ok(())
}

#[tokio::test]
async fn two_types_are_updated_together() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 1).await.id();
    let [purse, ..] = purses(&app, [10, 0, 0]);
    let updated = app
        .update_all((lamp, purse), |(lamp, purse): (&mut Lamp, &mut Purse)| {
            purse.take(2)?;
            lamp.switch();
            Ok::<_, Empty>(purse.coins())
        })
        .await?;
    assert_eq!(updated.value, 8);
    assert!(app.get::<Lamp>(lamp).await?.is_on());
    Ok(())
}

#[tokio::test]
async fn a_change_of_one_that_is_only_looked_at_is_seen() -> Result<()> {
    let app = app();
    let [limit, purse, _] = purses(&app, [100, 0, 0]);
    let mut decided = 0;
    let updated = app
        .update_all(
            (limit, purse),
            |(limit, purse): (&mut Purse, &mut Purse)| {
                decided += 1;
                if decided == 1 {
                    // Somebody else lowers the limit, between getting and saving.
                    let lower = app.update(limit.id(), |limit: &mut Purse| limit.take(95));
                    pollster::block_on(lower).unwrap();
                }
                purse.put(limit.coins());
            },
        )
        .await?;
    assert_eq!(decided, 2);
    assert_eq!(updated.version, (Version::from(2), Version::from(2)));
    assert_eq!(coins(&app, purse).await, 5);
    Ok(())
}

#[tokio::test]
async fn an_id_twice_or_one_that_does_not_exist_is_refused() -> Result<()> {
    let app = app();
    let [one, two, _] = purses(&app, [10, 0, 0]);
    let nobody = Uuid::from_u128(5);
    let twice = app.update_all((one, one), undecided).await.unwrap_err();
    assert!(
        matches!(&twice, UpdateError::Failed(Error::Save(SaveError::Twice { stream })) if stream.id == one),
        "{twice:?}"
    );
    let missing = app.update_all((two, nobody), undecided).await.unwrap_err();
    assert!(
        matches!(&missing, UpdateError::Failed(Error::Load(LoadError::NotFound { stream })) if stream.id == nobody),
        "{missing:?}"
    );
    Ok(())
}

#[tokio::test]
async fn swapping_them_is_told() -> Result<()> {
    let app = app();
    let [one, two, _] = purses(&app, [10, 0, 0]);
    let swapped = app
        .update_all((one, two), |(one, two): (&mut Purse, &mut Purse)| {
            one.put(1);
            std::mem::swap(one, two);
        })
        .await;
    assert!(matches!(
        swapped,
        Err(UpdateError::Failed(Error::Save(SaveError::Replaced { stream }))) if stream.id == one
    ));
    Ok(())
}

fn undecided(_: (&mut Purse, &mut Purse)) {
    panic!("there is nothing to decide");
}
