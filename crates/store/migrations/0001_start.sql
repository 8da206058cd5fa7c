-- The tables as the records declare them. Both engines read this text; BYTES becomes BLOB or BYTEA.
-- Every name a query uses is declared in crates/directory/src/records.rs; a test compares the two.

CREATE TABLE store (
    incarnation BYTES NOT NULL
);

CREATE TABLE cloud (
    org TEXT NOT NULL,
    iss TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    master_check BYTES NOT NULL,
    master_id TEXT NOT NULL,
    restored_at BIGINT,
    taken_at BIGINT,
    PRIMARY KEY (org)
);

CREATE TABLE organization (
    org TEXT NOT NULL,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    certificate_lifetime_s BIGINT NOT NULL,
    devices_per_user BIGINT NOT NULL,
    asleep_limit_s BIGINT NOT NULL,
    max_tokens BIGINT NOT NULL,
    retire_after_s BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (org)
);

CREATE TABLE domain (
    org TEXT NOT NULL,
    name TEXT NOT NULL,
    verification TEXT NOT NULL,
    challenge TEXT NOT NULL,
    reason TEXT,
    verified_at BIGINT,
    last_seen_at BIGINT,
    missing_since BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, name)
);

CREATE TABLE domain_owner (
    org TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE person (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    login_name TEXT NOT NULL,
    login_key TEXT NOT NULL,
    display_name TEXT,
    given_name TEXT,
    family_name TEXT,
    emails TEXT NOT NULL,
    department TEXT,
    status TEXT NOT NULL,
    protected BOOLEAN NOT NULL,
    source TEXT NOT NULL,
    attributes TEXT NOT NULL,
    taken_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT,
    PRIMARY KEY (org, id)
);

CREATE TABLE user_group (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    protected BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE membership (
    org TEXT NOT NULL,
    group_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, group_id, user_id)
);

CREATE TABLE device_token (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    public_key TEXT NOT NULL,
    description TEXT NOT NULL,
    sealed_seed BYTES,
    domains TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    max_uses BIGINT NOT NULL,
    uses BIGINT NOT NULL,
    uses_per_minute BIGINT NOT NULL,
    platforms TEXT NOT NULL,
    networks TEXT NOT NULL,
    min_evidence BIGINT NOT NULL,
    initial_state TEXT NOT NULL,
    known_users TEXT NOT NULL,
    on_known_serial TEXT NOT NULL,
    on_second_device TEXT NOT NULL,
    jit_groups TEXT NOT NULL,
    brake BIGINT,
    expect BIGINT,
    state TEXT NOT NULL,
    state_reason TEXT,
    creator TEXT NOT NULL,
    replaced_by TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revoked_at BIGINT,
    PRIMARY KEY (org, id)
);

CREATE TABLE reveal_failure (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    token_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE one_time_code (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    public_key TEXT NOT NULL,
    user_id TEXT NOT NULL,
    serial TEXT,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    used_by TEXT,
    creator TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE device_token_policy (
    org TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    all_domains BOOLEAN NOT NULL,
    domains TEXT NOT NULL,
    jit BOOLEAN NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (org)
);

CREATE TABLE device (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    key TEXT NOT NULL,
    dk BYTES NOT NULL,
    protection TEXT NOT NULL,
    platform TEXT NOT NULL,
    os TEXT,
    host TEXT,
    serial TEXT,
    smbios_uuid TEXT,
    agent TEXT NOT NULL,
    external_device_id TEXT,
    ownership TEXT,
    state TEXT NOT NULL,
    state_reason TEXT,
    state_at BIGINT NOT NULL,
    domain TEXT NOT NULL,
    cur BIGINT NOT NULL,
    v_cur BYTES NOT NULL,
    v_prev BYTES,
    prev_alive BOOLEAN NOT NULL,
    v_0 BYTES NOT NULL,
    advanced_at BIGINT,
    enrolled_user TEXT NOT NULL,
    enrolled_reason TEXT,
    token_id TEXT,
    ceiling TEXT NOT NULL,
    certificate_expires_at BIGINT,
    key_since BIGINT NOT NULL,
    replaces TEXT,
    released_until BIGINT,
    address TEXT,
    first_seen_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    removed_at BIGINT,
    PRIMARY KEY (org, id)
);

CREATE TABLE device_key (
    org TEXT NOT NULL,
    thumbprint BYTES NOT NULL,
    device_id TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (org, thumbprint)
);

CREATE TABLE binding (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    os_account TEXT NOT NULL,
    user_key TEXT NOT NULL,
    uk BYTES NOT NULL,
    level BIGINT NOT NULL,
    claim TEXT NOT NULL,
    source TEXT NOT NULL,
    state TEXT NOT NULL,
    state_reason TEXT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    ended_at BIGINT,
    PRIMARY KEY (org, id)
);

CREATE TABLE service (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    protocol TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    metadata BYTES NOT NULL,
    metadata_sha256 BYTES NOT NULL,
    metadata_url TEXT,
    metadata_pending BYTES,
    settings TEXT NOT NULL,
    min_evidence BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE entitlement (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    service_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE session (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    device_id TEXT,
    binding_id TEXT,
    service_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    nonce BYTES NOT NULL,
    assertion_id TEXT NOT NULL,
    level BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_reason TEXT,
    PRIMARY KEY (org, id)
);

CREATE TABLE consumed_nonce (
    org TEXT NOT NULL,
    value BYTES NOT NULL,
    exp BIGINT NOT NULL,
    PRIMARY KEY (org, value)
);

CREATE TABLE signing_key (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    usage TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    state TEXT NOT NULL,
    public BYTES NOT NULL,
    sealed BYTES NOT NULL,
    succession TEXT,
    created_at BIGINT NOT NULL,
    activated_at BIGINT,
    retired_at BIGINT,
    PRIMARY KEY (org, id)
);

CREATE TABLE api_client (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    secret_sha256 BYTES,
    public_key TEXT,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    PRIMARY KEY (org, id)
);

CREATE TABLE access_token (
    org TEXT NOT NULL,
    hash BYTES NOT NULL,
    client_id TEXT NOT NULL,
    scopes TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (org, hash)
);

CREATE TABLE idempotent_answer (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    body BYTES NOT NULL,
    status BIGINT NOT NULL,
    answer TEXT,
    resource TEXT,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE refusal_count (
    org TEXT NOT NULL,
    code TEXT NOT NULL,
    subject TEXT NOT NULL,
    network TEXT NOT NULL,
    minute BIGINT NOT NULL,
    count BIGINT NOT NULL,
    reference TEXT NOT NULL,
    detail TEXT NOT NULL,
    proven BOOLEAN NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (org, code, subject, network, minute)
);

CREATE TABLE audit_event (
    org TEXT NOT NULL,
    chain TEXT NOT NULL,
    seq BIGINT NOT NULL,
    id TEXT NOT NULL,
    prev_hash BYTES NOT NULL,
    hash BYTES NOT NULL,
    at BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    address TEXT,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    outcome TEXT NOT NULL,
    code TEXT,
    reference TEXT,
    details TEXT NOT NULL,
    PRIMARY KEY (org, chain, seq)
);

CREATE TABLE audit_chain (
    org TEXT NOT NULL,
    chain TEXT NOT NULL,
    events BIGINT NOT NULL,
    head_hash BYTES NOT NULL,
    opened_at BIGINT NOT NULL,
    PRIMARY KEY (org, chain)
);

CREATE TABLE checkpoint (
    org TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    signature BYTES NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (org, seq)
);

CREATE UNIQUE INDEX organization_slug ON organization (slug);
CREATE UNIQUE INDEX person_login ON person (org, login_key);
CREATE INDEX person_created ON person (org, created_at, id);
CREATE UNIQUE INDEX user_group_name ON user_group (org, name);
CREATE INDEX membership_user ON membership (org, user_id);
CREATE INDEX device_dk ON device (org, dk);
CREATE INDEX device_serial ON device (org, serial);
CREATE INDEX device_created ON device (org, first_seen_at, id);
CREATE INDEX device_token_id ON device (org, token_id, first_seen_at);
CREATE INDEX device_key_device ON device_key (org, device_id);
CREATE INDEX binding_device ON binding (org, device_id);
CREATE INDEX binding_user ON binding (org, user_id);
CREATE INDEX binding_uk ON binding (org, uk);
CREATE INDEX one_time_code_user ON one_time_code (org, user_id);
CREATE INDEX reveal_failure_token ON reveal_failure (org, token_id, at);
CREATE UNIQUE INDEX service_name ON service (org, name);
CREATE UNIQUE INDEX service_entity ON service (org, entity_id);
CREATE UNIQUE INDEX entitlement_what ON entitlement (org, service_id, kind, subject);
CREATE UNIQUE INDEX session_nonce ON session (org, nonce);
CREATE UNIQUE INDEX session_assertion ON session (org, assertion_id);
CREATE INDEX session_by_user ON session (org, user_id);
CREATE INDEX session_expires ON session (expires_at);
CREATE INDEX consumed_nonce_exp ON consumed_nonce (exp);
CREATE UNIQUE INDEX api_client_name ON api_client (org, name);
CREATE INDEX access_token_exp ON access_token (expires_at);
CREATE INDEX idempotent_answer_exp ON idempotent_answer (expires_at);
CREATE INDEX refusal_count_reference ON refusal_count (org, reference);
CREATE INDEX refusal_count_subject ON refusal_count (org, subject, at);
CREATE INDEX audit_event_at ON audit_event (org, at, id);
CREATE INDEX audit_event_reference ON audit_event (org, reference) WHERE reference IS NOT NULL;
