"""What the container files say, without running any of it."""

import base64
import json
import os
import re
import stat
import subprocess
from hashlib import sha256
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from app.routes.shop.build import FOLDER
from broker.topology import EXCHANGES, GROUPS, bindings, queues
from ops.containers.definitions import CONSOLE_USER, USER, VHOST, definitions, main
from ops.containers.pick import NotLocked, pick
from ops.settings import Settings
from tests.ops.test_containers.composed import (
    CONTAINERS,
    DOCKERFILE,
    ROOT,
    compose,
    instructions,
    is_ours,
    variables,
)

SERVICES: dict[str, dict[str, Any]] = compose()["services"]
ONE_SHOTS = ("definitions", "mongo-replica-set", "tools")


def test_compose_fits_the_specification() -> None:
    """compose.yaml is valid by the Compose Specification's own JSON schema (as check-jsonschema carries it)."""
    if find_spec("check_jsonschema") is None:
        reason = "check-jsonschema is not installed, which carries the Compose Specification's schema"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    path = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator(schema).validate(compose())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({"services": {"edge": {"comand": ["edge"]}}})


def test_every_group_has_its_worker() -> None:
    """One service a group, of the group's name, that runs this group and checks this group."""
    workers = {name: each for name, each in SERVICES.items() if each.get("command", [""])[0] == "worker"}
    assert set(workers) == {group.name for group in GROUPS}
    for name, worker in workers.items():
        assert worker["command"] == ["worker", "--group", name]
        assert worker["healthcheck"]["test"][-2:] == ["worker", name]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined(name: str) -> None:
    """No root, no capabilities, no new privileges, limits on memory, processors and processes, a bounded log."""
    service = SERVICES[name]
    assert service["user"] not in ("root", "0", "0:0")
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["logging"]["options"]["max-size"]
    assert not service.get("privileged")
    if is_ours(service):
        assert service["read_only"] is True


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_says_when_it_is_well_and_what_follows_when_not(name: str) -> None:
    """What serves has a health check and is started again; what ends by itself has neither."""
    service = SERVICES[name]
    if name in ONE_SHOTS:
        assert service["healthcheck"] == {"disable": True}
        assert service["restart"] != "unless-stopped"
    else:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_can_happen(name: str) -> None:
    """Healthy is awaited of what has a health check, completed of what completes; no cycles by the order."""
    for other, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert other in ONE_SHOTS


@pytest.mark.parametrize("name", SERVICES)
def test_volumes_and_networks_exist(name: str) -> None:
    """Named volumes and networks are declared, mounted files are there, and none is both without network and on one."""
    file, service = compose(), SERVICES[name]
    assert set(service.get("networks", [])) <= set(file["networks"])
    assert not ("network_mode" in service and "networks" in service)
    assert "network_mode" in service or service["networks"]
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert (ROOT / source).is_file() if source.startswith("./") else source in file["volumes"]


def test_only_this_machine_reaches_the_ports() -> None:
    """Every published port is bound to 127.0.0.1 unless .env says otherwise; stores publish none."""
    published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert set(published) == {"edge", "rabbitmq", "mail"}
    for ports in published.values():
        assert all(re.match(r"\$\{\w+:-127\.0\.0\.1:\d+\}:\d+$", port) for port in ports)


def test_images_are_pinned() -> None:
    """Every image names a version, RabbitMQ's one without the deadlock of 4.3.0 to 4.3.5."""
    for service in SERVICES.values():
        tag = service["image"].rpartition(":")[2]
        assert is_ours(service) or re.search(r"\d+\.\d+", tag), service["image"]
    assert SERVICES["rabbitmq"]["image"] == "rabbitmq:4.2-management"
    bases = [rest.split()[0] for keyword, rest in instructions() if keyword == "FROM"]
    assert bases == ["node:22-bookworm-slim", *["python:3.11-slim-bookworm"] * 2]


def test_every_setting_that_is_given_is_read() -> None:
    """No QUIRE_* variable of the files is a name that nothing reads."""
    known = {f"QUIRE_{name.upper()}" for name in Settings.model_fields} | {"QUIRE_URL", "QUIRE_TOKEN"}
    given = {
        name
        for each in SERVICES.values()
        for name in each.get("environment", {})
        if name.startswith("QUIRE_")
    }
    image = set(re.findall(r"QUIRE_\w+(?==)", DOCKERFILE.read_text()))
    assert given | image <= known
    assert {"QUIRE_RABBITMQ_URL", "QUIRE_MONGODB_URL", "QUIRE_SIGNING_KEYS"} <= given


def test_signing_keys_go_to_the_edge_alone() -> None:
    """A worker that is broken into cannot sign for anybody."""
    holders = {name for name, each in SERVICES.items() if "QUIRE_SIGNING_KEYS" in each.get("environment", {})}
    assert holders == {"edge"}


def test_prepare_makes_every_secret_once(tmp_path: Path) -> None:
    """prepare.sh makes each required variable, long and random, in a file that its owner alone reads; and keeps it."""
    file = tmp_path / ".env"
    file.write_text("QUIRE_OPERATOR_TOKEN=chosen-by-hand\nRABBITMQ_PASSWORD=\n")
    for _ in range(2):
        subprocess.run([CONTAINERS / "prepare.sh", file], check=True, capture_output=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    made = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert {name for name, required in variables().items() if required} <= set(made)
    assert made.pop("QUIRE_OPERATOR_TOKEN") == "chosen-by-hand"
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in made.values())
    assert len(set(made.values())) == len(made) == 3
    assert file.read_text().count("QUIRE_SIGNING_KEYS=") == 1


def test_the_example_names_every_variable_and_no_secret() -> None:
    """.env.example lists what compose.yaml reads, secrets empty; and .env itself cannot be committed."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = {match[1]: match[2] for line in lines if (match := re.match(r"#?([A-Z_]+)=(.*)", line))}
    assert set(named) == set(variables())
    assert all(named[name] == "" for name, required in variables().items() if required)
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_definitions_are_the_topology() -> None:
    """Exchanges, queues with their arguments, and bindings are exactly those of broker/topology.py."""
    made = definitions("one", "two")
    assert {(each["name"], each["type"]) for each in made["exchanges"]} == set(EXCHANGES)
    assert {each["name"]: each["arguments"] for each in made["queues"]} == {
        spec.name: spec.arguments for spec in queues()
    }
    assert {(each["source"], each["routing_key"], each["destination"]) for each in made["bindings"]} == {
        (each.exchange, each.routing_key, each.queue) for each in bindings()
    }
    places = {
        each["vhost"] for kind in ("exchanges", "queues", "bindings", "permissions") for each in made[kind]
    }
    assert places == {VHOST}
    assert all(each["durable"] and not each["auto_delete"] for each in (*made["exchanges"], *made["queues"]))


def test_definitions_hold_hashes_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has RabbitMQ's salted SHA-256 of each password, is the same for the same ones, and no password."""
    monkeypatch.setenv("RABBITMQ_PASSWORD", "of-the-parts")
    monkeypatch.setenv("RABBITMQ_CONSOLE_PASSWORD", "of-the-people")
    texts = []
    for name in ("a.json", "b.json"):
        assert main([str(tmp_path / name)]) == 0
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    assert "of-the-" not in texts[0]
    users = {each["name"]: each for each in json.loads(texts[0])["users"]}
    for name, password in ((USER, b"of-the-parts"), (CONSOLE_USER, b"of-the-people")):
        raw = base64.b64decode(users[name]["password_hash"])
        assert raw[4:] == sha256(raw[:4] + password).digest()


def test_definitions_without_passwords_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No password, no file: the message names what is missing and what makes it."""
    monkeypatch.delenv("RABBITMQ_PASSWORD", raising=False)
    monkeypatch.setenv("RABBITMQ_CONSOLE_PASSWORD", "there")
    assert main([str(tmp_path / "a.json")]) == 2
    said = capsys.readouterr().err
    assert "RABBITMQ_PASSWORD" in said
    assert "prepare.sh" in said
    assert not list(tmp_path.iterdir())


LOCK = """\
aio-pika==10.2.1 \\
    --hash=sha256:aa
numpy==2.0 ; python_version < "3.12" \\
    --hash=sha256:bb
numpy==2.1 ; python_version >= "3.12" \\
    --hash=sha256:cc
"""


def test_pick_takes_entries_with_their_hashes() -> None:
    """A name picks its entries whole, however it is spelled; a version picks that one."""
    assert pick(LOCK, ["Aio_Pika"]) == "aio-pika==10.2.1 \\\n    --hash=sha256:aa\n"
    assert pick(LOCK, ["numpy==2.1"]).splitlines()[1] == "    --hash=sha256:cc"
    assert pick(LOCK, ["numpy"]).count("--hash") == 2


@pytest.mark.parametrize("wanted", ["numpy==1.0", "requests"])
def test_pick_refuses_what_is_not_locked(wanted: str) -> None:
    """Nothing is installed that the lock does not know in that version."""
    with pytest.raises(NotLocked, match=re.escape(wanted)):
        pick(LOCK, [wanted])


def test_the_shop_stands_where_the_edge_looks() -> None:
    """The built shop is copied to where the package `app` of the image looks for it."""
    packages = "/opt/quire/lib/python3.11/site-packages"
    assert ("COPY", f"--from=shop /src/web/dist {packages}/{FOLDER.relative_to(ROOT)}") in instructions()


def test_the_image_gets_what_it_names_and_no_more() -> None:
    """Every COPY source is let through by .dockerignore, whose first rule keeps everything else out."""
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(rule for rule in rules if rule and not rule.startswith("#")) == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    for keyword, rest in instructions():
        if keyword == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert source.split("/")[0] in let_in
    assert {"web/dist", "web/node_modules"} <= set(rules), "what another machine built stays there"
    users = [rest for keyword, rest in instructions() if keyword == "USER"]
    assert users == [SERVICES["edge"]["user"]]
    assert ("ENTRYPOINT", '["quire"]') in instructions()
