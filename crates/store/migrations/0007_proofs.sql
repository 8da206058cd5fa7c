-- A browser session keeps what the last proof was worth, beside what was ever proven in it (ForceAuthn asks for the last), and the secrets
-- that were sent and replaced before the browser showed them (whoever shows one later has a copy, or lost it to somebody who has).

ALTER TABLE browser_session ADD COLUMN proof_level BIGINT NOT NULL DEFAULT 0;
UPDATE browser_session SET proof_level = level;
ALTER TABLE browser_session ADD COLUMN unseen TEXT NOT NULL DEFAULT '[]';
