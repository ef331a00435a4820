"""Uses the embedded engine through clickhouse-connect, a client that nobody here wrote.

Arguments: port, user, key, user that may only read, its key. Exits with 0 if everything is as a ClickHouse server does it.
"""

import datetime
import sys
import uuid

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError


def client(port, user, key, **more):
    return clickhouse_connect.get_client(host="127.0.0.1", port=int(port), username=user, password=key, **more)


def refused(call, code):
    try:
        call()
    except DatabaseError as error:
        assert f"ode: {code}" in str(error) or f"code {code}" in str(error), error
        return
    raise AssertionError(f"expected code {code}")


def main():
    port, user, key, reader, reader_key = sys.argv[1:6]
    admin = client(port, user, key)
    assert admin.ping()
    assert admin.command("SELECT 1") == 1
    admin.command("CREATE DATABASE connect")
    admin.command(
        "CREATE TABLE connect.t (id UInt64, at DateTime64(6, 'UTC'), who LowCardinality(String), u UUID, a Array(Int32),"
        " n Nullable(String), m Map(String, UInt8)) ENGINE = MergeTree ORDER BY id"
    )
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.timezone.utc)
    rows = [
        [n, at, f"user {n % 7}", uuid.UUID(int=n), [n % 100, -1], None if n % 2 else "å\t'\\", {"k": n % 5}] for n in range(20000)
    ]
    names = ["id", "at", "who", "u", "a", "n", "m"]

    for compress in (True, "lz4", "zstd", "gzip", False):
        one = client(port, user, key, compress=compress)
        one.command("TRUNCATE TABLE connect.t")
        summary = one.insert("t", rows, column_names=names, database="connect")
        assert summary.written_rows == len(rows), (compress, summary.written_rows)
        result = one.query("SELECT * FROM connect.t ORDER BY id")
        assert len(result.result_rows) == len(rows), compress
        for wanted, got in zip(rows, result.result_rows):
            at_got = got[1] if got[1].tzinfo else got[1].replace(tzinfo=datetime.timezone.utc)
            assert [wanted[0], wanted[1], *wanted[2:]] == [got[0], at_got, *got[2:]], (compress, wanted, got)
        one.close()

    count = admin.query("SELECT count() FROM connect.t WHERE who = {who:String} AND id < {n:UInt64}", parameters={"who": "user 3", "n": 70})
    assert count.first_row == (10,), count.first_row
    # parameters too long for a URL go as a form
    long = "x" * 20000
    assert admin.query("SELECT length({p:String})", parameters={"p": long}).first_row == (20000,)
    empty = admin.query("SELECT * FROM connect.t WHERE 0")
    assert empty.row_count == 0
    assert admin.query("SELECT id FROM connect.t LIMIT 0").column_names == ("id",)
    with admin.query_row_block_stream("SELECT number FROM numbers(500000)") as stream:
        assert sum(len(block) for block in stream) == 500000
    raw = admin.raw_query("SELECT 1 AS one, 'x' AS two", fmt="JSONEachRow")
    assert raw == b'{"one":1,"two":"x"}\n', raw
    admin.raw_insert("connect.t", ["id"], "7\n8\n", fmt="TSV")
    assert admin.query("SELECT count() FROM connect.t").first_row == (20002,)

    refused(lambda: admin.query("SELECT * FROM connect.nothing"), 60)
    refused(lambda: admin.query("SELECT throwIf(number = 400000) FROM numbers(500000)"), 395)
    refused(lambda: admin.query("SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a String')"), 497)
    refused(lambda: client(port, user, "wrong-wrong-wrong"), 516)

    only = client(port, reader, reader_key)
    assert only.query("SELECT count() FROM connect.t").first_row == (20002,)
    refused(lambda: only.command("DROP TABLE connect.t"), 497)
    refused(lambda: only.insert("t", rows[:1], column_names=names, database="connect"), 497)
    admin.command("DROP DATABASE connect")
    print("clickhouse-connect", clickhouse_connect.__version__ if hasattr(clickhouse_connect, "__version__") else "", "ok")


main()
