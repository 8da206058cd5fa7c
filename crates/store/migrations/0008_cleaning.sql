-- How many devices the clean-up touched, hour by hour: it touches a small share of them a day, and need not count devices to know how many it did.

CREATE TABLE cleaned_up (
    org TEXT NOT NULL,
    hour BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (org, hour)
);
