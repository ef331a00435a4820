"""Moves the last confirmation of an account almost a year back, as if that time had passed.

Arguments: the auditor's SQLite file, the account's user name.
"""

import sqlite3
import sys

DAYS = 350
MICROSECONDS_A_DAY = 86_400_000_000


def main():
    file, user = sys.argv[1:3]
    with sqlite3.connect(f"file:{file}?mode=rw", uri=True, timeout=10) as store:
        moved = store.execute(
            "UPDATE account_region SET confirmed = confirmed - ?"
            " WHERE account = (SELECT id FROM account WHERE user_name = ?)",
            (DAYS * MICROSECONDS_A_DAY, user),
        )
        assert moved.rowcount == 1, moved.rowcount


main()
