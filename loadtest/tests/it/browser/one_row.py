"""Finds the one row of an access by clickhouse-connect, a client that nobody here wrote.

Arguments: port, the patient's pseudonym in hexadecimal, the user's HSA-id, the file with the reader's password.
"""

import sys

import clickhouse_connect


def main():
    port, patient, user, key_file = sys.argv[1:5]
    with open(key_file, encoding="utf-8") as file:
        key = file.read().strip()
    client = clickhouse_connect.get_client(
        host="127.0.0.1", port=int(port), username="reader", password=key, database="grindvakt"
    )
    found = client.query(
        "SELECT registry, route, activity, decision, outcome, status, bytes FROM access"
        " WHERE patient = {patient:String} AND user_hsa = {user:String} AND decision = 'permit'",
        parameters={"patient": patient, "user": user},
    )
    rows = [dict(zip(found.column_names, row)) for row in found.result_rows]
    assert len(rows) == 1, rows
    row = rows[0]
    assert row["registry"] == "exempelregistret" and row["route"] == "/patients/{patient}", row
    assert row["activity"] == "read" and row["outcome"] == "complete" and row["status"] == 200, row
    assert row["bytes"] > 0, row


main()
