-- From version 2 to 3: why a follower does not go on, as whoever ran it last said, who that was, and when; and where persons put followers. See
-- 1.sql for the braces.
ALTER TABLE {checkpoints}
    ADD COLUMN stopped text,
    ADD COLUMN stopped_by text,
    ADD COLUMN stopped_at bigint;

CREATE TABLE {placed} (
    id bigint GENERATED ALWAYS AS IDENTITY,
    from_position bigint NOT NULL,
    to_position bigint NOT NULL,
    time bigint NOT NULL,
    follower text COLLATE "C" NOT NULL,
    log text COLLATE "C" NOT NULL,
    placed_by text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT {placed_pkey} PRIMARY KEY (id)
);

UPDATE {log} SET version = 3 WHERE id = 1;
