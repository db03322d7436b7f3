SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA school;
CREATE FUNCTION school.es_as_jsonb(bytes bytea, OUT payload jsonb, OUT unreadable text) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
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
CREATE FUNCTION school.es_events_are_facts() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'events are facts: they are not %; record another event that corrects this one',
        CASE TG_OP WHEN 'UPDATE' THEN 'changed' ELSE 'deleted' END;
END $$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE school.es_checkpoints (
    follower text NOT NULL COLLATE pg_catalog."C",
    log text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL
);
CREATE TABLE school.es_events (
    "position" bigint NOT NULL,
    stream uuid NOT NULL,
    version bigint NOT NULL,
    schema bigint NOT NULL,
    "time" bigint NOT NULL,
    commit_id uuid NOT NULL,
    events_in_commit bigint,
    checksum bigint NOT NULL,
    category text NOT NULL COLLATE pg_catalog."C",
    event text NOT NULL COLLATE pg_catalog."C",
    metadata text,
    payload bytea NOT NULL
);
CREATE VIEW school.es_history AS
 SELECT e."position",
    e.category,
    e.stream,
    e.version,
    e.event,
    e.schema,
    j.payload,
    j.unreadable,
    ( SELECT m.payload
           FROM school.es_as_jsonb(convert_to(e.metadata, 'UTF8'::name)) m(payload, unreadable)) AS metadata,
        CASE
            WHEN (e."time" >= '-210866803200000000'::bigint) THEN (('1970-01-01 00:00:00+00'::timestamp with time zone + (((e."time" / 1000000))::double precision * '00:00:01'::interval)) + (((e."time" % (1000000)::bigint))::double precision * '00:00:00.000001'::interval))
            ELSE NULL::timestamp with time zone
        END AS "time",
    e.commit_id
   FROM school.es_events e,
    LATERAL school.es_as_jsonb(e.payload) j(payload, unreadable);
CREATE TABLE school.es_log (
    id integer NOT NULL,
    version integer NOT NULL,
    head bigint NOT NULL,
    "time" bigint NOT NULL,
    owner text,
    CONSTRAINT es_log_id_check CHECK ((id = 1))
)
WITH (fillfactor='10');
CREATE TABLE school.es_snapshots (
    category text NOT NULL COLLATE pg_catalog."C",
    stream uuid NOT NULL,
    version bigint NOT NULL,
    fingerprint bigint NOT NULL,
    state bytea NOT NULL
);
INSERT INTO school.es_checkpoints VALUES ('wall', 'school', 4);
INSERT INTO school.es_events VALUES (1, '00000000-0000-0000-0000-000000000001', 1, 1, 1795284786687861, '01a1ff4f-ddff-747e-b1cd-2435dc77be73', 3, 3434248885, 'Dog', 'Registered', '{"actor":"ann"}', '\x7b226964223a2230303030303030302d303030302d303030302d303030302d303030303030303030303031227d');
INSERT INTO school.es_events VALUES (2, '00000000-0000-0000-0000-000000000001', 2, 1, 1795284786687861, '01a1ff4f-ddff-747e-b1cd-2435dc77be73', NULL, 2288435625, 'Dog', 'TrickAdded', '{"actor":"ann"}', '\x7b22747269636b223a22736974227d');
INSERT INTO school.es_events VALUES (3, '00000000-0000-0000-0000-000000000001', 3, 1, 1795284786687861, '01a1ff4f-ddff-747e-b1cd-2435dc77be73', NULL, 147336549, 'Dog', 'TrickAdded', '{"actor":"ann"}', '\x7b22747269636b223a22726f6c6c206f766572227d');
INSERT INTO school.es_events VALUES (4, '00000000-0000-0000-0000-000000000002', 1, 1, 1795284786694903, '01a1ff4f-de06-73d7-a9a2-b98cf3efe268', 3, 393998495, 'Dog', 'Registered', '{"actor":"ann"}', '\x7b226964223a2230303030303030302d303030302d303030302d303030302d303030303030303030303032227d');
INSERT INTO school.es_events VALUES (5, '00000000-0000-0000-0000-000000000002', 2, 1, 1795284786694903, '01a1ff4f-de06-73d7-a9a2-b98cf3efe268', NULL, 3502687826, 'Dog', 'TrickAdded', '{"actor":"ann"}', '\x7b22747269636b223a22736974227d');
INSERT INTO school.es_events VALUES (6, '00000000-0000-0000-0000-000000000002', 3, 1, 1795284786694903, '01a1ff4f-de06-73d7-a9a2-b98cf3efe268', NULL, 2187949193, 'Dog', 'TrickAdded', '{"actor":"ann"}', '\x7b22747269636b223a22726f6c6c206f766572227d');
INSERT INTO school.es_events VALUES (7, '00000000-0000-0000-0000-000000000003', 1, 1, 1795284786695631, '01a1ff4f-de07-75bd-9c40-ce48ecf7e624', 3, 2985599178, 'Dog', 'Registered', '{"actor":"ann"}', '\x7b226964223a2230303030303030302d303030302d303030302d303030302d303030303030303030303033227d');
INSERT INTO school.es_events VALUES (8, '00000000-0000-0000-0000-000000000003', 2, 1, 1795284786695631, '01a1ff4f-de07-75bd-9c40-ce48ecf7e624', NULL, 2372539572, 'Dog', 'TrickAdded', '{"actor":"ann"}', '\x7b22747269636b223a22736974227d');
INSERT INTO school.es_events VALUES (9, '00000000-0000-0000-0000-000000000003', 3, 1, 1795284786695631, '01a1ff4f-de07-75bd-9c40-ce48ecf7e624', NULL, 1695119017, 'Dog', 'TrickAdded', '{"actor":"ann"}', '\x7b22747269636b223a22726f6c6c206f766572227d');
INSERT INTO school.es_log VALUES (1, 1, 9, 1795284786695631, 'school');
INSERT INTO school.es_snapshots VALUES ('Dog', '00000000-0000-0000-0000-000000000001', 2, 7, '\x0102');
ALTER TABLE ONLY school.es_checkpoints
    ADD CONSTRAINT es_checkpoints_pkey PRIMARY KEY (follower, log);
ALTER TABLE ONLY school.es_events
    ADD CONSTRAINT es_events_pkey PRIMARY KEY ("position");
ALTER TABLE ONLY school.es_log
    ADD CONSTRAINT es_log_pkey PRIMARY KEY (id);
ALTER TABLE ONLY school.es_snapshots
    ADD CONSTRAINT es_snapshots_pkey PRIMARY KEY (category, stream, version);
CREATE UNIQUE INDEX es_events_by_commit ON school.es_events USING btree (commit_id) WHERE (events_in_commit IS NOT NULL);
CREATE UNIQUE INDEX es_events_by_stream ON school.es_events USING btree (category, stream, version);
CREATE TRIGGER es_events_are_not_changed BEFORE UPDATE ON school.es_events FOR EACH STATEMENT EXECUTE FUNCTION school.es_events_are_facts();
CREATE TRIGGER es_events_are_not_deleted BEFORE DELETE ON school.es_events FOR EACH STATEMENT EXECUTE FUNCTION school.es_events_are_facts();
CREATE TRIGGER es_events_are_not_truncated BEFORE TRUNCATE ON school.es_events FOR EACH STATEMENT EXECUTE FUNCTION school.es_events_are_facts();
