"""A host that brings itself to its policy: oakum on the host, its timer, and a source that breaks.

Real: the host, its systemd and timer, dockerd, containers, git, ssh-keygen. Played: the clock of
the day with the broken source, which faketime gives to the service that the timer starts, since a
host of the lab has this machine's clock. Nor does faketime reach systemd: of each hour of that day
the timer's five seconds pass, and then the clock is moved to the next one.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
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
    # A run may take the oldest one away meanwhile.
    line = f"cd {RECORDS} && ls | grep '^[0-9]' | xargs -r cat 2>/dev/null"
    text = host.run(line, check=False).stdout
    decoder, found = json.JSONDecoder(), []
    while text.strip():
        one, end = decoder.raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        found.append(one)
    return found


def since(host: LabHost, when: str) -> list[dict[str, Any]]:
    """What was kept of the runs that began at that time or later."""
    return [one for one in records(host) if one["started"] >= when]


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


def failed(host: LabHost) -> bool:
    return host.run("systemctl is-failed oakum-reconcile.service", check=False).returncode == 0


def under_way(host: LabHost) -> bool:
    """Whether a transaction is."""
    listed = "systemctl list-units --plain --no-legend --state=active 'oakum-[0-9]*.service'"
    return host.run(listed).stdout.strip() != ""


def until(said: Callable[[], Any], what: str, limit: float = 300) -> None:
    deadline = time.monotonic() + limit
    while not said():
        assert time.monotonic() < deadline, f"not within {limit} s: {what}"
        time.sleep(0.5)


def next_run(host: LabHost) -> float:
    """Seconds until the timer's next run, as status says it; -1 while that is not known."""
    told = json.loads(oakum(host, "reconcile status --format json")[1])["timer"]["next"]
    return datetime.fromisoformat(told).timestamp() - time.time() if told else -1


def edit(host: LabHost) -> str:
    """Somebody takes a setting of ours out by hand, and restarts dockerd for it to count; when.

    No run is under way meanwhile: the next one finds all of it.
    """
    settings = json.loads(host.read(DAEMON_JSON))
    del settings["userland-proxy"]
    by_hand = (
        f"cat >{DAEMON_JSON}; systemctl reset-failed docker.service docker.socket; "
        "systemctl restart docker; until docker version >/dev/null 2>&1; do sleep 0.1; done; "
        "date -u +%Y-%m-%dT%H:%M:%SZ"
    )
    line = f"flock {RECORDS}/lock sh -c {shlex.quote(by_hand)}"
    return host.run(line, stdin=json.dumps(settings)).stdout.strip()


def corrected(host: LabHost, when: str) -> None:
    """Wait until a run that began later has applied the policy, and another has nothing to do."""

    def outcomes() -> list[str]:
        return [one["outcome"] for one in since(host, when)]

    until(lambda: "applied" in outcomes()[:-1], "corrected by the timer")
    assert outcomes()[-1] == "unchanged"
    assert proxy(host) is False


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


LATER = "/etc/systemd/system/oakum-reconcile.service.d/clock.conf"


def move_clock(host: LabHost, to: str) -> None:
    """What the service of the timer believes from its next start on; a moved clock goes on."""
    lines = f"""
    was=$(date -u -d '{to}' +%s) && now=$(date +%s) && echo "$((was - now))" >/run/clock.new
    mv /run/clock.new /run/clock
    """
    host.run(lines)


def run_at(host: LabHost, at: str) -> dict[str, Any]:
    """The record of the first run that the timer starts in this hour."""
    move_clock(host, at)

    def found() -> list[dict[str, Any]]:
        return [one for one in records(host) if one["started"].startswith(at[:13])]

    until(found, f"a run of the timer at {at}")
    return found()[0]


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
    edited = edit(node)
    until(lambda: len(since(node, edited)) > 1, "two runs of the timer")
    assert proxy(node) is False
    assert node.running() == running
    assert [one["outcome"] for one in since(node, edited)][:2] == ["applied", "unchanged"]
    assert metric(node, 'oakum_drift{control="userland-proxy",severity="low"}') == "0"
    assert metric(node, 'oakum_reconcile_last_outcome{outcome="unchanged"}') == "1"
    code, out, err = oakum(node, "reconcile status --format json")
    seen = json.loads(out)
    assert (code, seen["problems"], seen["drift"]) == (0, [], []), out + err
    assert seen["timer"]["enabled"]

    # A Python without oakum cannot write this down; the unit that fails says it.
    node.run("mv /opt/oakum/oakum /opt/oakum/gone")
    until(lambda: failed(node), "a failed unit")
    node.run("mv /opt/oakum/gone /opt/oakum/oakum")
    until(lambda: not failed(node), "a run again")

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


def leaves_alone(host: LabHost, install: str, outcome: str, status: str) -> str:
    """Two runs of the timer see drift, and change nothing; when it was made."""
    code, out, err = oakum(host, install)
    assert code == 0, out + err
    edited = edit(host)
    was = untouched(host)
    until(lambda: len(since(host, edited)) > 1, f"two runs of {install}")
    assert {one["outcome"] for one in since(host, edited)} == {outcome}
    assert untouched(host) == was
    assert metric(host, f'oakum_{status}{{control="userland-proxy",severity="low"}}') == "1"
    return edited


def test_the_timer_respects_window_and_disruption_limit_and_may_be_stopped(node: LabHost) -> None:
    node.write("/etc/oakum-policy.yml", yaml.safe_dump(POLICY))
    install = "reconcile install --policy /etc/oakum-policy.yml --every 5s --jitter 0s"
    hour = int(node.run("date +%H").stdout)
    away, now = (
        f"--window {(hour + begin) % 24:02}:00-{(hour + end) % 24:02}:00"
        for begin, end in ((6, 12), (-6, 6))
    )
    assert oakum(node, install)[0] == 0
    until(lambda: proxy(node) is False and latest(node) == "unchanged", "applied")
    pids = node.running()
    for limit, outcome, status in (
        (away, "outside-window", "drift"),
        ("--max-disruption reload", "unchanged", "held"),
        ("--drift-only", "drift", "drift"),
    ):
        edited = leaves_alone(node, f"{install} {limit}", outcome, status)
        code, out, err = oakum(node, f"{install} {now} --max-disruption restart")
        assert code == 0, out + err
        corrected(node, edited)
        assert node.running() == pids

    # Whoever stops the service stops neither the change nor the next run.
    edited = edit(node)
    until(lambda: under_way(node), "a change under way", limit=60)
    node.run("systemctl stop oakum-reconcile.service")
    until(lambda: latest(node) == "unchanged" and since(node, edited), "the next run")
    assert proxy(node) is False
    assert node.running() == pids
    assert node.run(f"ls -A {RECORDS} | grep '^\\.oakum' || true").stdout == ""
    assert oakum(node, "reconcile remove --purge")[0] == 0


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
    library = node.run("ls /usr/lib/*/faketime/libfaketime.so.1").stdout.strip()
    node.write(
        LATER,
        f"[Service]\nEnvironment=LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE=/run/clock TZ=UTC\n",
    )
    move_clock(node, "2026-03-01T22:00:00Z")
    words = f"reconcile install --every 5s --jitter 0s --policy {SOURCE} --key /root/team.pub"
    code, out, err = oakum(node, words)
    assert code == 0, out + err
    first = run_at(node, "2026-03-01T23:00:00Z")
    assert (first["exit"], first["revision"]) == (0, good), first
    was = untouched(node)
    page = "https://127.0.0.1:9/policy.yml"  # nobody listens there

    def gone() -> str:
        node.run("mv /srv/policy.git /srv/gone.git")
        return "does not appear to be a git repository"

    def unsigned() -> str:
        # Pushed before it is there again, so that no run finds the good one.
        node.run("cd /root/work && git remote set-url origin /srv/gone.git")
        commit(node, harmful, "--no-gpg-sign")
        node.run("cd /root/work && git remote set-url origin /srv/policy.git")
        node.run("mv /srv/gone.git /srv/policy.git")
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
        last = run_at(node, f"2026-03-02T{hour:02}:00:00Z")
        assert (last["outcome"], last["report"], last["exit"]) == ("unverified", None, 3), last
        assert wanted in last["reason"], f"hour {hour}: wanted {wanted!r} in {last['reason']}"
        assert untouched(node) == was, f"hour {hour}"
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
        last = run_at(node, f"2026-03-03T{hour:02}:00:00Z")
        assert (last["exit"], last["revision"]) == (0, better), last
    assert len(records(node)) == 30
    assert (
        metric(node, f'oakum_reconcile_policy_info{{source="{SOURCE}",revision="{better}"}}') == "1"
    )
    assert oakum(node, "reconcile status", at="2026-03-03 05:05:00")[0] == 0
    assert node.run(f"stat -c %a {PROM} {RECORDS}").stdout.split() == ["644", "700"]
    assert oakum(node, "reconcile remove")[0] == 0
    node.run(f"rm {LATER}")


def test_a_host_cut_off_in_a_run_goes_on_after_its_boot(node: LabHost) -> None:
    node.write("/etc/oakum-policy.yml", yaml.safe_dump(POLICY))
    words = "reconcile install --policy /etc/oakum-policy.yml --every 5s --jitter 0s"
    code, out, err = oakum(node, words)
    assert code == 0, out + err
    until(lambda: proxy(node) is False and latest(node) == "unchanged", "applied")
    edited = edit(node)
    until(lambda: under_way(node), "a change under way", limit=60)
    node.stop()
    node.start()
    node.wait_docker()
    until(lambda: latest(node) == "unchanged" and since(node, edited), "a run after the boot")
    assert proxy(node) is False
    code, out, err = oakum(node, "reconcile status --format json")
    assert (code, json.loads(out)["problems"]) == (0, []), out + err
    assert oakum(node, "reconcile remove --purge")[0] == 0
