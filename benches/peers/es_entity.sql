CREATE TABLE dogs (
    id UUID PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE dog_events (
    id UUID NOT NULL REFERENCES dogs (id),
    sequence INT NOT NULL,
    event_type VARCHAR NOT NULL,
    event JSONB NOT NULL,
    context JSONB DEFAULT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    UNIQUE (id, sequence)
);
