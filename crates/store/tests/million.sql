-- An organization with many users and devices, for tests of query plans and for the benchmark. One text for both engines; whoever runs it
-- replaces: ORG by the organization's id, COUNT by how many, START by the first id's time in milliseconds, HEX12(x) and BYTES32(x) by what the
-- engine has for them. The ids of row i are those of the time START + 1000 i, which is what the program makes. Sessions are those of
-- the last eight hours before the end.

INSERT INTO person (org, id, login_name, login_key, display_name, given_name, family_name, emails, department, status, protected, source,
    attributes, taken_at, created_at, updated_at, deleted_at)
WITH RECURSIVE n(i, t, h) AS (
    SELECT 0, START, HEX12(START)
    UNION ALL SELECT i + 1, t + 1000, HEX12((t + 1000)) FROM n WHERE i < COUNT - 1)
SELECT 'ORG', substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-7000-8000-' || HEX12(i), 'user' || i || '@fill.example',
    CASE WHEN i % 97 = 1 THEN 'deleted' || i ELSE 'user' || i || '@fill.example' END, 'Person ' || i,
    CASE WHEN i % 3 = 0 THEN 'Given' || (i % 1009) END, CASE WHEN i % 3 = 0 THEN 'Family' || (i % 5003) END, '[]',
    CASE WHEN i % 3 = 0 THEN 'Department ' || (i % 47) END,
    CASE WHEN i % 97 = 1 THEN 'deleted' WHEN i % 53 = 1 THEN 'disabled' ELSE 'active' END, FALSE,
    CASE WHEN i % 1000 = 0 THEN 'local' WHEN i % 10 = 0 THEN 'import' ELSE 'device-token' END, '{}', t, t, t, NULL
FROM n;

INSERT INTO device (org, id, key, dk, protection, platform, os, host, serial, smbios_uuid, agent, external_device_id, ownership, state,
    state_reason, state_at, domain, cur, v_cur, v_prev, prev_alive, v_0, advanced_at, enrolled_user, enrolled_reason, token_id, ceiling,
    certificate_expires_at, key_since, replaces, released_until, address, first_seen_at, last_seen_at, removed_at, seen_day)
WITH RECURSIVE n(i, t, h) AS (
    SELECT 0, START, HEX12(START)
    UNION ALL SELECT i + 1, t + 1000, HEX12((t + 1000)) FROM n WHERE i < COUNT - 1)
SELECT 'ORG', substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-7000-8000-' || HEX12(i), '{}', BYTES32(i), 'software',
    CASE WHEN i % 1000 = 3 THEN 'ios' WHEN i % 10 = 0 THEN 'macos' WHEN i % 7 = 0 THEN 'linux' ELSE 'windows' END,
    NULL, 'host-' || i, 'SN' || i, NULL, '1.0', NULL, NULL,
    CASE i % 200 WHEN 1 THEN 'pending' WHEN 2 THEN 'suspended' WHEN 3 THEN 'quarantined' WHEN 4 THEN 'removed' WHEN 5 THEN 'retired'
        ELSE 'registered' END,
    NULL, t, 'fill.example', 0, BYTES32(0), NULL, FALSE, BYTES32(0), NULL, 'null', NULL, 'aaaaaaaaa' || substr('abcdefghij', i % 10 + 1, 1),
    '{"domains":[],"jit_groups":[],"min_evidence":0,"known_users_first_device":false,"second_device_allowed":false}',
    NULL, t, NULL, NULL, '192.0.2.1', t, t + 86400000 * (i % 4), CASE WHEN i % 200 = 4 THEN t END, (t + 86400000 * (i % 4)) / 86400000
FROM n;

INSERT INTO binding (org, id, device_id, user_id, os_account, user_key, uk, level, claim, source, state, state_reason, created_at,
    last_used_at, ended_at)
WITH RECURSIVE n(i, t, h) AS (
    SELECT 0, START, HEX12(START)
    UNION ALL SELECT i + 1, t + 1000, HEX12((t + 1000)) FROM n WHERE i < COUNT - 1)
SELECT 'ORG', substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-7000-8000-' || HEX12(i),
    substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-7000-8000-' || HEX12(i),
    substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-7000-8000-' || HEX12(i), 'user' || i, '{}', BYTES32(i),
    CASE WHEN i % 5000 = 0 THEN 5 WHEN i % 50 = 0 THEN 4 ELSE 1 + i % 3 END, 'user' || i || '@fill.example', 'account',
    CASE i % 400 WHEN 7 THEN 'pending' WHEN 8 THEN 'ended' ELSE 'active' END, NULL, t, NULL, NULL
FROM n;

INSERT INTO user_group (org, id, name, protected, created_at) VALUES ('ORG', 'group-large', 'large', FALSE, START);
INSERT INTO user_group (org, id, name, protected, created_at) VALUES ('ORG', 'group-small', 'small', FALSE, START);
INSERT INTO membership (org, group_id, user_id, created_at)
SELECT 'ORG', 'group-large', id, created_at FROM person WHERE org = 'ORG' AND source <> 'import';
INSERT INTO membership (org, group_id, user_id, created_at)
SELECT 'ORG', 'group-small', id, created_at FROM person WHERE org = 'ORG' AND source = 'local';
