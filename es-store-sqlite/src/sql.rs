//! Every statement, with the names of one log's tables.
use es_core::persistence::Slice;

/// The statements of one log. Only its prefix, which is checked, is put into them; values are bound.
#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) begin_writing: &'static str,
    pub(crate) read_head: String,
    pub(crate) write_head: String,
    pub(crate) read_last: String,
    pub(crate) read_version: String,
    pub(crate) insert_event: String,
    pub(crate) read_commit: String,
    pub(crate) read_events_of_commit: String,
    pub(crate) read_checkpoint: String,
    pub(crate) write_checkpoint: String,
    /// Without projections inside of commits.
    pub(crate) read_followers: String,
    pub(crate) read_standing: String,
    pub(crate) write_lease: String,
    pub(crate) place: String,
    pub(crate) drop_parked: String,
    /// What is parked beyond a position.
    pub(crate) unpark: String,
    pub(crate) write_placed: String,
    pub(crate) read_placed: String,
    pub(crate) read_output: String,
    pub(crate) write_output: String,
    /// For a projection inside of commits, which begins anew where it is another revision, and leaves who had a lease fenced.
    pub(crate) write_inline: String,
    pub(crate) read_parked: String,
    pub(crate) read_parked_stream: String,
    pub(crate) read_first_parked: String,
    pub(crate) write_parked: String,
    pub(crate) write_failed: String,
    pub(crate) write_retry: String,
    pub(crate) delete_parked: String,
    pub(crate) read_dropped: String,
    pub(crate) write_dropped: String,
    /// What of a follower takes the name of another: its parked events, what was dropped of them, and its checkpoint.
    pub(crate) swap: [String; 7],
    /// The next who builds under that name is told from whoever did before.
    pub(crate) keep_epoch: String,
    /// What keeps `?3` from the place of `?1`, which is as far as `?4`.
    pub(crate) read_overtaken: String,
    /// What is kept of a follower that is made anew, but for its lease.
    pub(crate) forget: [String; 3],
    pub(crate) read_stream: OfStream,
    pub(crate) visit_stream: OfStream,
    pub(crate) read_log: String,
    pub(crate) read_ids: String,
    pub(crate) claim: String,
    pub(crate) read_owner: String,
    pub(crate) write_snapshot: String,
    pub(crate) read_snapshot: String,
    pub(crate) drop_snapshots: String,
    pub(crate) drop_all_snapshots: String,
    pub(crate) verify_events: String,
    pub(crate) verify_streams: String,
    /// The names of those that refuse edits of events.
    pub(crate) triggers: [String; 2],
    /// What the filtered log is read by, up to its conditions: in the order of positions, since by the index of streams each page would sort all
    /// events of a category.
    filtered_log: String,
}

/// The columns of a record whose stream is known, in the order in which they are read.
const RECORD_OF_STREAM: &str =
    "position, version, event, schema, payload, metadata, time, commit_id";

/// The columns of any record.
const RECORD: &str =
    "position, version, event, schema, payload, metadata, time, commit_id, category, stream";

/// A statement that reads a part of a stream, from either end.
#[derive(Debug)]
pub(crate) struct OfStream {
    forwards: String,
    backwards: String,
}

impl OfStream {
    fn new(prefix: &str, columns: &str) -> Self {
        let from = |order| {
            format!(
                "SELECT {columns} FROM {prefix}events \
                 WHERE category = ?1 AND stream = ?2 AND version > ?3 AND version <= ?4 ORDER BY version{order} LIMIT ?5"
            )
        };
        Self {
            forwards: from(""),
            backwards: from(" DESC"),
        }
    }

    pub(crate) fn of(&self, slice: Slice) -> &str {
        if slice.descending {
            &self.backwards
        } else {
            &self.forwards
        }
    }
}

impl Sql {
    pub(crate) fn new(prefix: &str) -> Self {
        let p = prefix;
        Self {
            begin_writing: "BEGIN IMMEDIATE",
            read_head: format!("SELECT head, time FROM {p}log"),
            write_head: format!("UPDATE {p}log SET head = ?1, time = ?2"),
            read_last: format!(
                "SELECT position, commit_id FROM {p}events ORDER BY position DESC LIMIT 1"
            ),
            read_version: format!(
                "SELECT version FROM {p}events WHERE category = ?1 AND stream = ?2 ORDER BY version DESC LIMIT 1"
            ),
            insert_event: format!(
                "INSERT INTO {p}events ({RECORD}, events_in_commit, checksum) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
            ),
            read_commit: format!(
                "SELECT position, events_in_commit, time FROM {p}events \
                 WHERE commit_id = ?1 AND events_in_commit IS NOT NULL"
            ),
            read_events_of_commit: format!(
                "SELECT category, stream, version, event, schema, payload FROM {p}events \
                 WHERE position BETWEEN ?1 AND ?2 ORDER BY position"
            ),
            read_checkpoint: format!(
                "SELECT position FROM {p}checkpoints WHERE follower = ?1 AND log = ?2"
            ),
            write_checkpoint: format!(
                "INSERT INTO {p}checkpoints (follower, log, position, commit_id) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (follower, log) DO UPDATE SET position = excluded.position, commit_id = excluded.commit_id"
            ),
            read_followers: format!(
                "SELECT follower, log FROM {p}checkpoints AS c \
                 WHERE (position > 0 OR revision > 0 OR holder IS NOT NULL OR stopped IS NOT NULL \
                     OR EXISTS (SELECT 1 FROM {p}parked AS p WHERE p.follower = c.follower AND p.log = c.log)) \
                 AND (output IS NULL OR NOT coalesce(json_extract(output, '$.inline'), FALSE))"
            ),
            read_standing: format!(
                "SELECT position, commit_id, revision, epoch, holder, since, until, stopped, stopped_by, stopped_at FROM {p}checkpoints \
                 WHERE follower = ?1 AND log = ?2"
            ),
            write_lease: format!(
                "INSERT INTO {p}checkpoints (follower, log, position, epoch, holder, since, until, stopped, stopped_by, stopped_at) \
                 VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
                 ON CONFLICT (follower, log) \
                 DO UPDATE SET epoch = excluded.epoch, holder = excluded.holder, since = excluded.since, until = excluded.until, \
                     stopped = excluded.stopped, stopped_by = excluded.stopped_by, stopped_at = excluded.stopped_at"
            ),
            place: format!(
                "UPDATE {p}checkpoints SET position = ?3, commit_id = ?4, revision = iif(?3 = 0, 0, revision), output = iif(?3 = 0, NULL, output), \
                     holder = NULL, since = NULL, until = NULL, stopped = NULL, stopped_by = NULL, stopped_at = NULL WHERE follower = ?1 AND log = ?2"
            ),
            drop_parked: format!(
                "INSERT OR REPLACE INTO {p}dropped (follower, log, position, category, stream, failure, dropped_by, reason, time) \
                 SELECT follower, log, position, category, stream, failure, ?3, ?4, ?5 FROM {p}parked WHERE follower = ?1 AND log = ?2"
            ),
            unpark: format!(
                "DELETE FROM {p}parked WHERE follower = ?1 AND log = ?2 AND position > ?3"
            ),
            write_placed: format!(
                "INSERT INTO {p}placed (follower, log, from_position, to_position, placed_by, reason, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
            ),
            read_placed: format!(
                "SELECT from_position, to_position, placed_by, reason, time FROM {p}placed WHERE follower = ?1 AND log = ?2 ORDER BY id"
            ),
            read_output: format!(
                "SELECT output FROM {p}checkpoints WHERE follower = ?1 AND log = ?2"
            ),
            write_output: format!(
                "INSERT INTO {p}checkpoints (follower, log, position, revision, output) VALUES (?1, ?2, 0, ?3, ?4) \
                 ON CONFLICT (follower, log) DO UPDATE SET revision = excluded.revision, output = excluded.output"
            ),
            write_inline: format!(
                "INSERT INTO {p}checkpoints (follower, log, position, epoch, revision, output) VALUES (?1, ?2, 0, ?5, ?3, ?4) \
                 ON CONFLICT (follower, log) DO UPDATE SET revision = excluded.revision, output = excluded.output, epoch = excluded.epoch, \
                     holder = NULL, since = NULL, until = NULL, stopped = NULL, stopped_by = NULL, stopped_at = NULL, \
                     position = CASE WHEN revision = ?3 THEN position ELSE 0 END, \
                     commit_id = CASE WHEN revision = ?3 THEN commit_id END"
            ),
            read_parked: format!(
                "SELECT position, category, stream, failure, attempts, since, retry FROM {p}parked \
                 WHERE follower = ?1 AND log = ?2 ORDER BY position"
            ),
            read_parked_stream: format!(
                "SELECT category, stream FROM {p}parked WHERE follower = ?1 AND log = ?2 AND position = ?3"
            ),
            read_first_parked: format!(
                "SELECT position FROM {p}parked WHERE follower = ?1 AND log = ?2 AND category = ?3 AND stream = ?4 \
                 ORDER BY position LIMIT 1"
            ),
            write_parked: format!(
                "INSERT INTO {p}parked (follower, log, position, category, stream, failure, attempts, since, retry) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, FALSE)"
            ),
            write_failed: format!(
                "UPDATE {p}parked SET failure = ?4, attempts = ?5, retry = FALSE \
                 WHERE follower = ?1 AND log = ?2 AND position = ?3"
            ),
            write_retry: format!(
                "UPDATE {p}parked SET retry = TRUE WHERE follower = ?1 AND log = ?2 AND position = ?3"
            ),
            delete_parked: format!(
                "DELETE FROM {p}parked WHERE follower = ?1 AND log = ?2 AND position = ?3"
            ),
            read_dropped: format!(
                "SELECT position, category, stream, failure, dropped_by, reason, time FROM {p}dropped \
                 WHERE follower = ?1 AND log = ?2 ORDER BY position"
            ),
            write_dropped: format!(
                "INSERT OR REPLACE INTO {p}dropped (follower, log, position, category, stream, failure, dropped_by, reason, time) \
                 SELECT follower, log, position, category, stream, failure, ?4, ?5, ?6 FROM {p}parked \
                 WHERE follower = ?1 AND log = ?2 AND position = ?3"
            ),
            swap: [
                format!(
                    "UPDATE {p}placed SET follower = ?1 WHERE follower = ?3 AND log = ?2 AND ?4 = ?4"
                ),
                format!(
                    "DELETE FROM {p}parked WHERE follower = ?1 AND log = ?2 AND ?3 = ?3 AND ?4 = ?4"
                ),
                format!(
                    "UPDATE {p}parked SET follower = ?1 WHERE follower = ?3 AND log = ?2 AND ?4 = ?4"
                ),
                // What somebody gave up on, and what was built gave up on after them, has the record of that person's decision.
                format!(
                    "DELETE FROM {p}dropped WHERE follower = ?3 AND log = ?2 AND ?4 = ?4 AND position IN \
                         (SELECT position FROM {p}dropped WHERE follower = ?1 AND log = ?2)"
                ),
                format!(
                    "UPDATE {p}dropped SET follower = ?1 WHERE follower = ?3 AND log = ?2 AND ?4 = ?4"
                ),
                format!(
                    "DELETE FROM {p}checkpoints WHERE follower = ?1 AND log = ?2 AND ?3 = ?3 AND ?4 = ?4"
                ),
                format!(
                    "UPDATE {p}checkpoints SET follower = ?1, epoch = ?4, holder = NULL, since = NULL, until = NULL, \
                         stopped = NULL, stopped_by = NULL, stopped_at = NULL WHERE follower = ?3 AND log = ?2"
                ),
            ],
            keep_epoch: format!(
                "INSERT INTO {p}checkpoints (follower, log, position, epoch) VALUES (?1, ?2, 0, ?3)"
            ),
            // Set aside in what was built, and in what readers see not at all, later, or given up on.
            read_overtaken: format!(
                "SELECT position FROM {p}parked AS n WHERE n.follower = ?3 AND n.log = ?2 AND n.failure IS NOT NULL AND n.position <= ?4 \
                 AND (NOT EXISTS (SELECT 1 FROM {p}parked AS o WHERE o.follower = ?1 AND o.log = ?2 \
                         AND o.category = n.category AND o.stream = n.stream AND o.position <= n.position) \
                     OR EXISTS (SELECT 1 FROM {p}dropped AS d WHERE d.follower = ?1 AND d.log = ?2 AND d.position = n.position)) \
                 ORDER BY position LIMIT 1"
            ),
            forget: [
                format!("DELETE FROM {p}parked WHERE follower = ?1 AND log = ?2"),
                format!("DELETE FROM {p}dropped WHERE follower = ?1 AND log = ?2"),
                format!(
                    "UPDATE {p}checkpoints SET position = 0, commit_id = NULL WHERE follower = ?1 AND log = ?2"
                ),
            ],
            read_stream: OfStream::new(p, RECORD_OF_STREAM),
            visit_stream: OfStream::new(p, "version, event, schema, payload, time"),
            read_log: format!(
                "SELECT {RECORD} FROM {p}events WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3"
            ),
            read_ids: format!(
                "SELECT stream FROM {p}events WHERE category = ?1 AND stream > ?2 ORDER BY stream LIMIT 1"
            ),
            claim: format!("UPDATE {p}log SET owner = ?1 WHERE owner IS NULL"),
            read_owner: format!("SELECT owner FROM {p}log"),
            write_snapshot: format!(
                "INSERT INTO {p}snapshots (category, stream, version, fingerprint, state) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (category, stream, version) \
                 DO UPDATE SET fingerprint = excluded.fingerprint, state = excluded.state"
            ),
            read_snapshot: format!(
                "SELECT version, fingerprint, state FROM {p}snapshots \
                 WHERE category = ?1 AND stream = ?2 AND version <= ?3 ORDER BY version DESC LIMIT 1"
            ),
            drop_snapshots: format!("DELETE FROM {p}snapshots WHERE category = ?1 AND stream = ?2"),
            drop_all_snapshots: format!("DELETE FROM {p}snapshots"),
            verify_events: format!(
                "SELECT {RECORD}, events_in_commit, checksum FROM {p}events ORDER BY position"
            ),
            verify_streams: format!(
                "SELECT category, stream FROM {p}events GROUP BY category, stream \
                 HAVING min(version) <> 1 OR max(version) <> count(*)"
            ),
            triggers: [
                format!("{p}events_are_not_changed"),
                format!("{p}events_are_not_deleted"),
            ],
            filtered_log: format!(
                "SELECT {RECORD} FROM {p}events NOT INDEXED WHERE position > ? AND position <= ?"
            ),
        }
    }

    /// The statement for a filter of so many parts; for each part, how many names it has, or that it has all.
    pub(crate) fn filtered_log(&self, parts: impl IntoIterator<Item = Option<usize>>) -> String {
        let conditions: Vec<_> = parts
            .into_iter()
            .map(|names| match names {
                None => "category = ?".to_owned(),
                Some(names) => {
                    let places = vec!["?"; names].join(", ");
                    format!("category = ? AND event IN ({places})")
                }
            })
            .collect();
        let any = if conditions.is_empty() {
            "FALSE".to_owned()
        } else {
            conditions.join(" OR ")
        };
        format!(
            "{} AND ({any}) ORDER BY position LIMIT ?",
            self.filtered_log
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::{Connection, params_from_iter};

    use super::*;
    use crate::schema::Log;

    #[test]
    fn no_page_is_sorted() {
        let mut connection = Connection::open_in_memory().unwrap();
        let log = Log {
            path: Path::new(""),
            prefix: "es_",
        };
        log.migrate(&mut connection).unwrap();
        let sql = Sql::new("es_");
        let statements = [
            (sql.filtered_log([None]), 4),
            (sql.filtered_log([Some(2), None]), 7),
            (sql.read_log, 3),
            (sql.read_stream.forwards, 5),
            (sql.read_stream.backwards, 5),
            (sql.visit_stream.forwards, 5),
            (sql.visit_stream.backwards, 5),
        ];
        for (statement, values) in statements {
            let mut plan = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
                .unwrap();
            let steps: Vec<String> = plan
                .query_map(params_from_iter(vec![1; values]), |row| row.get(3))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            assert_eq!(steps.len(), 1, "{statement}: {steps:?}");
        }
    }
}
