-- How organizations look. The logo stands apart from what every page reads.

CREATE TABLE branding (
    org TEXT NOT NULL,
    accent TEXT,
    sign_in_title TEXT,
    sign_in_help TEXT,
    support_contact TEXT,
    sender_name TEXT,
    logo_type TEXT,
    logo_width BIGINT,
    logo_height BIGINT,
    logo_bytes BIGINT,
    logo_sha256 TEXT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (org)
);

CREATE TABLE branding_logo (
    org TEXT NOT NULL,
    body BYTES NOT NULL,
    PRIMARY KEY (org)
);
