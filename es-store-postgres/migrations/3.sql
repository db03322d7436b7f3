-- From version 2 to 3: why a follower does not go on, as whoever ran it last said, who that was, and when. See 1.sql for the braces.
ALTER TABLE {checkpoints}
    ADD COLUMN stopped text,
    ADD COLUMN stopped_by text,
    ADD COLUMN stopped_at bigint;

UPDATE {log} SET version = 3 WHERE id = 1;
