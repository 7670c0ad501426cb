"""What a plan predicts of each container, held against what happens: generated busy hosts.

OAKUM_LAB_EXAMPLES is how many; a few of them in CI, since each is a change of a real host.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from .conftest import Team
from .guest import DAEMON_JSON, IMAGE
from .hosts import Lab, LabHost

EXAMPLES = int(os.environ.get("OAKUM_LAB_EXAMPLES", "4"))

containers = st.fixed_dictionaries(
    {
        "address": st.sampled_from([None, "", "0.0.0.0", "127.0.0.1"]),
        "network": st.sampled_from(["bridge", "own", "host", "none"]),
        "restart": st.sampled_from(["no", "always", "unless-stopped", "on-failure"]),
        # Hosts of the lab cannot grant all that --privileged asks for.
        "powers": st.sampled_from(["", "NET_ADMIN", "SYS_ADMIN"]),
        "pid": st.sampled_from(["", "host"]),
        "unconfined": st.booleans(),
        "limits": st.booleans(),
    }
)
busy_hosts = st.fixed_dictionaries(
    {
        "containers": st.lists(containers, min_size=1, max_size=4),
        "config": st.fixed_dictionaries(
            {},
            optional={
                "live-restore": st.booleans(),
                "icc": st.booleans(),
                "log-driver": st.sampled_from(["json-file", "local"]),
                "no-new-privileges": st.just(True),
            },
        ),
        "policy": st.fixed_dictionaries(
            {"oakum_profile": st.sampled_from(["baseline", "strict"])},
            optional={"oakum_skip": st.sampled_from([["live-restore"], ["userland-proxy"]])},
        ),
    }
)


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[LabHost]:
    host = lab.host()
    host.import_image()
    host.docker("network", "create", "own")
    yield host
    host.remove()


def options(number: int, wanted: Mapping[str, Any]) -> Iterator[str]:
    """The options of ``docker run`` for one generated container."""
    yield f"--restart={wanted['restart']}"
    yield f"--network={wanted['network']}"
    if wanted["address"] is not None and wanted["network"] in ("bridge", "own"):
        yield f"--publish={wanted['address']}:{8000 + number}:80".replace("=:", "=")
    if wanted["powers"]:
        yield f"--cap-add={wanted['powers']}"
    if wanted["pid"]:
        yield f"--pid={wanted['pid']}"
    if wanted["unconfined"]:
        yield "--security-opt=seccomp=unconfined"
    if wanted["limits"]:
        yield "--ulimit=nofile=1024:2048"


def prepare(host: LabHost, wanted: Mapping[str, Any]) -> None:
    """Back to an engine with its defaults, then the generated configuration and containers."""
    host.run("docker ps -aq | xargs -r docker rm -f")
    host.run(f"rm -rf /var/lib/oakum {DAEMON_JSON}")
    host.write(DAEMON_JSON, json.dumps(wanted["config"]))
    host.docker_restart()
    for number, one in enumerate(wanted["containers"]):
        server = ("httpd", "-f", "-p", str(9000 + number) if one["network"] == "host" else "80")
        host.run_container(f"c{number}", *options(number, one), image=IMAGE, cmd=server)


def seen(host: LabHost) -> dict[str, dict[str, Any]]:
    """What can be observed of every container that exists."""
    names = host.docker("ps", "--all", "--format={{.Names}}").split()
    rows = json.loads(host.docker("inspect", *names))
    found = {}
    for row in rows:
        name, running = row["Name"].lstrip("/"), row["State"]["Running"]
        status = host.container_status(name) if running else {}
        found[name] = {
            "running": running,
            "pid": row["State"]["Pid"],
            "log": row["HostConfig"]["LogConfig"]["Type"],
            "files": host.container_limits(name)["Max open files"] if running else None,
            "no new privileges": status.get("NoNewPrivs"),
            "seccomp": status.get("Seccomp"),
            "ports": answering(host, row) if running else {},
        }
    return found


def answering(host: LabHost, row: Mapping[str, Any]) -> dict[str, bool]:
    """Whether each published port answers, by its address as oakum writes it."""
    found = {}
    for bindings in (row["NetworkSettings"]["Ports"] or {}).values():
        for binding in bindings or ():
            loopback = "[::1]" if binding["HostIp"] == "::" else "127.0.0.1"
            address = f"{loopback}:{binding['HostPort']}"
            asked = host.run(f"busybox wget -q -T 2 -O /dev/null http://{address}/", check=False)
            found[address] = asked.returncode in (0, 1) and "refused" not in asked.stderr
    return found


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(wanted=busy_hosts)
def test_what_was_predicted_is_what_happens(
    host: LabHost, operator: Team, wanted: dict[str, Any]
) -> None:
    prepare(host, wanted)
    data = {"oakum_userns_remap": "off", "oakum_max_disruption": "outage", **wanted["policy"]}
    desk = operator(host, **data)
    before = seen(host)
    plan = desk.plan().host()
    ran = desk.apply()
    assert ran.host()["outcome"] in ("applied", "unchanged"), ran.host()["error"]
    after = seen(host)

    said: dict[str, set[str]] = {name: set() for name in before}
    for impact in plan["impact"]:
        said[impact["container"]].add(impact["effect"])
    for name, effects in said.items():
        was, now = before[name], after[name]
        told = f"{name}: predicted {sorted(effects)}; before {was}; after {now}; plan {plan}"
        check(was, now, effects, told)


def check(was: dict[str, Any], now: dict[str, Any], effects: set[str], told: str) -> None:
    """One container's fate and its predicted effects."""
    assert now["running"] is ("stops" not in effects), told
    same = now["pid"] == was["pid"]
    assert same is not bool(effects & {"stops", "restarts"}), told
    if not now["running"]:
        return
    silent = {address for address, answers in was["ports"].items() if answers}
    silent -= {address for address, answers in now["ports"].items() if answers}
    assert silent == {
        effect.removeprefix("its port on ").removesuffix(" goes silent")
        for effect in effects
        if effect.endswith("goes silent")
    }, told
    assert now["log"] == was["log"], told
    assert now["no new privileges"] == was["no new privileges"], told
    if same:
        assert (now["files"], now["seccomp"]) == (was["files"], was["seccomp"]), told
