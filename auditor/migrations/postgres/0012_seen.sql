-- Which account has seen which half in clear: nobody sees both of one handout. Forgotten with the half.
CREATE TABLE handout_seen (
    message TEXT NOT NULL,
    account TEXT NOT NULL REFERENCES account (id),
    PRIMARY KEY (message, account)
);
