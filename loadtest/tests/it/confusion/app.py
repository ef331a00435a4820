"""An application of WSGI and of ASGI that tells what it understood of each request: a line of JSON on standard output, all
texts in hexadecimal digits."""

import json
import os
from urllib.parse import parse_qs


def told(method, target, path, host, headers, query, body):
    """Writes the line, in one piece, and gives the answer."""

    def fields(place, text):
        values = parse_qs(text.decode("latin-1"), keep_blank_values=True).get("patient", [""])
        return [[place, values[0]], [place, values[-1]]]

    patients = [["path", path.rpartition("/")[2]], *fields("query", query), *fields("form", body)]
    patients += [["header", value] for name, value in headers if name.lower().replace("_", "-") == "x-patient-id"]
    try:
        patients.append(["json", str(json.loads(body)["patient"])])
    except (KeyError, TypeError, ValueError):
        pass
    line = {
        "method": method,
        "target": target,
        "path": path,
        "host": host,
        "body": body,
        "headers": [list(header) for header in headers],
        "patients": patients,
    }
    os.write(1, b"seen " + json.dumps(in_hex(line)).encode() + b"\n")
    case = [value for name, value in headers if name.lower().replace("_", "-") == "x-case"]
    return json.dumps({"case": case[0] if case else "", "target": target}).encode()


def in_hex(value):
    if isinstance(value, dict):
        return {key: in_hex(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [in_hex(inner) for inner in value]
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    return value.hex()


def wsgi(environ, start_response):
    body = environ["wsgi.input"].read()
    headers = [(name[5:], value) for name, value in environ.items() if name.startswith("HTTP_")]
    headers += [(name, environ[name]) for name in ("CONTENT_TYPE", "CONTENT_LENGTH", "REMOTE_USER") if environ.get(name)]
    answer = told(
        environ["REQUEST_METHOD"],
        environ["RAW_URI"],
        # Bytes, in the disguise of Latin-1 (PEP 3333).
        environ["PATH_INFO"].encode("latin-1").decode("utf-8", "surrogateescape"),
        environ.get("HTTP_HOST", ""),
        headers,
        environ["QUERY_STRING"].encode("latin-1"),
        body,
    )
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            # The client has left before its request was whole.
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    query = scope["query_string"]
    answer = told(
        scope["method"],
        scope["raw_path"].decode("latin-1") + ("?" + query.decode("latin-1") if query else ""),
        scope["path"],
        ", ".join(value for name, value in headers if name == "host"),
        headers,
        query,
        body,
    )
    length = str(len(answer)).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": answer})
