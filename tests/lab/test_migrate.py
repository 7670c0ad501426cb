"""oakum migrate on real hosts: images and volumes carried over, and the way back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import jsonschema
import pytest

from oakum.report.schema import report_schema

from .conftest import Team
from .desk import Operator, Ran, warm
from .guest import DAEMON_JSON
from .hosts import Lab, LabHost

ROOT = "/var/lib/docker"
NEW = f"{ROOT}/296608.296608"  # behind the ranges of the users that a lab host has
FILES = (DAEMON_JSON, "/etc/subuid", "/etc/subgid")

# Nine more images: a chain that shares its layers, second names, and one without a name.
IMAGES = r"""
set -e
from=lab/busybox:1
for n in 1 2 3 4 5; do
    docker run --name build "$from" sh -c "echo $n >/layer-$n; chown $n:1 /layer-$n; chmod 4755 /layer-$n"
    docker commit build "lab/chain:$n" && docker rm build
    from=lab/chain:$n
done
docker tag lab/chain:3 other/name:latest
docker tag lab/chain:3 registry.example:5000/deep/name:v1.2
for n in 6 7 8; do echo "$n" >/tmp/$n && tar -C /tmp -c "$n" | docker import - "lab/small:$n"; done
echo none >/tmp/none && tar -C /tmp -c none | docker import -
"""

# What a copy can get wrong.
VOLUMES = r"""
set -e
docker volume create --label 'owner=harbour master' --label 'two=1=2' files
docker volume create empty
cd "$(docker volume inspect --format '{{.Mountpoint}}' files)"
echo root >root && echo app >app && chown 1000:50 app && chmod 640 app
cp /bin/busybox setuid && chown 33:33 setuid && chmod 6755 setuid
mkdir -p sub/deep && chmod 2770 sub && chown 999:999 sub sub/deep
ln -s /etc/passwd absolute && ln -s ../app sub/relative && ln app sub/hard && chown -h 7:7 absolute
mkfifo pipe && touch -d '2001-02-03 04:05:06' sub/deep root
printf x | dd of=sparse bs=1 seek=10000000 2>/dev/null
touch "two  blanks" "$(printf 'line\nend')"
if command -v setcap >/dev/null; then setcap cap_net_raw+ep setuid || :; fi
chown 12:34 . && chmod 1751 .
"""

# Each file below the data root with its bytes and rights, but for the remapped ones.
TREE = rf"""
cd {ROOT}
set -- . -xdev -path './[0-9]*.[0-9]*' -prune -o
find "$@" -type f -exec sha256sum -z {{}} +
find "$@" ! -type d -printf '%m:%U:%G:%y:%T@  %p\0'
"""


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[LabHost]:
    host = lab.host()
    host.busy()
    host.write("/etc/oakum-lab-host", "")
    host.run(IMAGES, timeout=180)
    host.run(VOLUMES)
    host.docker("network", "create", "--subnet=172.31.77.0/24", "--label=x=y z", "app")
    host.run_container("api", "--network=app", "--volume=files:/files")
    yield host
    host.remove()


def images(host: LabHost) -> set[str]:
    form = "--format={{.ID}} {{.Repository}}:{{.Tag}}"
    return set(host.docker("images", "--no-trunc", form).splitlines())


def files(host: LabHost) -> str:
    return host.run(f"for f in {' '.join(FILES)}; do sha256sum $f 2>&1; done; cat {DAEMON_JSON}").stdout


def tree(host: LabHost) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in host.run(TREE, timeout=120).stdout.split("\0")[:-1]:
        said, _, name = row.partition("  ")
        found[name] = f"{found.get(name, '')} {said}"
    return found


def migrate(me: Operator, *args: str, kind: str = "userns-remap", yes: bool = True) -> Ran:
    """``oakum migrate KIND INVENTORY ARGS`` with a yes for every host of the inventory."""
    agreed = [f"--yes-for={name}" for name, _ in me.entries] if yes else []
    return warm().run("migrate", kind, str(me.inventory), "--format=json", *agreed, *args)


def test_a_dry_run_counts_and_refusals_change_nothing(host: LabHost, operator: Team) -> None:
    me = operator(host)
    before = files(host), host.running()
    seen = migrate(me, "--dry-run", yes=False)
    assert seen.code == 1, seen.err
    jsonschema.validate(seen.report, report_schema())
    row = seen.host()
    moved = row["migration"]
    assert (moved["images"], moved["volumes"], moved["networks"]) == (10, 3, ["app"])
    assert moved["root"] == NEW and set(moved["running"]) == {"web", "db", "cron", "api"}
    assert any("10 images" in note and "3 volumes" in note for note in row["notes"])
    assert row["disruption"] == "migration"
    bare = warm().run("migrate", "userns-remap", str(me.inventory))
    assert bare.code == 2 and "--yes-for HOST" in bare.err
    assert "a yes for each host" in migrate(me, "--yes", yes=False).err
    assert "no such host" in migrate(me, "--yes-for=nobody", yes=False).err

    host.run("mkdir -p /mnt/small && mount -t tmpfs -o size=8m tmpfs /mnt/small")
    full = migrate(me, "--scratch=/mnt/small")
    assert full.code == 1, full.err
    finding = full.finding("userns-remap")
    assert finding["status"] == "held" and "/mnt/small" in finding["reason"], finding
    assert (files(host), host.running()) == before
    assert host.run("ls /var/lib/oakum/migrations", check=False).stdout.strip() == ""


def test_userns_remap_and_back(host: LabHost, operator: Team) -> None:
    me = operator(host)
    before, listed, running = files(host), images(host), set(host.running())
    assert len({row.split()[0] for row in listed}) == 10, listed
    plain = tree(host)
    host.docker_restart()
    host.docker("start", "web", "db", "cron", "api")
    restarted = tree(host)
    rewritten = {name for name in {*plain, *restarted} if plain.get(name) != restarted.get(name)}

    done = migrate(me)
    assert done.code == 0, done.out + done.err
    jsonschema.validate(done.report, report_schema())
    row = done.host()
    print(json.dumps(row["steps"], indent=1))
    assert row["outcome"] == "applied"
    assert images(host) == listed
    assert host.docker("info", "--format={{.DockerRootDir}}") == NEW
    assert set(host.docker("volume", "ls", "-q").split()) == {"db-data", "files", "empty"}
    labels = json.loads(host.docker("volume", "inspect", "files"))[0]["Labels"]
    assert labels == {"owner": "harbour master", "two": "1=2"}
    network = json.loads(host.docker("network", "inspect", "app"))[0]
    assert network["Labels"] == {"x": "y z"}
    assert network["IPAM"]["Config"][0]["Subnet"] == "172.31.77.0/24"
    assert me.plan("--only", "userns-remap").code == 0
    print(host.run("df -h /var/lib/docker; ls -la /var/lib/oakum/migrations/*").stdout)
    host.run_container("api", "--network=app", "--volume=files:/files", "--volume=db-data:/data")
    assert host.container_status("api")["Uid"].split()[0] == "296608"
    told = host.docker("exec", "api", "sh", "-c", SEEN)
    print(told)

    back = migrate(me, "--undo")
    assert back.code == 0, back.out + back.err
    print(json.dumps(back.host()["steps"], indent=1))
    assert files(host) == before
    assert images(host) == listed
    assert set(host.running()) == running
    after = tree(host)
    changed = {name for name in {*after, *restarted} if after.get(name) != restarted.get(name)}
    print("a plain restart rewrites", sorted(rewritten))
    print("the way there and back rewrites", sorted(changed))


SEEN = r"""
cd /files && stat -c '%a %u %g %h %n' . root app setuid sub sub/hard sub/relative absolute pipe
cat sub/hard && readlink absolute && echo more >app && cat /data/started && echo x >>/data/started
"""
