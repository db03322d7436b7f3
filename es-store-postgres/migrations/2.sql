-- From version 1 to 2: what belongs to a follower besides its checkpoint. See 1.sql for the braces.
--
-- A checkpoint keeps the commit that it stands at, so that a log restored from a backup is noticed; what made the read model beside it; and who
-- runs the follower, since when and until when (microseconds since 1970, by this server's clock), and how often that was taken over.
ALTER TABLE {checkpoints}
    ADD COLUMN commit_id uuid,
    ADD COLUMN revision bigint NOT NULL DEFAULT 0,
    ADD COLUMN output text,
    ADD COLUMN epoch bigint NOT NULL DEFAULT 0,
    ADD COLUMN holder text,
    ADD COLUMN since bigint,
    ADD COLUMN until bigint;

-- Events that a follower could not handle, and the later ones of their streams, which wait behind them and have no failure.
CREATE TABLE {parked} (
    follower text COLLATE "C" NOT NULL,
    log text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    stream uuid NOT NULL,
    attempts bigint NOT NULL,
    since bigint NOT NULL,
    retry boolean NOT NULL,
    category text COLLATE "C" NOT NULL,
    failure text,
    CONSTRAINT {parked_pkey} PRIMARY KEY (follower, log, position)
);
CREATE INDEX {parked_by_stream} ON {parked} (follower, log, category, stream, position);

-- What was parked and given up on.
CREATE TABLE {dropped} (
    follower text COLLATE "C" NOT NULL,
    log text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    stream uuid NOT NULL,
    time bigint NOT NULL,
    category text COLLATE "C" NOT NULL,
    failure text,
    dropped_by text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT {dropped_pkey} PRIMARY KEY (follower, log, position)
);

UPDATE {log} SET version = 2 WHERE id = 1;
