//! Following: a notification wakes, and one statement reads what came.
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Statement};

use super::{Line, Place};

/// Listens and reads on one connection, in one task with it.
pub(crate) struct Following {
    client: Client,
    line: Line,
    newer: Statement,
    after: i64,
}

impl Following {
    /// Begins behind what is there.
    pub(crate) async fn start(place: &Place) -> Result<Self, Error> {
        let (client, mut line) = place.dial().await?;
        let (newer, after) = line
            .drive(async {
                client.batch_execute("LISTEN dogs").await?;
                let newer = client
                    .prepare("SELECT event, payload, position FROM events WHERE position > $1 ORDER BY position")
                    .await?;
                let head = "SELECT coalesce(max(position), 0) FROM events";
                let head = client.query_one(head, &[]).await?;
                Ok::<_, Error>((newer, head.try_get(0)?))
            })
            .await?;
        Ok(Self {
            client,
            line,
            newer,
            after,
        })
    }

    /// The positions of the next events, once there are any.
    pub(crate) async fn next(&mut self) -> Result<Vec<i64>, Error> {
        loop {
            let after = self.after;
            let values: [&(dyn ToSql + Sync); 1] = [&after];
            let asking = self.client.query(&self.newer, &values);
            let rows = self.line.drive(asking).await?;
            let positions: Result<Vec<i64>, _> = rows.iter().map(|row| row.try_get(2)).collect();
            let positions = positions?;
            if let Some(last) = positions.last() {
                self.after = *last;
                return Ok(positions);
            }
            self.line.notified().await;
        }
    }
}
