-- Logouts that identity providers have told of in the last hour, as keyed hashes: a login that is under way when one is told
-- leads in no more. Where the provider names no session, or no person, the text is empty.
CREATE TABLE oidc_told (
    sid  TEXT   NOT NULL,
    sub  TEXT   NOT NULL,
    told BIGINT NOT NULL,
    PRIMARY KEY (sid, sub)
);
CREATE INDEX oidc_told_sub ON oidc_told (sub);
CREATE INDEX oidc_told_told ON oidc_told (told);
