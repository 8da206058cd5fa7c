-- Passwords that have to be changed: asked for by an administrator, or too old; and those that a user had before, which are not used again.

ALTER TABLE password ADD COLUMN must_change BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX password_set ON password (org, set_at, user_id);

CREATE TABLE former_password (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    phc TEXT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE INDEX former_password_user ON former_password (org, user_id);

ALTER TABLE sign_in_policy ADD COLUMN password_history BIGINT NOT NULL DEFAULT 5;
ALTER TABLE sign_in_policy ADD COLUMN password_max_age_days BIGINT NOT NULL DEFAULT 0;
