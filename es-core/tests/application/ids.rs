//! The ids of all aggregates of a type.
use super::*;

#[tokio::test]
async fn every_aggregate_of_the_type_is_named_once() -> Result<()> {
    let app = app();
    assert!(app.ids::<Lamp>().next().await.is_none());
    let mut lamps: Vec<_> = (0..2_500).map(|_| Lamp::mount("hall")).collect();
    app.save(&mut lamps).await?;
    app.save(&mut Purse::open(1)).await?;
    app.update(lamps[7].id(), Lamp::switch).await?;

    let mut expected: Vec<_> = lamps.iter().map(Lamp::id).collect();
    expected.sort();
    let (mut ids, mut found) = (app.ids::<Lamp>(), Vec::new());
    while let Some(id) = ids.next().await {
        found.push(id?);
    }
    assert_eq!(found, expected);
    assert!(ids.next().await.is_none(), "it stays ended");
    Ok(())
}
