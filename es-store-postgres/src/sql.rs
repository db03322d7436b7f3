//! Every statement, with the names of one log's tables.

/// Tables, functions and views, which are in the schema.
const IN_SCHEMA: [&str; 10] = [
    "log",
    "events",
    "checkpoints",
    "snapshots",
    "parked",
    "dropped",
    "placed",
    "events_are_facts",
    "as_jsonb",
    "history",
];

/// Indexes, constraints and triggers, which belong to a table.
const OF_TABLES: [&str; 12] = [
    "events_pkey",
    "events_by_stream",
    "events_by_commit",
    "events_are_not_changed",
    "events_are_not_deleted",
    "events_are_not_truncated",
    "checkpoints_pkey",
    "snapshots_pkey",
    "parked_pkey",
    "parked_by_stream",
    "dropped_pkey",
    "placed_pkey",
];

/// Where one log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) schema: String,
    pub(crate) prefix: String,
}

impl Location {
    /// The name of a part of the log, without its schema.
    pub(crate) fn name(&self, part: &str) -> String {
        format!("{}{part}", self.prefix)
    }

    /// Puts names into a statement, in the places of the parts in braces; once, for a schema may have braces in its name.
    pub(crate) fn named(&self, statement: &str) -> String {
        let mut named = String::with_capacity(statement.len() * 2);
        let mut rest = statement;
        while let Some((before, after)) = rest.split_once('{') {
            named.push_str(before);
            let name = after.split_once('}').and_then(|(part, after)| {
                let name = self.quoted(part)?;
                Some((name, after))
            });
            rest = match name {
                Some((name, after)) => {
                    named.push_str(&name);
                    after
                }
                None => {
                    named.push('{');
                    after
                }
            };
        }
        named + rest
    }

    /// The name of a part of the log in a statement.
    fn quoted(&self, part: &str) -> Option<String> {
        let name = quoted(&self.name(part));
        if IN_SCHEMA.contains(&part) {
            return Some(format!("{}.{name}", quoted(&self.schema)));
        }
        OF_TABLES.contains(&part).then_some(name)
    }

    /// A number that other logs have not, most likely: for a lock, or the name of a channel.
    pub(crate) fn number(&self) -> i64 {
        let sum = |salt: &[u8]| {
            let mut sum = crc32fast::Hasher::new();
            for part in [salt, self.schema.as_bytes(), b"\0", self.prefix.as_bytes()] {
                sum.update(part);
            }
            i64::from(sum.finalize())
        };
        (sum(b"es") << 31) ^ sum(b"event store")
    }

    /// The channel on which commits are announced.
    pub(crate) fn channel(&self) -> String {
        format!("es_{:x}", self.number())
    }
}

/// An identifier in a statement.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The statements of one log. Only its names are put into them; values are bound.
#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) location: Location,
    pub(crate) channel: String,
    pub(crate) append: String,
    pub(crate) append_one: String,
    pub(crate) lock: String,
    pub(crate) read_versions: String,
    pub(crate) read_commits: String,
    pub(crate) read_events_of_commit: String,
    pub(crate) read_standings: String,
    pub(crate) insert: String,
    pub(crate) write_head: String,
    pub(crate) write_checkpoints: String,
    pub(crate) read_now: String,
    pub(crate) notify: String,
    pub(crate) read_head: String,
    pub(crate) read_checkpoint: String,
    pub(crate) read_standing: String,
    pub(crate) begin_standing: String,
    pub(crate) lock_standing: String,
    pub(crate) write_lease: String,
    pub(crate) renew_lease: String,
    pub(crate) move_checkpoint: String,
    pub(crate) read_begun: String,
    /// Without projections inside of commits.
    pub(crate) read_followers: String,
    pub(crate) place: String,
    pub(crate) drop_parked: String,
    /// What is parked beyond a position.
    pub(crate) unpark: String,
    pub(crate) write_placed: String,
    pub(crate) read_placed: String,
    pub(crate) read_output: String,
    /// What others than a follower have made.
    pub(crate) read_outputs_of_others: String,
    pub(crate) write_output: String,
    /// For a projection inside of commits, which begins anew where it is another revision, and leaves who had a lease fenced.
    pub(crate) write_inline: String,
    pub(crate) read_last: String,
    /// What a follower has not seen of what it handles.
    pub(crate) read_inline: String,
    pub(crate) read_parked: String,
    pub(crate) read_first_parked: String,
    pub(crate) write_parked: String,
    pub(crate) write_failed: String,
    pub(crate) write_retry: String,
    pub(crate) write_dropped: String,
    pub(crate) delete_parked: String,
    pub(crate) read_dropped: String,
    /// In their order, for what was built under the name `$3` to become that of `$1` on the log `$2`.
    pub(crate) swap_parked: [String; 5],
    pub(crate) swap_checkpoints: [String; 2],
    /// The next who builds under that name is told from whoever did before.
    pub(crate) keep_epoch: String,
    /// What keeps `$3` from the place of `$1`, which is as far as `$4`.
    pub(crate) read_overtaken: String,
    /// What is kept of a follower that is made anew, but for its lease.
    pub(crate) forget: [String; 3],
    pub(crate) read_stream: String,
    pub(crate) read_stream_backwards: String,
    pub(crate) visit_stream: String,
    pub(crate) visit_stream_backwards: String,
    pub(crate) read_log: String,
    pub(crate) read_filtered_log: String,
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
    pub(crate) triggers: [String; 3],
}

/// The columns of a record whose stream is known, in the order in which they are read.
const RECORD_OF_STREAM: &str =
    "position, version, event, schema, payload, metadata, time, commit_id";

/// The columns of any record.
const RECORD: &str =
    "position, version, event, schema, payload, metadata, time, commit_id, category, stream";

/// The version of a stream, of which the row `s` says category and id.
const VERSION: &str = "coalesce((SELECT e.version FROM {events} AS e \
     WHERE e.category = s.category AND e.stream = s.stream ORDER BY e.version DESC LIMIT 1), 0)";

/// What is kept of a follower.
const STANDING: &str = "c.position, c.commit_id, c.revision, c.epoch, c.holder, c.since, c.until, \
     c.stopped, c.stopped_by, c.stopped_at";

/// The server's clock, in microseconds since 1970: that of now, not of when the transaction began.
const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::int8";

/// When the transaction began, by which it is known again.
const BEGUN: &str = "(extract(epoch FROM transaction_timestamp()) * 1000000)::int8";

/// New rows: twelve arrays, one for each column.
const ROWS: &str = "unnest($1::int8[], $2::int8[], $3::text[], $4::int8[], $5::bytea[], $6::text[], $7::int8[], $8::uuid[], $9::text[], \
     $10::uuid[], $11::int8[], $12::int8[])";

impl Sql {
    pub(crate) fn new(location: Location) -> Self {
        let channel = location.channel();
        let named = |statement: String| location.named(&statement);
        Self {
            // The head is where the writer left it, so nothing was committed since: what its snapshot shows of streams is what is there. Where it is
            // elsewhere, or a stream has another version, no row is written.
            append: named(format!(
                "WITH log AS ( \
                     UPDATE {{log}} SET head = $13::int8, time = $14::int8 WHERE id = 1 AND head = $15::int8 AND NOT EXISTS ( \
                         SELECT FROM unnest($16::text[], $17::uuid[], $18::int8[]) AS s (category, stream, expected) \
                         WHERE s.expected <> {VERSION}) \
                     RETURNING 1), \
                 inserted AS ( \
                     INSERT INTO {{events}} ({RECORD}, events_in_commit, checksum) \
                     SELECT n.* FROM log, {ROWS} AS n) \
                 SELECT CASE WHEN $19::text IS NOT NULL THEN pg_notify('{channel}', $19) END FROM log"
            )),
            append_one: named(format!(
                "WITH log AS ( \
                     UPDATE {{log}} SET head = $1::int8, time = $7::int8 WHERE id = 1 AND head = $1::int8 - 1 AND $2::int8 - 1 = \
                         coalesce((SELECT e.version FROM {{events}} AS e \
                         WHERE e.category = $9::text AND e.stream = $10::uuid ORDER BY e.version DESC LIMIT 1), 0) \
                     RETURNING 1), \
                 inserted AS ( \
                     INSERT INTO {{events}} ({RECORD}, events_in_commit, checksum) \
                     SELECT $1::int8, $2::int8, $3::text, $4::int8, $5::bytea, $6::text, $7::int8, $8::uuid, $9::text, $10::uuid, 1, $11::int8 FROM log) \
                 SELECT CASE WHEN $12::text IS NOT NULL THEN pg_notify('{channel}', $12) END FROM log"
            )),
            lock: named("SELECT head, time FROM {log} WHERE id = 1 FOR UPDATE".to_owned()),
            read_versions: named(format!(
                "SELECT {VERSION} FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS s (category, stream, place) ORDER BY s.place"
            )),
            read_commits: named(
                "SELECT commit_id, position, events_in_commit, time FROM {events} \
                 WHERE commit_id = ANY ($1) AND events_in_commit IS NOT NULL"
                    .to_owned(),
            ),
            read_events_of_commit: named(
                "SELECT category, stream, version, event, schema, payload FROM {events} \
                 WHERE position BETWEEN $1 AND $2 ORDER BY position"
                    .to_owned(),
            ),
            // Those that are there, in an order that all writers keep to.
            read_standings: named(format!(
                "SELECT c.follower, c.log, {STANDING} FROM {{checkpoints}} AS c \
                 JOIN unnest($1::text[], $2::text[]) AS f (follower, log) ON c.follower = f.follower AND c.log = f.log \
                 ORDER BY c.follower, c.log FOR UPDATE OF c"
            )),
            insert: named(format!(
                "INSERT INTO {{events}} ({RECORD}, events_in_commit, checksum) SELECT * FROM {ROWS}"
            )),
            write_head: named("UPDATE {log} SET head = $1, time = $2 WHERE id = 1".to_owned()),
            write_checkpoints: named(
                "INSERT INTO {checkpoints} (follower, log, position, commit_id) \
                 SELECT * FROM unnest($1::text[], $2::text[], $3::int8[], $4::uuid[]) \
                 ON CONFLICT (follower, log) DO UPDATE SET position = excluded.position, commit_id = excluded.commit_id"
                    .to_owned(),
            ),
            read_now: format!("SELECT {NOW}"),
            notify: format!("SELECT pg_notify('{channel}', $1)"),
            read_head: named("SELECT head FROM {log} WHERE id = 1".to_owned()),
            read_checkpoint: named(
                "SELECT position FROM {checkpoints} WHERE follower = $1 AND log = $2".to_owned(),
            ),
            // Nobody has a lease that has ended.
            read_standing: named(format!(
                "SELECT c.follower, c.log, c.position, c.commit_id, c.revision, c.epoch, lease.holder, lease.since, lease.until, \
                     CASE WHEN c.until IS NULL OR lease.until IS NOT NULL THEN c.stopped END, c.stopped_by, c.stopped_at \
                 FROM {{checkpoints}} AS c \
                 LEFT JOIN LATERAL (SELECT c.holder, c.since, c.until WHERE c.until > {NOW}) AS lease ON true \
                 WHERE c.follower = $1 AND c.log = $2"
            )),
            begin_standing: named(
                "INSERT INTO {checkpoints} (follower, log, position) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING"
                    .to_owned(),
            ),
            lock_standing: named(format!(
                "SELECT c.follower, c.log, {STANDING} FROM {{checkpoints}} AS c WHERE c.follower = $1 AND c.log = $2 FOR UPDATE"
            )),
            write_lease: named(
                "UPDATE {checkpoints} SET epoch = $3, holder = $4, since = $5, until = $6, stopped = $7, stopped_by = $8, stopped_at = $9 \
                 WHERE follower = $1 AND log = $2"
                    .to_owned(),
            ),
            // Nothing where it is not as its writer believed, or where this is another transaction than the one that began then.
            // Where another transaction has the row, the time is that of before: the lease ends early, never late.
            renew_lease: named(format!(
                "UPDATE {{checkpoints}} SET holder = CASE WHEN $4::int8 > 0 THEN $5::text END, \
                     since = CASE WHEN $4::int8 > 0 THEN coalesce(since, {NOW}) END, \
                     until = CASE WHEN $4::int8 > 0 THEN {NOW} + $4::int8 END, stopped = $6::text, \
                     stopped_by = CASE WHEN $6::text IS NOT NULL THEN $5::text END, stopped_at = CASE WHEN $6::text IS NOT NULL THEN {NOW} END \
                 WHERE follower = $1 AND log = $2 AND epoch = $3 \
                     AND (output IS NULL OR NOT coalesce((output::jsonb ->> 'inline')::boolean, FALSE)) RETURNING coalesce(until, {NOW})"
            )),
            move_checkpoint: named(format!(
                "UPDATE {{checkpoints}} SET position = $4, commit_id = $5 WHERE follower = $1 AND log = $2 AND position = $3 \
                 AND ($6::int8 IS NULL OR epoch = $6) AND {BEGUN} = $7::int8 AND ($8::int8 IS NULL OR revision = $8)"
            )),
            read_begun: format!("SELECT {BEGUN}"),
            read_followers: named(
                "SELECT c.follower, c.log FROM {checkpoints} AS c \
                 WHERE (c.position > 0 OR c.revision > 0 OR c.holder IS NOT NULL OR c.stopped IS NOT NULL \
                     OR EXISTS (SELECT FROM {parked} AS p WHERE p.follower = c.follower AND p.log = c.log)) \
                 AND (c.output IS NULL OR NOT coalesce((c.output::jsonb ->> 'inline')::boolean, FALSE))"
                    .to_owned(),
            ),
            place: named(
                "UPDATE {checkpoints} SET position = $3::int8, commit_id = $4, revision = CASE WHEN $3::int8 = 0 THEN 0 ELSE revision END, \
                     output = CASE WHEN $3::int8 > 0 THEN output END, holder = NULL, since = NULL, until = NULL, \
                     stopped = NULL, stopped_by = NULL, stopped_at = NULL WHERE follower = $1 AND log = $2"
                    .to_owned(),
            ),
            drop_parked: named(format!(
                "INSERT INTO {{dropped}} (follower, log, position, category, stream, failure, dropped_by, reason, time) \
                 SELECT follower, log, position, category, stream, failure, $3, $4, {NOW} FROM {{parked}} WHERE follower = $1 AND log = $2 \
                 ON CONFLICT (follower, log, position) DO UPDATE SET \
                     failure = excluded.failure, dropped_by = excluded.dropped_by, reason = excluded.reason, time = excluded.time"
            )),
            unpark: named(
                "DELETE FROM {parked} WHERE follower = $1 AND log = $2 AND position > $3".to_owned(),
            ),
            write_placed: named(format!(
                "INSERT INTO {{placed}} (follower, log, from_position, to_position, placed_by, reason, time) VALUES ($1, $2, $3, $4, $5, $6, {NOW})"
            )),
            read_placed: named(
                "SELECT from_position, to_position, placed_by, reason, time FROM {placed} WHERE follower = $1 AND log = $2 ORDER BY id"
                    .to_owned(),
            ),
            read_output: named(
                "SELECT output FROM {checkpoints} WHERE follower = $1 AND log = $2".to_owned(),
            ),
            read_outputs_of_others: named(
                "SELECT output FROM {checkpoints} WHERE output IS NOT NULL AND NOT (follower = $1 AND log = $2)"
                    .to_owned(),
            ),
            write_output: named(
                "UPDATE {checkpoints} SET revision = $3, output = $4 WHERE follower = $1 AND log = $2"
                    .to_owned(),
            ),
            write_inline: named(
                "UPDATE {checkpoints} SET revision = $3, output = $4, epoch = $5, holder = NULL, since = NULL, until = NULL, \
                     stopped = NULL, stopped_by = NULL, stopped_at = NULL, \
                     position = CASE WHEN revision = $3 THEN position ELSE 0 END, commit_id = CASE WHEN revision = $3 THEN commit_id END \
                 WHERE follower = $1 AND log = $2"
                    .to_owned(),
            ),
            read_last: named(
                "SELECT position, commit_id FROM {events} ORDER BY position DESC LIMIT 1".to_owned(),
            ),
            read_inline: named(format!(
                "SELECT {RECORD} FROM {{events}} \
                 WHERE position > (SELECT c.position FROM {{checkpoints}} AS c WHERE c.follower = $1 AND c.log = $2) \
                 AND ($4::text[] IS NULL OR category || '' = ANY ($4) \
                 OR (category || '', event) IN (SELECT * FROM unnest($5::text[], $6::text[]))) ORDER BY position LIMIT $3"
            )),
            read_parked: named(
                "SELECT position, category, stream, failure, attempts, since, retry FROM {parked} \
                 WHERE follower = $1 AND log = $2 ORDER BY position"
                    .to_owned(),
            ),
            // Of the streams that are named, and of those of which a position is.
            read_first_parked: named(
                "SELECT p.position, p.category, p.stream FROM {parked} AS p WHERE p.follower = $1 AND p.log = $2 \
                 AND (p.category, p.stream) IN (SELECT * FROM unnest($3::text[], $4::uuid[]) UNION ALL \
                     SELECT n.category, n.stream FROM {parked} AS n \
                     WHERE n.follower = $1 AND n.log = $2 AND n.position = ANY ($5::int8[])) \
                 AND NOT EXISTS (SELECT FROM {parked} AS e WHERE e.follower = $1 AND e.log = $2 \
                     AND e.category = p.category AND e.stream = p.stream AND e.position < p.position)"
                    .to_owned(),
            ),
            write_parked: named(format!(
                "INSERT INTO {{parked}} (follower, log, position, category, stream, failure, attempts, since, retry) \
                 SELECT $1, $2, n.position, n.category, n.stream, n.failure, n.attempts, {NOW}, FALSE \
                 FROM unnest($3::int8[], $4::text[], $5::uuid[], $6::text[], $7::int8[]) AS n (position, category, stream, failure, attempts)"
            )),
            write_failed: named(
                "UPDATE {parked} SET failure = $4, attempts = $5, retry = FALSE \
                 WHERE follower = $1 AND log = $2 AND position = $3"
                    .to_owned(),
            ),
            write_retry: named(
                "UPDATE {parked} SET retry = TRUE WHERE follower = $1 AND log = $2 AND position = $3"
                    .to_owned(),
            ),
            write_dropped: named(format!(
                "INSERT INTO {{dropped}} (follower, log, position, category, stream, failure, dropped_by, reason, time) \
                 SELECT follower, log, position, category, stream, failure, $4, $5, {NOW} FROM {{parked}} \
                 WHERE follower = $1 AND log = $2 AND position = $3 \
                 ON CONFLICT (follower, log, position) DO UPDATE SET \
                     failure = excluded.failure, dropped_by = excluded.dropped_by, reason = excluded.reason, time = excluded.time"
            )),
            delete_parked: named(
                "DELETE FROM {parked} WHERE follower = $1 AND log = $2 AND position = $3".to_owned(),
            ),
            read_dropped: named(
                "SELECT position, category, stream, failure, dropped_by, reason, time FROM {dropped} \
                 WHERE follower = $1 AND log = $2 ORDER BY position"
                    .to_owned(),
            ),
            swap_parked: [
                named("DELETE FROM {parked} WHERE follower = $1 AND log = $2 AND $3::text IS NOT NULL".to_owned()),
                named("UPDATE {parked} SET follower = $1 WHERE follower = $3 AND log = $2".to_owned()),
                // What somebody gave up on, and what was built gave up on after them, has the record of that person's decision.
                named(
                    "DELETE FROM {dropped} AS n WHERE n.follower = $3 AND n.log = $2 AND EXISTS ( \
                         SELECT FROM {dropped} AS o WHERE o.follower = $1 AND o.log = $2 AND o.position = n.position)"
                        .to_owned(),
                ),
                named("UPDATE {dropped} SET follower = $1 WHERE follower = $3 AND log = $2".to_owned()),
                named("UPDATE {placed} SET follower = $1 WHERE follower = $3 AND log = $2".to_owned()),
            ],
            swap_checkpoints: [
                named("DELETE FROM {checkpoints} WHERE follower = $1 AND log = $2".to_owned()),
                named(
                    "UPDATE {checkpoints} SET follower = $1, epoch = $4, holder = NULL, since = NULL, until = NULL, \
                         stopped = NULL, stopped_by = NULL, stopped_at = NULL \
                     WHERE follower = $3 AND log = $2"
                        .to_owned(),
                ),
            ],
            keep_epoch: named(
                "INSERT INTO {checkpoints} (follower, log, position, epoch) VALUES ($1, $2, 0, $3)"
                    .to_owned(),
            ),
            // Set aside in what was built, and in what readers see not at all, later, or given up on.
            read_overtaken: named(
                "SELECT n.position FROM {parked} AS n WHERE n.follower = $3 AND n.log = $2 AND n.failure IS NOT NULL AND n.position <= $4 \
                 AND (NOT EXISTS (SELECT FROM {parked} AS o WHERE o.follower = $1 AND o.log = $2 \
                         AND o.category = n.category AND o.stream = n.stream AND o.position <= n.position) \
                     OR EXISTS (SELECT FROM {dropped} AS d WHERE d.follower = $1 AND d.log = $2 AND d.position = n.position)) \
                 ORDER BY n.position LIMIT 1"
                    .to_owned(),
            ),
            forget: [
                named("DELETE FROM {parked} WHERE follower = $1 AND log = $2".to_owned()),
                named("DELETE FROM {dropped} WHERE follower = $1 AND log = $2".to_owned()),
                named(
                    "UPDATE {checkpoints} SET position = 0, commit_id = NULL WHERE follower = $1 AND log = $2"
                        .to_owned(),
                ),
            ],
            read_stream: named(format!(
                "SELECT {RECORD_OF_STREAM} FROM {{events}} \
                 WHERE category = $1 AND stream = $2 AND version > $3 AND version <= $4 ORDER BY version LIMIT $5"
            )),
            read_stream_backwards: named(format!(
                "SELECT {RECORD_OF_STREAM} FROM {{events}} \
                 WHERE category = $1 AND stream = $2 AND version > $3 AND version <= $4 ORDER BY version DESC LIMIT $5"
            )),
            visit_stream: named(
                "SELECT version, event, schema, payload, time FROM {events} \
                 WHERE category = $1 AND stream = $2 AND version > $3 AND version <= $4 ORDER BY version LIMIT $5"
                    .to_owned(),
            ),
            visit_stream_backwards: named(
                "SELECT version, event, schema, payload, time FROM {events} \
                 WHERE category = $1 AND stream = $2 AND version > $3 AND version <= $4 ORDER BY version DESC LIMIT $5"
                    .to_owned(),
            ),
            read_log: named(format!(
                "SELECT {RECORD} FROM {{events}} WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3"
            )),
            // Joined to nothing, the category is found by no index: by that of streams each page would sort all events of a category.
            read_filtered_log: named(format!(
                "SELECT {RECORD} FROM {{events}} WHERE position > $1 AND position <= $2 AND (category || '' = ANY ($4) \
                 OR (category || '', event) IN (SELECT * FROM unnest($5::text[], $6::text[]))) ORDER BY position LIMIT $3"
            )),
            // Each id is found after the one before it, so that the events of a stream are not read.
            read_ids: named(
                "WITH RECURSIVE ids AS ( \
                     (SELECT stream FROM {events} WHERE category = $1 AND stream >= $2 ORDER BY stream LIMIT 1) \
                     UNION ALL \
                     SELECT (SELECT e.stream FROM {events} AS e \
                         WHERE e.category = $1 AND e.stream > ids.stream ORDER BY e.stream LIMIT 1) \
                     FROM ids WHERE ids.stream IS NOT NULL) \
                 SELECT stream FROM ids WHERE stream IS NOT NULL LIMIT $3"
                    .to_owned(),
            ),
            claim: named("UPDATE {log} SET owner = $1 WHERE id = 1 AND owner IS NULL".to_owned()),
            read_owner: named("SELECT owner FROM {log} WHERE id = 1".to_owned()),
            write_snapshot: named(
                "INSERT INTO {snapshots} (category, stream, version, fingerprint, state) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (category, stream, version) \
                 DO UPDATE SET fingerprint = excluded.fingerprint, state = excluded.state"
                    .to_owned(),
            ),
            read_snapshot: named(
                "SELECT version, fingerprint, state FROM {snapshots} \
                 WHERE category = $1 AND stream = $2 AND version <= $3 ORDER BY version DESC LIMIT 1"
                    .to_owned(),
            ),
            drop_snapshots: named(
                "DELETE FROM {snapshots} WHERE category = $1 AND stream = $2".to_owned(),
            ),
            drop_all_snapshots: named("DELETE FROM {snapshots}".to_owned()),
            verify_events: named(format!(
                "SELECT {RECORD}, events_in_commit, checksum FROM {{events}} ORDER BY position"
            )),
            verify_streams: named(
                "SELECT category, stream FROM {events} GROUP BY category, stream \
                 HAVING min(version) <> 1 OR max(version) <> count(*)"
                    .to_owned(),
            ),
            triggers: [
                location.name("events_are_not_changed"),
                location.name("events_are_not_deleted"),
                location.name("events_are_not_truncated"),
            ],
            channel,
            location,
        }
    }
}
