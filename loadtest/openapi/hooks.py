"""How schemathesis asks: as the people whom the auditor's test has made, of what there is.

What schemathesis thinks up is sent as it is, by one of these people or by nobody. A part of the requests is one that somebody
who may would send, for something that is there and stands where it must: else no answer but a refusal would be seen.

`GRINDVAKT_PLACE` is a folder: `told.json` has the address, the people and the good requests; `now.json`, written anew all
the time, the gateway's assertion for each and a one-time code. `seen.json` counts what was answered.
"""

import json
import os
import random
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import requests
import schemathesis

PLACE = Path(os.environ["GRINDVAKT_PLACE"])
TOLD = json.loads((PLACE / "told.json").read_text())
TOLD["own"] = set(TOLD["own"])
ASSERTION = TOLD["header"]
# So many of all requests are good ones, by people known, about something that is there.
GOOD, KNOWN, THERE = 0.3, 0.9, 0.5

chance = random.Random(TOLD["seed"])
numbers = iter(range(1, 1_000_000))
# Ids that answers had, by the collection that they are in.
ids = defaultdict(list)
seen = defaultdict(Counter)


def now():
    return json.loads((PLACE / "now.json").read_text())


def ask(who, method, path, body=None, headers=None):
    headers = {ASSERTION: now()["assertions"][who], **(headers or {})}
    answer = requests.request(method, TOLD["url"] + path, headers=headers, json=body, timeout=30)
    return answer if answer.ok else None


def filled(value, code, number):
    """A good body, with what is another each time."""
    if isinstance(value, dict):
        return {name: filled(part, code, number) for name, part in value.items()}
    return value.replace("$CODE", code).replace("$N", f"{number:05}") if isinstance(value, str) else value


def own(row):
    """Whether it is of the people who ask, or their duty: what happens to them would end what they can do."""
    return row.get("id") in TOLD["own"] or ("appointment" in row and row["account"] in TOLD["own"])


def picked(who, pick):
    """The id of one of those that a list shows; none: it is empty."""
    answer = ask(who, *pick)
    lists = [value for value in (answer.json() if answer else {}).values() if isinstance(value, list)]
    rows = [row for rows in lists for row in rows if not own(row)]
    return chance.choice(rows)["id"] if rows else None


def there(good, pick):
    """One of a list, which is filled before if it is empty."""
    found = picked(good["who"], pick)
    if found is None and "after" in good:
        do(good["after"])
        found = picked(good["who"], pick)
    return found


def request_of(good):
    """A good request's parameters of the path, headers and body; none, if there is nothing for it to be about."""
    path, headers = dict(good.get("path", {})), {}
    if "pick" in good:
        path["id"] = there(good, good["pick"])
        if path["id"] is None:
            return None
    body = filled(good["body"], now()["code"], next(numbers)) if "body" in good else None
    if "picked" in good:
        name, pick = good["picked"]
        body[name] = there(good, pick)
    if good.get("seen"):
        shown = ask(good["who"], "GET", "/forms/" + path["id"])
        if shown is None:
            return None
        headers["If-Match"] = shown.headers["ETag"]
    return path, headers, body


def do(name):
    """Does what another request needs."""
    good = TOLD["good"][name]
    request = request_of(good)
    if request is not None:
        path, headers, body = request
        method, template = TOLD["operations"][name]
        ask(good["who"], method, template.format(**path), body, headers)


def be_good(case, good):
    """Makes the request a good one, if there is something for it to be about. Who sends it."""
    request = request_of(good)
    if request is None:
        return None
    path, headers, body = request
    case.path_parameters.update(path)
    case.query = {}
    case.headers.pop("If-Match", None)
    case.headers.update(headers)
    if body is not None:
        case.media_type, case.body = "application/json", body
    return good["who"]


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = case.operation
    if case.headers is None:
        case.headers = {}
    good = TOLD["good"].get(operation.definition.raw["operationId"])
    as_described = case.method.lower() == operation.method.lower()
    who = None
    done = any(status < 300 for status in seen[operation.definition.raw["operationId"]])
    if good and as_described and (not done or chance.random() < GOOD):
        who = be_good(case, good)
    if who is None:
        if "id" in case.path_parameters and chance.random() < THERE:
            known = ids[operation.path.split("/")[1]]
            if known:
                case.path_parameters["id"] = chance.choice(known)
        if chance.random() < KNOWN:
            # Wrong factors lock: one person shows them all.
            shows = operation.path.startswith("/step-up")
            who = TOLD["good"]["step_up"]["who"] if shows else chance.choice(TOLD["people"])
    assertions = now()["assertions"]
    case.headers[ASSERTION] = assertions[who] if who else assertions["nobody"]


@schemathesis.hook
def after_call(context, case, response):
    collection = case.operation.path.split("/")[1]
    if response.status_code in (200, 201) and "json" in response.headers.get("content-type", [""])[0]:
        told = response.json()
        for row in [told, *(part for rows in told.values() if isinstance(rows, list) for part in rows)]:
            known = isinstance(row, dict) and isinstance(row.get("id"), str) and not own(row)
            if known and len(ids[collection]) < 1000:
                ids[collection].append(row["id"])
    if case.method.lower() == case.operation.method.lower():
        seen[case.operation.definition.raw["operationId"]][response.status_code] += 1
    count()


def count():
    """Whole, however this program ends."""
    with tempfile.NamedTemporaryFile("w", dir=PLACE, delete=False) as file:
        json.dump(seen, file)
    os.replace(file.name, PLACE / "seen.json")
