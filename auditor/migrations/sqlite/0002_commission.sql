-- From where an account acts: commissions (medarbetaruppdrag). One for each account now; the table has room for several,
-- from which a user will choose at login.
CREATE TABLE account_commission (
    id             TEXT PRIMARY KEY,
    account        TEXT    NOT NULL REFERENCES account (id),
    hsa            TEXT,
    name           TEXT    NOT NULL,
    purpose        TEXT    NOT NULL,
    care_provider  TEXT    NOT NULL,
    care_unit      TEXT    NOT NULL,
    care_unit_name TEXT    NOT NULL,
    given          INTEGER NOT NULL,
    given_by       TEXT    NOT NULL
);
CREATE INDEX account_commission_account ON account_commission (account);
