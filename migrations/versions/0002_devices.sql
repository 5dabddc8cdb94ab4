-- What each named device has acknowledged. Beside the log: an ack takes no position.
CREATE TABLE notify.devices (
    inbox_id bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    epoch text NOT NULL,
    acked bigint NOT NULL,
    seen_at timestamptz NOT NULL,
    CONSTRAINT devices_acked CHECK (acked >= 0),
    PRIMARY KEY (inbox_id, name)
) WITH (fillfactor = 80);

CREATE INDEX devices_seen_at ON notify.devices (seen_at);

-- When the acks of an inbox first reached a position. Whatever was created up to there was delivered by then.
CREATE TABLE notify.acks (
    inbox_id bigint NOT NULL,
    upto bigint NOT NULL,
    acked_at timestamptz NOT NULL,
    PRIMARY KEY (inbox_id, upto)
);

CREATE INDEX acks_acked_at ON notify.acks (acked_at);
