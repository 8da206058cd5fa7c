-- Lists that answer as fast with a million rows: an index for every filter, in the order of the list. Ids begin with the time they were made
-- at, so that the order of ids is that of time (docs/decisions/0009-lists.md).

ALTER TABLE device ADD COLUMN seen_day BIGINT NOT NULL DEFAULT 0;
UPDATE device SET seen_day = last_seen_at / 86400000;

-- Every list of users names its states and sources; together they are few.
DROP INDEX person_created;
CREATE INDEX person_status ON person (org, status, source, id);
CREATE INDEX person_department ON person (org, department, id) WHERE department IS NOT NULL;
CREATE INDEX person_login_name ON person (org, login_name, id);
CREATE INDEX person_display_name ON person (org, lower(display_name), id) WHERE display_name IS NOT NULL;
CREATE INDEX person_family_name ON person (org, lower(family_name), id) WHERE family_name IS NOT NULL;
CREATE INDEX person_given_name ON person (org, lower(given_name), id) WHERE given_name IS NOT NULL;

DROP INDEX device_created;
DROP INDEX device_serial;
DROP INDEX device_token_id;
CREATE INDEX device_state ON device (org, state, platform, id);
CREATE INDEX device_seen ON device (org, state, seen_day, id);
CREATE INDEX device_token_id ON device (org, token_id, id);
CREATE INDEX device_serial ON device (org, lower(serial), id) WHERE serial IS NOT NULL;
CREATE INDEX device_host ON device (org, lower(host), id) WHERE host IS NOT NULL;

DROP INDEX binding_device;
DROP INDEX binding_user;
CREATE INDEX binding_device ON binding (org, device_id, id);
CREATE INDEX binding_user ON binding (org, user_id, id);
CREATE INDEX binding_state ON binding (org, state, id);
CREATE INDEX binding_level ON binding (org, level, device_id);

CREATE INDEX one_time_code_created ON one_time_code (org, created_at, id);

-- Nothing asked for sessions by their end.
DROP INDEX session_expires;
DROP INDEX session_by_user;
CREATE INDEX session_by_user ON session (org, user_id, id);

-- Sign-ins are nearly all events there are: they have one index, the others are for what is rare beside them.
DROP INDEX audit_event_at;
DROP INDEX audit_event_reference;
CREATE INDEX audit_event_id ON audit_event (org, id);
CREATE INDEX audit_event_reference ON audit_event (org, reference, id) WHERE reference IS NOT NULL;
CREATE INDEX audit_event_refused ON audit_event (org, id) WHERE outcome = 'refused';
CREATE INDEX audit_event_action ON audit_event (org, action, id) WHERE action <> 'signin.saml';
CREATE INDEX audit_event_actor ON audit_event (org, actor, id) WHERE action <> 'signin.saml';
CREATE INDEX audit_event_target ON audit_event (org, target, id) WHERE action <> 'signin.saml';
