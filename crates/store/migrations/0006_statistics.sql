-- What happened, counted by day, so that nobody who asks reads the log.

CREATE TABLE day_count (
    org TEXT NOT NULL,
    day BIGINT NOT NULL,
    what TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (org, day, what)
);

CREATE TABLE counted_up_to (
    org TEXT NOT NULL,
    event TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (org)
);
