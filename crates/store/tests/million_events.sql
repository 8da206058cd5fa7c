-- Sessions, audit events and codes beside million.sql, in the same words. Sessions are of the last eight hours before the end of the users' time:
-- EVERY is the milliseconds between two of them, FIRST the time of the first; KEY is a public key as a JWK.

INSERT INTO session (org, id, user_id, device_id, binding_id, service_id, channel, nonce, assertion_id, level, created_at, expires_at,
    ended_at, ended_reason)
WITH RECURSIVE n(i, t, h, u) AS (
    SELECT 0, FIRST, HEX12(FIRST), HEX12(START)
    UNION ALL SELECT i + 1, t + EVERY, HEX12((t + EVERY)), HEX12((START + 1000 * (i + 1))) FROM n WHERE i < COUNT - 1)
SELECT 'ORG', substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-7000-8000-' || HEX12(i),
    substr(u, 1, 8) || '-' || substr(u, 9, 4) || '-7000-8000-' || HEX12(i), substr(u, 1, 8) || '-' || substr(u, 9, 4) || '-7000-8000-' || HEX12(i),
    substr(u, 1, 8) || '-' || substr(u, 9, 4) || '-7000-8000-' || HEX12(i), 'service' || (i % 5), 'agent', substr(BYTES32(i), 17, 16), '_' || HEX12(i), 1, t,
    t + 28800000, CASE WHEN i % 10 = 1 THEN t END, NULL
FROM n;

INSERT INTO audit_event (org, chain, seq, id, prev_hash, hash, at, actor_kind, actor, address, action, target, outcome, code, reference,
    details)
WITH RECURSIVE n(i, t, h) AS (
    SELECT 0, START, HEX12(START)
    UNION ALL SELECT i + 1, t + 1000, HEX12((t + 1000)) FROM n WHERE i < COUNT - 1)
SELECT 'ORG', 'chain', i + 1, substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-7000-8000-' || HEX12(i), BYTES32(0), BYTES32(i), t, 'user',
    CASE WHEN i % 50 = 1 THEN 'admin' || (i % 3) ELSE 'user' || (i % 5000) || '@fill.example' END, NULL,
    CASE i % 50 WHEN 1 THEN 'token.create' WHEN 2 THEN 'device.enroll' ELSE 'signin.saml' END,
    CASE i % 50 WHEN 2 THEN 'device' || i ELSE 'service' || (i % 5) END, CASE WHEN i % 500 = 3 THEN 'refused' ELSE 'ok' END,
    CASE WHEN i % 500 = 3 THEN 'LK-PROOF-014' END, CASE WHEN i % 500 = 3 THEN 'ref' || i END, '{}'
FROM n;

INSERT INTO one_time_code (org, id, public_key, user_id, serial, expires_at, used_at, used_by, creator, created_at)
WITH RECURSIVE n(i, t) AS (SELECT 0, START UNION ALL SELECT i + 1, t + 1000 FROM n WHERE i < COUNT / 10 - 1)
SELECT 'ORG', replace(replace(replace(replace(substr(HEX12(i), 3, 10), '0', 'g'), '1', 'h'), '8', 'i'), '9', 'j'), 'KEY', 'nobody', NULL, t, NULL, NULL, 'operator', t FROM n;

INSERT INTO device_token (org, id, public_key, description, domains, expires_at, max_uses, uses, uses_per_minute, platforms, networks,
    min_evidence, initial_state, known_users, on_known_serial, on_second_device, jit_groups, state, creator, created_at, updated_at)
VALUES ('ORG', 'aaaaaaaaaa', 'KEY', 'lists', '[]', START, 1, 1, 1, '[]', '[]', 0, 'registered', 'first_device', 'pending', 'pending', '[]',
    'active', 'operator', START, START);

INSERT INTO refusal_count (org, code, subject, network, minute, count, reference, detail, proven, at)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < COUNT / 10 - 1)
SELECT 'ORG', 'LK-ENROLL-010', 'aaaaaaaaa' || substr('abcdefghij', i % 10 + 1, 1), '192.0.2.0/24', i, 1, 'ref' || i, 'x', FALSE, START + i FROM n;
