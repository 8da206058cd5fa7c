-- How people sign in: passwords, authenticators, recovery codes, passkeys, wrong attempts, and the organization's choice.

CREATE TABLE password (
    org TEXT NOT NULL,
    user_id TEXT NOT NULL,
    phc TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    PRIMARY KEY (org, user_id)
);

CREATE TABLE totp (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed BYTES NOT NULL,
    last_step BIGINT NOT NULL,
    confirmed_at BIGINT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    PRIMARY KEY (org, id)
);

CREATE TABLE recovery_code (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    hash BYTES NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE passkey (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    credential_sha256 BYTES NOT NULL,
    name TEXT NOT NULL,
    passkey TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    PRIMARY KEY (org, id)
);

CREATE TABLE sign_in_failure (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    count BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE known_browser (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE sign_in_policy (
    org TEXT NOT NULL,
    methods TEXT NOT NULL,
    password_min_length BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (org)
);

CREATE INDEX totp_user ON totp (org, user_id);
CREATE INDEX recovery_code_user ON recovery_code (org, user_id);
CREATE INDEX passkey_user ON passkey (org, user_id);
CREATE UNIQUE INDEX passkey_credential ON passkey (org, credential_sha256);
CREATE INDEX sign_in_failure_last ON sign_in_failure (last_at);
CREATE INDEX known_browser_user ON known_browser (org, user_id);
CREATE INDEX known_browser_last ON known_browser (last_used_at);
