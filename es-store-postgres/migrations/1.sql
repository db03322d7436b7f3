-- The tables of a log, version 1. What stands in braces is replaced by its name with the prefix, in quotes; tables, functions and the view with
-- their schema.
--
-- The row of the log is its lock: who appends changes it first, so positions are taken in the order of commits and without holes. It has room in
-- its page, so that its new versions stay there.
CREATE TABLE {log} (
    id integer PRIMARY KEY CHECK (id = 1),
    version integer NOT NULL,
    head bigint NOT NULL,
    time bigint NOT NULL,
    owner text
) WITH (fillfactor = 10);
INSERT INTO {log} (id, version, head, time) VALUES (1, 1, 0, 0);

-- Times are microseconds since 1970. In names, `\` is written as `\\` and NUL as `\0`.
CREATE TABLE {events} (
    position bigint NOT NULL,
    stream uuid NOT NULL,
    version bigint NOT NULL,
    schema bigint NOT NULL,
    time bigint NOT NULL,
    commit_id uuid NOT NULL,
    events_in_commit bigint,
    checksum bigint NOT NULL,
    category text COLLATE "C" NOT NULL,
    event text COLLATE "C" NOT NULL,
    metadata text,
    payload bytea NOT NULL,
    CONSTRAINT {events_pkey} PRIMARY KEY (position)
);
CREATE UNIQUE INDEX {events_by_stream} ON {events} (category, stream, version);
CREATE UNIQUE INDEX {events_by_commit} ON {events} (commit_id) WHERE events_in_commit IS NOT NULL;

CREATE FUNCTION {events_are_facts}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are facts: they are not %; record another event that corrects this one',
        CASE TG_OP WHEN 'UPDATE' THEN 'changed' ELSE 'deleted' END;
END $$;
CREATE TRIGGER {events_are_not_changed} BEFORE UPDATE ON {events}
    FOR EACH STATEMENT EXECUTE FUNCTION {events_are_facts}();
CREATE TRIGGER {events_are_not_deleted} BEFORE DELETE ON {events}
    FOR EACH STATEMENT EXECUTE FUNCTION {events_are_facts}();
CREATE TRIGGER {events_are_not_truncated} BEFORE TRUNCATE ON {events}
    FOR EACH STATEMENT EXECUTE FUNCTION {events_are_facts}();

CREATE TABLE {checkpoints} (
    follower text COLLATE "C" NOT NULL,
    log text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    CONSTRAINT {checkpoints_pkey} PRIMARY KEY (follower, log)
);

CREATE TABLE {snapshots} (
    category text COLLATE "C" NOT NULL,
    stream uuid NOT NULL,
    version bigint NOT NULL,
    fingerprint bigint NOT NULL,
    state bytea NOT NULL,
    CONSTRAINT {snapshots_pkey} PRIMARY KEY (category, stream, version)
);

-- For people. What cannot be shown as JSON is NULL, with the reason beside it.
CREATE FUNCTION {as_jsonb}(bytes bytea, OUT payload jsonb, OUT unreadable text) LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF substring(bytes FROM 1 FOR 4) = '\x28b52ffd' THEN
        unreadable := 'compressed';
    ELSIF substring(bytes FROM 1 FOR 1) = '\x87' THEN
        unreadable := 'encrypted';
    ELSE
        payload := convert_from(bytes, 'UTF8')::jsonb;
    END IF;
EXCEPTION WHEN OTHERS THEN
    payload := NULL;
    unreadable := SQLERRM;
END $$;
CREATE VIEW {history} AS
SELECT e.position, e.category, e.stream, e.version, e.event, e.schema, j.payload, j.unreadable,
    (SELECT m.payload FROM {as_jsonb}(convert_to(e.metadata, 'UTF8')) AS m) AS metadata,
    CASE WHEN e.time >= -210866803200000000
        THEN timestamptz 'epoch' + e.time / 1000000 * interval '1 second' + e.time % 1000000 * interval '1 microsecond' END AS time,
    e.commit_id
FROM {events} AS e, {as_jsonb}(e.payload) AS j;
