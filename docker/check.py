"""Reads compose.yml as far as can be done without a Docker engine, and holds it against what it names.

Each service is confined; what it mounts exists or is made by `init`; images have exact tags; the users of ClickHouse may do
what the programs need and read the views, and no more.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
faults = []


def expect(condition, fault):
    if not condition:
        faults.append(fault)


def services(compose, stages):
    made = (ROOT / "auditor/src/init.rs").read_text() + (HERE / "init").read_text()
    for name, service in compose["services"].items():
        once = service.get("restart") == "no"
        expect(service.get("read_only") is True, f"{name}: its root file system is read-only")
        expect(service.get("cap_drop") == ["ALL"], f"{name}: it has no capabilities")
        expect("no-new-privileges:true" in service.get("security_opt", []), f"{name}: no new privileges")
        expect(not service.get("privileged") and "cap_add" not in service, f"{name}: nothing is added")
        check = service.get("healthcheck", {})
        expect(check.get("disable") if once else check.get("test"), f"{name}: a service has a health check, a command has none")
        expect("build" not in service or service["build"]["target"] in stages, f"{name}: its stage is in the Dockerfile")
        for port in service.get("ports", []):
            expect(port.startswith(("127.0.0.1:", "${GRINDVAKT_ADDRESS:-127.0.0.1}:")), f"{name}: {port} is open to all by default")
        for secret in service.get("secrets", []):
            expect(secret in compose["secrets"], f"{name}: there is no secret {secret}")
        for config in service.get("configs", []):
            expect(config["source"] in compose["configs"], f"{name}: there is no config {config['source']}")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                path = (HERE / source).resolve()
                expect(path.exists() or path.name in ("installation", "handout"), f"{name}: {source} is not there")
            else:
                expect(source in compose["volumes"], f"{name}: there is no volume {source}")
        for other in service.get("depends_on", {}):
            expect(other in compose["services"], f"{name}: there is no service {other}")
    for kind in ("configs", "secrets"):
        for name, entry in compose[kind].items():
            file = entry["file"].removeprefix("./installation/")
            stem = re.sub(r"\.(pem|key|password|pub)$", "", file)
            known = file in made or f'"{stem}"' in made or (stem.startswith("secrets/clickhouse-") and "secrets/clickhouse-{user}.password" in made)
            expect(known, f"{kind}: nothing makes {file} ({name})")


def settings(compose):
    for name in ("gateway", "auditor"):
        text = (HERE / f"config/{name}.toml").read_text()
        service = compose["services"][name]
        secrets = set(service["secrets"]) | set(compose["services"]["admin"]["secrets"])
        for secret in re.findall(r"/run/secrets/(\w+)", text):
            expect(secret in secrets, f"{name}.toml: {secret} is not mounted")
        mounted = {config["target"] for config in service["configs"]}
        for config in re.findall(r'"(/run/config/[^"]+)"', text):
            expect(config in mounted, f"{name}.toml: {config} is not mounted")
        for file in re.findall(r'"(/usr/local/share/[^"]+)"', text):
            copied = re.search(rf"^COPY .* {re.escape(file)}$", (HERE / "Dockerfile").read_text(), re.M)
            expect(copied, f"{name}.toml: nothing puts {file} into an image")
    expect("device_ca_key" not in compose["services"]["auditor"]["secrets"], "auditor: the running server does not see the device CA's key")
    for service in ("gateway", "gateway-keys"):
        used = compose["services"][service]["secrets"]
        expect(not {"master_key", "device_ca_key", "clickhouse_auditor_password"} & set(used), f"{service}: it sees secrets of the auditor")


def images(compose):
    """A tag that is moved on to the next version is none; a base of our own images has a date or a whole version."""
    named = [service["image"] for service in compose["services"].values() if "build" not in service]
    named = [image for image in named if not image.startswith("grindvakt/")]
    bases = re.findall(r"^FROM (\S+)", (HERE / "Dockerfile").read_text(), re.M)
    stages = set(re.findall(r"^FROM \S+ AS (\w+)", (HERE / "Dockerfile").read_text(), re.M))
    named += [base for base in bases if base not in stages]
    expect(len(named) >= 5, f"images are found: {named}")
    for image in named:
        tag = re.sub(r"\$\{\w+:-(.*)}$", r"\1", image.split(":", 1)[1] if ":" in image else "")
        expect(re.search(r"\d+\.\d+\.\d+|-\d{8}", tag), f"{image}: its tag is exact")


def grants():
    users = xml.etree.ElementTree.parse(HERE / "clickhouse/users.xml").getroot().find("users")
    granted = {user.tag: [query.text for query in user.iter("query")] for user in users}
    # The last definition of each view is the one that holds.
    views = {}
    for file in sorted((ROOT / "contract/clickhouse").glob("*.sql")):
        for view, clauses in re.findall(r"^CREATE (?:OR REPLACE )?VIEW (?:IF NOT EXISTS )?\$\{database}\.(\w+)(.*?)^SELECT$", file.read_text(), re.S | re.M):
            views[view] = clauses
    expect(views, "the schema has views")
    for view, clauses in views.items():
        expect("SQL SECURITY DEFINER" in clauses, f"{view}: it reads its table by its maker's right, for the reader has none")
    expect(set(granted["reader"]) == {f"GRANT SELECT ON grindvakt.{view}" for view in views}, "the reader may read the views and nothing else")
    for grant in granted["gateway"]:
        expect(re.match(r"GRANT (INSERT|SELECT\(.*\)) ON grindvakt\.\w+$", grant), f"the gateway inserts and asks for batches: {grant}")
        expect("patient" not in grant, f"the gateway reads nothing of patients: {grant}")
    for user, given in granted.items():
        expect(all("ON *.*" not in grant for grant in given), f"{user}: the database is all there is")


def main():
    compose = yaml.safe_load((HERE / "compose.yml").read_text())
    stages = set(re.findall(r"^FROM \S+ AS (\w+)", (HERE / "Dockerfile").read_text(), re.M))
    services(compose, stages)
    settings(compose)
    images(compose)
    grants()
    for fault in faults:
        print(f"docker: {fault}", file=sys.stderr)
    print(f"compose.yml: {len(compose['services'])} services, {len(faults)} faults")
    return 1 if faults else 0


sys.exit(main())
