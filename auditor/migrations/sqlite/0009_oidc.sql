-- Sessions that began with a login at an identity provider. What the provider calls its own session and the person is kept as
-- keyed hashes only: to find a session again when the provider says that it has ended, and for nothing else.
CREATE TABLE oidc_session (
    session TEXT PRIMARY KEY REFERENCES session (key) ON DELETE CASCADE,
    sid     TEXT,
    sub     TEXT NOT NULL
);
CREATE INDEX oidc_session_sid ON oidc_session (sid);
CREATE INDEX oidc_session_sub ON oidc_session (sub);
