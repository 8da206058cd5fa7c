-- The last look at the clock, so that a restart does not forget that it was wrong.

CREATE TABLE clock_look (
    org TEXT NOT NULL,
    at BIGINT NOT NULL,
    disturbed_at BIGINT,
    PRIMARY KEY (org)
);
