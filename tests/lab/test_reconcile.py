"""A host that brings itself to its policy: oakum on the host, its timer, and a source that breaks.

Real: the host, its systemd and timer, dockerd, containers, git, ssh-keygen. Played: the clock of
the day with the broken source, which `faketime` gives to `oakum reconcile run` and its children,
since a host of the lab has this machine's clock; and that day's timer, since `faketime` does not
reach systemd: the test starts each hourly run itself.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from .desk import GRANTABLE, HASTE, NEVER_MET, ROOT
from .guest import DAEMON_JSON
from .hosts import Lab, LabHost

POLICY = {
    "oakum_default_ulimits": GRANTABLE,
    "oakum_time_limits": HASTE,
    "oakum_skip": NEVER_MET,
    "oakum_only": ["userland-proxy", "live-restore", "log-rotation"],
}
RECORDS = "/var/lib/oakum/reconcile"
PROM = "/var/lib/prometheus/node-exporter/oakum.prom"
SOURCE = "git+file:///srv/policy.git#fleet/web.yml"

# Where policies come from: a bare repository, a work tree that pushes to it, and two keys.
REPOSITORY = """
set -eu
ssh-keygen -q -t ed25519 -N '' -f /root/team
ssh-keygen -q -t ed25519 -N '' -f /root/stranger
git init -q --bare -b main /srv/policy.git
git clone -q /srv/policy.git /root/work 2>/dev/null
cd /root/work
git config user.name team
git config user.email team@example
git config gpg.format ssh
git config user.signingkey /root/team
git symbolic-ref HEAD refs/heads/main
mkdir fleet
"""


def needed() -> Iterator[Path]:
    """The files of every package that oakum needs, as this interpreter has them."""
    waiting = [name.strip('"') for name in ("pyinfra", "click", "rich", "jinja2", "PyYAML")]
    waiting += ["packaging", "pydantic", "setuptools"]
    seen: set[str] = set()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # for another system
        for file in found.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                yield Path(str(found.locate_file(file)))
        wanted = [Requirement(line) for line in found.requires or ()]
        waiting += [one.name for one in wanted if not one.marker or one.marker.evaluate()]


def packed() -> bytes:
    """A tree for PYTHONPATH: oakum of this checkout and what it needs."""
    site = Path(str(distribution("pyinfra").locate_file("")))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("oakum", "templates"):
            for path in sorted((ROOT / name).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    _add(tar, path, path.relative_to(ROOT))
        for path in needed():
            if path.is_file():
                _add(tar, path, path.relative_to(site))
        # pyinfra finds its connectors by entry points, and oakum has two of its own.
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, path: Path, name: Path) -> None:
    entry = tar.gettarinfo(str(path), str(name))
    entry.uid = entry.gid = 0
    entry.mode &= 0o755
    with path.open("rb") as file:
        tar.addfile(entry, file)


@pytest.fixture(scope="module")
def node(lab: Lab) -> Iterator[LabHost]:
    """A host in production with oakum on it, and a repository of policies at hand."""
    host = lab.host()
    try:
        host.run(
            "apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y "
            "--no-install-recommends python3 git openssh-client faketime",
            timeout=300,
        )
        version = host.run("python3 -c 'import sys; print(*sys.version_info[:2])'").stdout.split()
        if [*map(int, version)] != [*sys.version_info[:2]]:
            reason = f"the host has Python {'.'.join(version)}; packages of this one do not fit"
            if os.environ.get("CI") or os.environ.get("OAKUM_LAB_REQUIRED") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
        host.run("mkdir -p /opt/oakum && tar -C /opt/oakum -xf -", stdin=packed(), timeout=300)
        host.run("mkdir -p /var/lib/prometheus/node-exporter")
        host.run(REPOSITORY)
        host.busy()
        yield host
    finally:
        host.remove()


def oakum(host: LabHost, words: str, at: str | None = None) -> tuple[int, str, str]:
    """``oakum WORDS`` on the host; ``at`` is the time that it believes in."""
    clock = f"faketime '{at}' " if at else ""
    line = f"cd / && export PYTHONPATH=/opt/oakum && {clock}python3 -P -m oakum {words}"
    done = host.run(line, check=False, timeout=400)
    return done.returncode, done.stdout, done.stderr


def records(host: LabHost) -> list[dict[str, Any]]:
    """What was kept, oldest first."""
    listed = host.run(f"ls {RECORDS} | grep '^[0-9]' || true").stdout.split()
    text = host.run(f"cd {RECORDS} && cat {' '.join(listed)}").stdout if listed else ""
    decoder, found = json.JSONDecoder(), []
    while text.strip():
        one, end = decoder.raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        found.append(one)
    return found


def last_record(host: LabHost) -> dict[str, Any]:
    text = host.run(f"cd {RECORDS} && cat \"$(ls | grep '^[0-9]' | tail -n 1)\"", check=False)
    found: dict[str, Any] = json.loads(text.stdout or "{}")
    return found


def latest(host: LabHost) -> str | None:
    found = last_record(host)
    return found["outcome"] if found else None


def metric(host: LabHost, name: str) -> str:
    """The value of one sample, named with its labels as they are written."""
    lines = host.read(PROM).decode().splitlines()
    (found,) = [line.rpartition(" ")[2] for line in lines if line.rpartition(" ")[0] == name]
    return found


def until(said: Callable[[], Any], what: str, limit: float = 300) -> None:
    deadline = time.monotonic() + limit
    while not said():
        assert time.monotonic() < deadline, f"not within {limit} s: {what}"
        time.sleep(0.5)


def next_run(host: LabHost) -> float:
    """Seconds until the timer's next run, as status says it; -1 while that is not known."""
    told = json.loads(oakum(host, "reconcile status --format json")[1])["timer"]["next"]
    return datetime.fromisoformat(told).timestamp() - time.time() if told else -1


def edit(host: LabHost) -> None:
    """Somebody takes a setting of ours out by hand, and restarts dockerd for it to count."""
    settings = json.loads(host.read(DAEMON_JSON))
    del settings["userland-proxy"]
    host.write(DAEMON_JSON, json.dumps(settings))
    host.run("systemctl reset-failed docker.service docker.socket; systemctl restart docker")
    host.wait_docker()


def proxy(host: LabHost) -> Any:
    return json.loads(host.read(DAEMON_JSON)).get("userland-proxy")


def untouched(host: LabHost) -> str:
    """What a run that may not change anything must leave as it is: daemon.json, dockerd's process,
    the containers' processes, the ledger."""
    return host.run(
        f"stat -c '%i %Y' {DAEMON_JSON}; cat {DAEMON_JSON}; pidof dockerd;"
        " docker inspect -f '{{.Name}} {{.State.Pid}}' $(docker ps -q);"
        " cat /var/lib/oakum/ledger"
    ).stdout


def commit(host: LabHost, policy: dict[str, Any] | str, sign: str = "-S") -> str:
    """Push a policy; its commit."""
    text = policy if isinstance(policy, str) else yaml.safe_dump(policy)
    host.write("/root/work/fleet/web.yml", text)
    return host.run(
        f"cd /root/work && git add fleet && git commit -q --allow-empty {sign} -m policy && "
        "git push -q --force origin HEAD:main && git rev-parse HEAD"
    ).stdout.strip()


def test_the_timer_corrects_drift_and_install_is_idempotent(node: LabHost) -> None:
    node.write("/etc/oakum-policy.yml", yaml.safe_dump(POLICY))
    before = node.read(DAEMON_JSON)
    node.run("chmod 666 /etc/oakum-policy.yml")
    code, _, err = oakum(node, "reconcile install --policy /etc/oakum-policy.yml")
    assert (code, "lets others write it" in err) == (3, True), err
    assert node.run("ls /etc/oakum /etc/systemd/system/oakum*", check=False).returncode != 0
    assert node.read(DAEMON_JSON) == before
    node.run("chmod 644 /etc/oakum-policy.yml")

    words = "reconcile install --policy /etc/oakum-policy.yml --every 5s --jitter 0s"
    code, out, err = oakum(node, words)
    assert code == 0, err
    assert "+policy: /etc/oakum-policy.yml" in out
    assert "+OnUnitInactiveSec=5s" in out
    until(lambda: proxy(node) is False and latest(node) == "unchanged", "applied")
    code, out, err = oakum(node, words)
    assert (code, out.startswith("nothing to do")) == (0, True), out + err

    running = node.running()
    edit(node)
    assert proxy(node) is None
    until(lambda: proxy(node) is False, "the drift corrected by the timer")
    until(lambda: latest(node) == "unchanged", "and nothing left to do")
    assert node.running() == running
    assert "applied" in [one["outcome"] for one in records(node)]
    assert metric(node, 'oakum_drift{control="userland-proxy",severity="low"}') == "0"
    assert metric(node, 'oakum_reconcile_last_outcome{outcome="unchanged"}') == "1"
    code, out, err = oakum(node, "reconcile status --format json")
    seen = json.loads(out)
    assert (code, seen["problems"], seen["drift"]) == (0, [], []), out + err
    assert seen["timer"]["enabled"]

    words = words.replace("5s", "1h")
    code, out, err = oakum(node, words)
    assert (code, "\n+OnUnitInactiveSec=3600s\n" in out) == (0, True), out + err
    # A host that has just booted waits for its first minutes to be over.
    until(lambda: 0 < next_run(node) <= 3600, "status says when the next run is")

    code, out, err = oakum(node, "reconcile remove")
    assert code == 0, err
    left = node.run("ls -d /etc/oakum /etc/systemd/system/oakum* " + PROM, check=False).stdout
    assert left == ""
    assert node.run("systemctl list-units --all --plain --no-legend 'oakum*'").stdout == ""
    assert len(records(node)) > 2
    assert oakum(node, "reconcile remove")[1] == "nothing to do\n"


def test_window_disruption_limit_and_drift_only(node: LabHost) -> None:
    install = "reconcile install --no-timer --policy /etc/oakum-policy.yml"
    node.write("/etc/oakum-policy.yml", yaml.safe_dump(POLICY))
    assert oakum(node, install)[0] == 0
    assert oakum(node, "reconcile run")[0] == 0
    edit(node)
    was, pids = untouched(node), node.running()

    assert oakum(node, f"{install} --window 22:00-04:00")[0] == 0
    code, out, err = oakum(node, "reconcile run", at="2026-03-01 12:00:00")
    assert (code, out.split()[0]) == (1, "outside-window"), out + err
    assert untouched(node) == was
    last = last_record(node)
    assert [row["path"] for row in last["report"]["hosts"][0]["changes"]] == [DAEMON_JSON]
    assert metric(node, 'oakum_drift{control="userland-proxy",severity="low"}') == "1"
    code, out, _ = oakum(node, "reconcile status")
    assert (code, "drift: userland-proxy" in out) == (1, True), out

    assert oakum(node, f"{install} --max-disruption reload")[0] == 0
    code, out, _ = oakum(node, "reconcile run")
    assert (code, out.split()[0]) == (0, "unchanged"), out
    assert untouched(node) == was
    assert metric(node, 'oakum_held{control="userland-proxy",severity="low"}') == "1"

    assert oakum(node, f"{install} --drift-only")[0] == 0
    code, out, _ = oakum(node, "reconcile run")
    assert (code, out.split()[0]) == (1, "drift"), out
    assert untouched(node) == was

    assert oakum(node, f"{install} --window 22:00-04:00")[0] == 0
    code, out, err = oakum(node, "reconcile run", at="2026-03-01 23:30:00")
    assert (code, out.split()[0]) == (0, "applied"), out + err
    assert proxy(node) is False
    assert node.running() == pids

    # Who rolls back by hand is told that the next run is stronger, and it is.
    code, out, err = oakum(node, "rollback @local --all --yes --format json")
    assert (code, "oakum reconcile remove is run there first" in out) == (0, True), out + err
    assert node.run("ls /var/lib/oakum", check=False).returncode != 0
    assert oakum(node, f"{install} --every 1d")[0] == 0
    code, out, err = oakum(node, "reconcile run")
    assert (code, out.split()[0]) == (0, "applied"), out + err
    assert oakum(node, "reconcile remove --purge")[0] == 0
    assert node.run(f"ls {RECORDS}", check=False).returncode != 0


GARBAGE = "oakum_only: [userland-proxy\n  : !!python/object/apply:os.system ['touch /run/owned']\n"


def test_a_day_of_a_broken_source_does_no_harm(node: LabHost) -> None:
    """Each hour of a day the source is broken in another way; every policy on offer would change
    daemon.json, were it believed."""
    harmful = {**POLICY, "oakum_only": ["icc"], "oakum_icc": "enforce"}
    old = commit(node, harmful)
    good = commit(node, POLICY)
    code, out, err = oakum(
        node, f"reconcile install --no-timer --every 1h --policy {SOURCE} --key /root/team.pub"
    )
    assert code == 0, out + err
    code, out, err = oakum(node, "reconcile run", at="2026-03-01 23:00:00")
    assert code == 0, out + err
    assert good in out
    was = untouched(node)
    page = "https://127.0.0.1:9/policy.yml"  # nobody listens there

    def gone() -> str:
        node.run("mv /srv/policy.git /srv/gone.git")
        return "/srv/policy.git"

    def unsigned() -> str:
        node.run("mv /srv/gone.git /srv/policy.git")
        commit(node, harmful, "--no-gpg-sign")
        return "not signed by the pinned key: it has no signature"

    def stranger() -> str:
        node.run("cd /root/work && git config user.signingkey /root/stranger")
        commit(node, harmful)
        node.run("cd /root/work && git config user.signingkey /root/team")
        return "is not signed by the pinned key: "

    def garbage() -> str:
        node.run(f"cd /root/work && git reset -q --hard {good}")
        commit(node, GARBAGE)
        return "is no valid policy"

    def wrong_key_of_policy() -> str:
        node.run(f"cd /root/work && git reset -q --hard {good}")
        commit(node, {**POLICY, "oakum_usernsremap": "enforce"})
        return "nearest: oakum_userns_remap"

    def replayed() -> str:
        node.run(f"cd /root/work && git push -q --force origin {old}:main")
        return f"commit {old[:12]} is behind {good[:12]}"

    def digest() -> str:
        node.write("/srv/www/policy.yml", yaml.safe_dump(harmful))
        node.run("busybox httpd -p 127.0.0.1:8099 -h /srv/www")
        node.run("cp -p /etc/oakum/reconcile.yml /root/reconcile.yml")
        text = f"policy: http://127.0.0.1:8099/policy.yml\ndigest: sha256:{'0' * 64}\n"
        node.write("/etc/oakum/reconcile.yml", text, 0o600)
        return "digest mismatch"

    def unsigned_page() -> str:
        text = f"policy: {page}\nkey: /etc/oakum/reconcile.signers\n"
        node.write("/etc/oakum/reconcile.yml", text, 0o600)
        return "Connection refused"

    breaks = [gone, unsigned, stranger, garbage, wrong_key_of_policy, replayed, digest]
    breaks.append(unsigned_page)
    for hour in range(24):
        if hour % 3 == 0:
            wanted = breaks[hour // 3]()
        code, out, err = oakum(node, "reconcile run", at=f"2026-03-02 {hour:02}:00:00")
        assert (code, out.split()[0]) == (3, "unverified"), out + err
        assert wanted in out, f"hour {hour}: wanted {wanted!r} in {out}"
        assert untouched(node) == was, f"hour {hour}"
        last = last_record(node)
        assert (last["outcome"], last["report"], last["exit"]) == ("unverified", None, 3)
        assert last["started"].startswith(f"2026-03-02T{hour:02}:0")
        assert metric(node, 'oakum_reconcile_last_outcome{outcome="unverified"}') == "1"
        assert metric(node, 'oakum_drift{control="userland-proxy",severity="low"}') == "0"
    assert node.run("ls /run/owned", check=False).returncode != 0
    ran = metric(node, "oakum_reconcile_last_run_timestamp_seconds")
    read = metric(node, "oakum_reconcile_last_read_timestamp_seconds")
    assert int(ran) - int(read) >= 23 * 3600, "when the host was read last does not move"
    assert oakum(node, "reconcile status", at="2026-03-02 23:30:00")[0] == 3

    node.run("cp -p /root/reconcile.yml /etc/oakum/reconcile.yml")
    node.run(f"cd /root/work && git reset -q --hard {good}")
    better = commit(node, {**POLICY, "oakum_shutdown_timeout": 30})
    for hour in range(6):
        code, out, err = oakum(node, "reconcile run", at=f"2026-03-03 {hour:02}:00:00")
        assert (code, better in out) == (0, True), out + err
    assert len(records(node)) == 30
    assert (
        metric(node, f'oakum_reconcile_policy_info{{source="{SOURCE}",revision="{better}"}}') == "1"
    )
    assert oakum(node, "reconcile status", at="2026-03-03 05:30:00")[0] == 0
    assert node.run(f"stat -c %a {PROM} {RECORDS}").stdout.split() == ["644", "700"]
