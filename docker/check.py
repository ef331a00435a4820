"""Reads compose.yml as far as can be done without a Docker engine, and holds it against what it names.

Each service is confined; what it mounts exists or is made by `init`; the users of ClickHouse may do what the programs and the
views need, and no more.
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
    expect("device_ca_key" not in compose["services"]["auditor"]["secrets"], "auditor: the running server does not see the device CA's key")
    for service in ("gateway", "gateway-keys"):
        used = compose["services"][service]["secrets"]
        expect(not {"master_key", "device_ca_key", "clickhouse_auditor_password"} & set(used), f"{service}: it sees secrets of the auditor")


def grants():
    users = xml.etree.ElementTree.parse(HERE / "clickhouse/users.xml").getroot().find("users")
    granted = {user.tag: [query.text for query in user.iter("query")] for user in users}
    views = (ROOT / "contract/clickhouse/0005_views.sql").read_text()
    for view, columns, table in re.findall(r"database}\.(\w+)\$\{on_cluster} AS\nSELECT\n(.*?)\nFROM \$\{database}\.(\w+)", views, re.S):
        needed = set()
        for part in re.split(r",\s*(?![^()]*\))", columns.strip()):
            expression = part.split(" AS ")[0]
            needed.add(re.search(r"(\w+)(?:, '[^']*')?\)*$", expression).group(1))
        expect(f"GRANT SELECT ON grindvakt.{view}" in granted["reader"], f"the reader may read {view}")
        given = next((set(re.findall(r"\w+", grant.split("(")[1].split(")")[0])) for grant in granted["reader"] if grant.endswith(f"grindvakt.{table}")), set())
        expect(given == needed, f"the reader's columns of {table}: too many {given - needed}, too few {needed - given}")
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
    grants()
    for fault in faults:
        print(f"docker: {fault}", file=sys.stderr)
    print(f"compose.yml: {len(compose['services'])} services, {len(faults)} faults")
    return 1 if faults else 0


sys.exit(main())
