//! What others may do with a read model, also after another was put in its place.
use std::time::Duration;

use es_core::{Application, BoxError, Follower, Projection, Recorded, System};
use es_store_postgres::{PostgresProjection, PostgresStore, Tables};
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;
use trials::projections::{DogEvent, Kennel};

use crate::unable::role;
use crate::{Schema, Wall};

/// Tables that others read, a view, and a sequence.
struct Board<const REVISION: u32>;

impl<const REVISION: u32> Projection for Board<REVISION> {
    const NAME: &'static str = "board";
    const REVISION: u32 = REVISION;
    type Events = DogEvent;
}

impl<const REVISION: u32> PostgresProjection for Board<REVISION> {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let [board, seen, numbers] =
            ["board", "board_seen", "board_numbers"].map(|name| tx.table(name));
        let column = if REVISION == 1 { "secret" } else { "tricks" };
        tx.batch_execute(&format!(
            "CREATE SEQUENCE {numbers}; CREATE TABLE {board} (dog uuid, {column} bigint, \"Said\" text, number int GENERATED ALWAYS AS IDENTITY); \
             CREATE VIEW {seen} AS SELECT dog FROM {board}"
        ))
        .await?;
        Ok(())
    }

    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let insert = format!("INSERT INTO {} (dog) VALUES ($1)", tx.table("board"));
        tx.execute(&insert, &[&event.stream.id]).await?;
        Ok(())
    }
}

fn board<const REVISION: u32>(store: &PostgresStore) -> System {
    let app = Application::builder(store.clone()).name("kennel").build();
    let follower = store.project(Board::<REVISION>);
    System::new("kennel").follow(&app, follower.leased_for(Duration::from_millis(1)))
}

impl Schema {
    /// Who owns each relation, and what is granted on it and on its columns, with the role by another name.
    async fn rights(&self, names: &[(&str, &str)]) -> Vec<String> {
        let query = "SELECT concat_ws(' ', c.relname, pg_get_userbyid(c.relowner), c.relacl::text, a.attname, a.attacl::text) FROM pg_class AS c \
             LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attacl IS NOT NULL \
             WHERE c.relname IN ('board', 'board_seen', 'board_numbers', 'wall') AND c.relnamespace = to_regnamespace($1)::oid ORDER BY c.relname, a.attname";
        let rows = self.reader.query(query, &[&self.log.schema()]).await;
        let rows = rows.expect("it can be read");
        let as_known = |row: &tokio_postgres::Row| {
            let mut text: String = row.get(0);
            for (role, name) in names {
                text = text.replace(role, name);
            }
            text
        };
        rows.iter().map(as_known).collect()
    }

    async fn gone(&self, role: &str) {
        self.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
            .await;
    }
}

#[tokio::test]
async fn what_is_granted_on_a_read_model_is_kept_by_what_takes_its_place() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    let (reader, _) = role(&kennel).await;
    let mine: String = {
        let row = kennel.reader.query_one("SELECT current_user::text", &[]);
        row.await.unwrap().get(0)
    };
    board::<1>(&kennel.store).settle().await.unwrap();
    kennel
        .execute(&format!(
            "GRANT SELECT ON board_seen TO PUBLIC; GRANT SELECT, TRIGGER ON board TO {reader} WITH GRANT OPTION; \
             GRANT UPDATE (\"Said\"), INSERT (secret) ON board TO {reader}; GRANT UPDATE (dog) ON board TO PUBLIC; \
             GRANT USAGE ON board_numbers TO {reader} WITH GRANT OPTION"
        ))
        .await;
    let names = [(&*reader, "reader"), (&*mine, "me")];
    let granted = kennel.rights(&names).await;
    assert_eq!(granted.len(), 5, "{granted:?}");
    board::<1>(&kennel.store)
        .follower("board")
        .rebuild()
        .await
        .unwrap();
    assert_eq!(kennel.rights(&names).await, granted);
    // Another column takes the place of `secret`.
    board::<2>(&kennel.store).settle().await.unwrap();
    let left = granted.into_iter();
    let left: Vec<_> = left.filter(|text| !text.contains("secret")).collect();
    assert_eq!(kennel.rights(&names).await, left);
    kennel.gone(&reader).await;
}

#[tokio::test]
async fn nobody_sees_more_of_what_takes_the_place_of_a_table_whose_rows_are_guarded() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    let (reader, _) = role(&kennel).await;
    board::<1>(&kennel.store).settle().await.unwrap();
    kennel
        .execute(&format!(
            "ALTER TABLE board ENABLE ROW LEVEL SECURITY; ALTER VIEW board_seen SET (security_barrier = true); \
             GRANT SELECT ON board, board_seen TO {reader}; GRANT USAGE ON board_numbers TO {reader}"
        ))
        .await;
    let rebuilt = board::<1>(&kennel.store).follower("board").rebuild().await;
    rebuilt.unwrap();
    let rights = kennel.rights(&[(&*reader, "reader")]).await;
    let seen: Vec<_> = rights.iter().map(|of| of.contains("reader")).collect();
    assert_eq!(seen, [false, true, false], "only the sequence: {rights:?}");
    kennel.gone(&reader).await;
}

/// What is a role with the rights that whoever rebuilds needs, on the schema and the log.
async fn follower(kennel: &Schema) -> (String, PostgresStore) {
    let (name, store) = role(kennel).await;
    let schema = kennel.log.schema();
    let create = format!("GRANT CREATE ON SCHEMA {schema} TO {name}");
    kennel.execute(&create).await;
    (name, store)
}

#[tokio::test]
async fn what_somebody_else_makes_anew_is_still_its_owners() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    let (owner, store) = follower(&kennel).await;
    board::<1>(&store).settle().await.unwrap();
    // By who may do everything.
    let rebuilt = board::<1>(&kennel.store);
    rebuilt.follower("board").rebuild().await.unwrap();
    let names = [(&*owner, "owner")];
    for relation in kennel.rights(&names).await {
        assert!(relation.contains(" owner"), "{relation}");
    }
    kennel.trained(2, &["bow"]).await;
    board::<1>(&store).settle().await.unwrap();
    // By one who has the rights of the owner.
    let (member, its) = follower(&kennel).await;
    kennel
        .execute(&format!(
            "GRANT {owner} TO {member}; GRANT SELECT ON board TO PUBLIC"
        ))
        .await;
    board::<2>(&its).settle().await.unwrap();
    for relation in kennel.rights(&names).await {
        assert!(relation.contains(" owner"), "{relation}");
    }
    board::<2>(&store).settle().await.unwrap();
    // Who owns it may make nothing there any more: it is that of whoever made it, and all rights are the owner's still.
    let schema = kennel.log.schema();
    kennel
        .execute(&format!("REVOKE CREATE ON SCHEMA {schema} FROM {owner}"))
        .await;
    board::<3>(&its).settle().await.unwrap();
    let names = [(&*owner, "owner"), (&*member, "member")];
    let rights = kennel.rights(&names).await;
    let all = |role: &str, rights: &str| {
        let (_, given) = rights.split_once(&format!("{role}=")).expect("it has some");
        given.split_once("/member").map(|(all, _)| all.to_owned())
    };
    assert!(rights[0].starts_with("board member "), "{rights:?}");
    assert_eq!(all("owner", &rights[0]), all("{member", &rights[0]));
    assert!(rights[0].contains(",=r/member"), "{rights:?}");
    kennel.trained(3, &["jump"]).await;
    board::<3>(&store).settle().await.unwrap();
    for role in [member, owner] {
        kennel.gone(&role).await;
    }
}

#[tokio::test]
async fn who_may_read_what_is_made_inside_of_commits_may_read_its_new_revision() {
    let kennel = Schema::new().await;
    let (reader, _) = role(&kennel).await;
    let first = kennel.store.inline(&kennel.app, Wall::<1>::default());
    first.await.unwrap();
    kennel.trained(1, &["sit"]).await;
    kennel
        .execute(&format!("GRANT SELECT (trick) ON wall TO {reader}"))
        .await;
    let names = [(&*reader, "reader")];
    let before = kennel.rights(&names).await;
    let second = kennel.store.inline(&kennel.app, Wall::<2>::default());
    second.await.unwrap();
    assert_eq!(kennel.rights(&names).await.last(), before.last());
    kennel.execute(&format!("SET ROLE {reader}")).await;
    let tricks = kennel.reader.query("SELECT trick FROM wall", &[]).await;
    assert_eq!(tricks.unwrap().len(), 1);
    let all = kennel.reader.query("SELECT * FROM wall", &[]).await;
    let refused = all.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    kennel.execute("RESET ROLE").await;
    kennel.gone(&reader).await;
}
