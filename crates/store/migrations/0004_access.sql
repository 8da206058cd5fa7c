-- Who administers: roles that administrators made, who has a role, browser sessions and set-up links.

CREATE TABLE custom_role (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    rights TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE role_assignment (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    role_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE browser_session (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    secret_sha256 BYTES NOT NULL,
    previous_sha256 BYTES,
    previous_until BIGINT,
    user_id TEXT NOT NULL,
    methods TEXT NOT NULL,
    level BIGINT NOT NULL,
    nonce BYTES NOT NULL,
    address TEXT,
    agent TEXT,
    created_at BIGINT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    rotated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_reason TEXT,
    PRIMARY KEY (org, id)
);

CREATE TABLE setup_link (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    secret_sha256 BYTES NOT NULL,
    for_org TEXT,
    user_id TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    session_sha256 BYTES,
    session_until BIGINT,
    PRIMARY KEY (org, id)
);

CREATE UNIQUE INDEX custom_role_name ON custom_role (org, name);
CREATE UNIQUE INDEX role_assignment_what ON role_assignment (org, role_id, kind, subject);
CREATE INDEX role_assignment_subject ON role_assignment (org, subject);
CREATE INDEX role_assignment_created ON role_assignment (org, role_id, created_at, id);
CREATE UNIQUE INDEX browser_session_nonce ON browser_session (org, nonce);
CREATE INDEX browser_session_created ON browser_session (org, created_at, id);
CREATE INDEX browser_session_user ON browser_session (org, user_id, created_at, id);
CREATE UNIQUE INDEX setup_link_secret ON setup_link (org, secret_sha256);
CREATE INDEX setup_link_session ON setup_link (org, session_sha256);
