-- Mail that waits to be sent, codes that were mailed, and links by which a forgotten password is replaced.

CREATE TABLE mail (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    recipient TEXT NOT NULL,
    kind TEXT NOT NULL,
    sealed BYTES NOT NULL,
    created_at BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    next_try BIGINT NOT NULL,
    last_error TEXT,
    PRIMARY KEY (org, id)
);

CREATE TABLE mail_code (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT,
    address TEXT,
    mac BYTES NOT NULL,
    wrong BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE recovery_link (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    secret_sha256 BYTES NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE INDEX mail_next_try ON mail (next_try);
CREATE INDEX mail_user ON mail (org, user_id);
CREATE INDEX mail_code_user ON mail_code (org, user_id);
CREATE INDEX mail_code_expires ON mail_code (expires_at);
CREATE UNIQUE INDEX recovery_link_secret ON recovery_link (org, secret_sha256);
CREATE INDEX recovery_link_user ON recovery_link (org, user_id);
CREATE INDEX recovery_link_expires ON recovery_link (expires_at);
