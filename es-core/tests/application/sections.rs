//! The log in pieces that have a name, and filtered.
use super::*;

#[tokio::test]
async fn sections_lead_from_one_to_the_next() -> Result<()> {
    let app = app();
    saved_lamp(&app, 7).await;
    let log = app.log();
    let first = log.section("1,3".parse().unwrap()).await?;
    assert_eq!(
        (first.records.len(), first.next.unwrap().to_string()),
        (3, "4,6".to_owned())
    );
    let second = log.section(first.next.unwrap()).await?;
    let third = log.section(second.next.unwrap()).await?;
    assert_eq!(
        (third.id.to_string(), third.records.len()),
        ("7,9".to_owned(), 1)
    );
    assert_eq!(third.next, None, "there may be more of it later");
    let beyond = log.section("100,200".parse().unwrap()).await?;
    assert_eq!((beyond.records.len(), beyond.next), (0, None));
    let all = [first.records, second.records, third.records].concat();
    assert_eq!(all, log.read(Position::START, 100).await?);
    Ok(())
}

#[test]
fn what_names_no_section_is_refused() {
    for text in [
        "",
        "1",
        "0,5",
        "5,4",
        "a,b",
        "1,2,3",
        "-1,5",
        "1,99999999999999999999",
    ] {
        let error = text.parse::<es_core::application::SectionId>().unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("`{text}` names no section")),
            "{error}"
        );
    }
    let last = format!("{},{}", u64::MAX, u64::MAX);
    assert_eq!(
        last.parse::<es_core::application::SectionId>()
            .unwrap()
            .to_string(),
        last
    );
}

#[tokio::test]
async fn a_filtered_log_keeps_its_positions() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 2).await;
    app.save(&mut Purse::open(1)).await?;
    app.update(lamp.id(), Lamp::switch).await?;
    let positions = async |filter| {
        let records = app
            .log()
            .only(filter)
            .read(Position::START, 10)
            .await
            .unwrap();
        records
            .iter()
            .map(|record| record.position.get())
            .collect::<Vec<_>>()
    };
    assert_eq!(positions(Filter::category("Lamp")).await, [1, 2, 4]);
    assert_eq!(
        positions(Filter::events("Lamp", ["Switched"]).or_category("Purse")).await,
        [2, 3, 4]
    );
    assert_eq!(positions(Filter::category("Cat")).await, [0; 0]);
    let section = app
        .log()
        .only(Filter::category("Purse"))
        .section("1,4".parse().unwrap())
        .await?;
    assert_eq!(section.records.len(), 1);
    assert_eq!(
        section.next.unwrap().to_string(),
        "5,8",
        "it was read to its end"
    );
    Ok(())
}

#[tokio::test]
async fn a_record_of_the_log_becomes_an_event() -> Result<()> {
    let app = app();
    saved_lamp(&app, 2).await;
    let records = app.log().read(Position::START, 10).await?;
    let recorded = app.log().decode::<LampEvent>(records[1].clone()).await?;
    assert_eq!(
        (recorded.event, recorded.position.get()),
        (LampEvent::Switched {}, 2)
    );
    let error = app
        .log()
        .decode::<crate::purse::PurseEvent>(records[1].clone())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Log(LogError::Decode(DecodeError::UnknownEvent { .. }))
        ),
        "{error:?}"
    );
    Ok(())
}
