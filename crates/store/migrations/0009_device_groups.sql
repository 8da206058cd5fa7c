-- Groups of devices, and the rules by which devices that were not heard of are cleaned up.

CREATE TABLE device_group (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    users_per_device BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE device_group_member (
    org TEXT NOT NULL,
    group_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, group_id, device_id)
);

CREATE TABLE cleanup_rule (
    org TEXT NOT NULL,
    id TEXT NOT NULL,
    description TEXT NOT NULL,
    action TEXT NOT NULL,
    platforms TEXT NOT NULL,
    group_id TEXT,
    silent_days BIGINT NOT NULL,
    enabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE UNIQUE INDEX device_group_name ON device_group (org, name);
CREATE INDEX device_group_member_device ON device_group_member (org, device_id);
