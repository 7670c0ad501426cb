"""oakum migrate on real hosts: images and volumes carried over, and the way back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import jsonschema
import pytest

from oakum.report.schema import report_schema

from .conftest import Team
from .desk import Operator, Ran, warm
from .guest import DAEMON_JSON
from .hosts import Lab, LabHost
from .warm import Running

ROOT = "/var/lib/docker"
NEW = f"{ROOT}/296608.296608"  # behind the ranges of the users that a lab host has
FILES = (DAEMON_JSON, "/etc/subuid", "/etc/subgid", "/etc/passwd", "/etc/group", "/etc/shadow")
BUSY = {"web", "db", "cron", "api", "sidecar"}

# Nine more images: a chain that shares its layers, second names, and one without a name.
IMAGES = r"""
set -e
from=lab/busybox:1
for n in 1 2 3 4 5; do
    docker run --name build "$from" \
        sh -c "echo $n >/layer-$n; chown $n:1 /layer-$n; chmod 4755 /layer-$n"
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
docker volume create --label 'owner=harbour master' --label 'two=1=2' \
    --label "$(printf 'odd="\047$(id)`\\\nline')" files
docker volume create empty
cd "$(docker volume inspect --format '{{.Mountpoint}}' files)"
echo root >root && echo app >app && chown 1000:50 app && chmod 640 app
cp /bin/busybox setuid && chown 33:33 setuid && chmod 6755 setuid
mkdir -p sub/deep && chmod 2770 sub && chown 999:999 sub sub/deep
ln -s /etc/passwd absolute && ln -s ../app sub/relative && ln app sub/hard && chown -h 7:7 absolute
mkfifo pipe && touch -d '2001-02-03 04:05:06' sub/deep root
printf x | dd of=sparse bs=1 seek=10000000 2>/dev/null
touch "two  blanks" "$(printf 'line\nend')" -- -rf '*' '$(id)'
mknod null c 1 3 && chown 65535:65535 -- -rf && ln sub/deep/../../root /var/lib/docker/outside
if command -v setcap >/dev/null; then setcap cap_net_raw+ep setuid || :; fi
chown 12:34 . && chmod 1751 .
"""

# Each file below the data root with its bytes and rights, but for the remapped ones.
TREE = rf"""
cd {ROOT}
set -- . -xdev -path './[0-9]*.[0-9]*' -prune -o
find "$@" -type f -exec sha256sum -z {{}} +
find "$@" ! -type d -printf '%m:%U:%G:%y:%l:%n:%T@  %p\0'
find "$@" -type d -printf '%m:%U:%G:%y  %p\0'
"""

# docs/migrate.md: what dockerd and the kernel rewrite when containers start, and the names of
# images, for the probe container's was among them. `db` writes into its volume when it starts.
REWRITTEN = (
    r"\./(containers/.*|network/files/local-kv\.db|buildkit/.*|overlay2/\w+/work/work"
    r"|volumes/(metadata\.db|backingFsBlockDev)|image/overlay2/repositories\.json"
    r"|volumes/db-data/_data/started)"
)


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[LabHost]:
    host = lab.host()
    host.busy()
    host.write("/etc/oakum-lab-host", "")
    host.run(IMAGES, timeout=180)
    host.run(VOLUMES)
    host.docker("network", "create", "--subnet=172.31.77.0/24", "--label=x=y z", "app")
    host.docker(*("network", "create", "--internal", "--ipv6"), *ADDRESSES, "--", "-two words")
    host.run_container("api", "--network=app", "--volume=files:/files")
    host.run(SIDECAR)
    host.docker("exec", "cron", "sh", "-c", "echo inside >/inside")
    yield host
    host.remove()


ADDRESSES = (
    *("--subnet=172.31.78.0/24", "--ip-range=172.31.78.128/25"),
    *("--aux-address=router=172.31.78.9", "--subnet=fd00:78::/64"),
    *("--opt=com.docker.network.driver.mtu=1400", '--label="quoted"=\''),
)

# It needs another container to run, whose id comes behind its own.
SIDECAR = r"""
set -- docker run -d --name sidecar --network=container:db --stop-timeout=1 lab/busybox:1 sleep inf
"$@"
until [ "$(docker ps -qf name=sidecar)" \< "$(docker ps -qf name=db)" ]; do
    docker rm -f sidecar && "$@"
done
"""


def containers(host: LabHost) -> object:
    """What every container is made of, whatever its state."""
    told = json.loads(host.run("docker inspect $(docker ps -aq)").stdout)
    kept = ("Name", "Created", "Image", "Path", "Args", "Config", "HostConfig", "RestartCount")
    return {
        one["Id"]: [*(one[key] for key in kept), sorted(map(str, one["Mounts"]))] for one in told
    }


def images(host: LabHost) -> set[str]:
    form = "--format={{.ID}} {{.Repository}}:{{.Tag}}"
    return set(host.docker("images", "--no-trunc", form).splitlines())


def files(host: LabHost) -> str:
    return host.run(
        f"for f in {' '.join(FILES)}; do sha256sum $f 2>&1; done; cat {DAEMON_JSON}"
    ).stdout


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
    assert (moved["images"], moved["volumes"]) == (10, 3)
    assert set(moved["networks"]) == {"app", "-two words"}
    assert moved["root"] == NEW
    assert set(moved["running"]) == BUSY
    assert any("10 images" in note and "3 volumes" in note for note in row["notes"])
    assert row["disruption"] == "migration"
    bare = warm().run("migrate", "userns-remap", str(me.inventory))
    assert (bare.code, "--yes-for HOST" in bare.err) == (2, True)
    assert "a yes for each host" in migrate(me, "--yes", yes=False).err
    assert "no such host" in migrate(me, "--yes-for=nobody", yes=False).err

    host.run("mkdir -p /mnt/small && mount -t tmpfs -o size=8m tmpfs /mnt/small")
    full = migrate(me, "--scratch=/mnt/small")
    assert full.code == 1, full.err
    finding = full.finding("userns-remap")
    assert (finding["status"], "/mnt/small" in finding["reason"]) == ("held", True), finding
    assert (files(host), host.running()) == before
    assert host.run("ls /var/lib/oakum/migrations", check=False).stdout.strip() == ""


def test_userns_remap_and_back(host: LabHost, operator: Team) -> None:
    me = operator(host)
    before, listed, running = files(host), images(host), set(host.running())
    assert len({row.split()[0] for row in listed}) == 10, listed
    assert sum("<none>" in row for row in listed) == 1
    made, plain, contents = containers(host), tree(host), sums(host, f"{ROOT}/volumes/files/_data")

    done = migrate(me)
    assert done.code == 0, done.out + done.err
    jsonschema.validate(done.report, report_schema())
    assert done.host()["outcome"] == "applied"
    words = [step["name"] for step in done.host()["steps"]]
    assert words == ["save", "stop", "switch", "load", "volumes", "verify"]
    assert_carried(host, listed)
    assert me.plan("--only", "userns-remap").code == 0
    again = migrate(me)
    assert (again.code, again.host()["outcome"]) == (0, "unchanged"), again.out + again.err
    rolled_back = me.oakum("rollback", "--yes").host()
    assert "oakum migrate userns-remap" in rolled_back["findings"][0]["reason"]
    work(host, contents)

    back = migrate(me, "--undo")
    assert back.code == 0, back.out + back.err
    details = [step["detail"] for step in back.host()["steps"]]
    assert "images, volumes and files are as before" in details
    assert any(NEW in detail and "MB" in detail for detail in details)
    assert files(host) == before
    assert images(host) == listed
    assert set(host.running()) == running
    kept = host.run(f"cat {NEW}/volumes/files/_data/app").stdout
    assert kept == "app\nmore\nmine\n", "what was written meanwhile is kept"
    after = tree(host)
    changed = {name for name in {*after, *plain} if after.get(name) != plain.get(name)}
    assert not [name for name in changed if not re.fullmatch(REWRITTEN, name)]
    assert containers(host) == made
    assert host.docker("exec", "cron", "cat", "/inside") == "inside"
    assert bridges(host) == 2


def bridges(host: LabHost) -> int:
    """Those of networks that somebody made: one that is left over would keep its addresses."""
    return host.run("ip -o link show type bridge").stdout.count(": br-")


def assert_carried(host: LabHost, listed: set[str]) -> None:
    """The same images and volumes are in the new data root, and the network."""
    assert images(host) == listed
    assert host.docker("info", "--format={{.DockerRootDir}}") == NEW
    assert set(host.docker("volume", "ls", "-q").split()) == {"db-data", "files", "empty"}
    labels = json.loads(host.docker("volume", "inspect", "files"))[0]["Labels"]
    assert labels == {"owner": "harbour master", "two": "1=2", "odd": "\"'$(id)`\\\nline"}
    network = json.loads(host.docker("network", "inspect", "app"))[0]
    assert network["Labels"] == {"x": "y z"}
    assert bridges(host) == 2
    assert network["IPAM"]["Config"][0]["Subnet"] == "172.31.77.0/24"
    words = json.loads(host.docker("network", "inspect", "--", "-two words"))[0]
    assert words["Labels"] == {'"quoted"': "'"}
    assert words["Options"] == {"com.docker.network.driver.mtu": "1400"}
    assert (words["Internal"], words["EnableIPv6"]) == (True, True)
    first, second = words["IPAM"]["Config"]
    assert first["AuxiliaryAddresses"] == {"router": "172.31.78.9"}
    assert (first["IPRange"], second["Subnet"]) == ("172.31.78.128/25", "fd00:78::/64")


def sums(host: LabHost, folder: str, *within: str) -> list[str]:
    """The digest and the name of every file, as a container sees them, or else the host."""
    words = f"cd {folder} && find . -type f -exec sha256sum {{}} +"
    said = host.docker("exec", *within, "sh", "-c", words) if within else host.run(words).stdout
    return sorted(said.splitlines())


def work(host: LabHost, contents: list[str] | None = None) -> None:
    """A container of the new world reads and writes what was carried over."""
    volumes = ("--volume=files:/files", "--volume=db-data:/data", "--volume=empty:/empty")
    host.run_container("api", "--network=app", *volumes)
    assert host.container_status("api")["Uid"].split()[0] == "296608"
    assert contents is None or unescaped(sums(host, "/files", "api")) == unescaped(contents)
    assert host.docker("exec", "api", "sh", "-c", SEEN).splitlines() == WANTED
    capable = "command -v getcap >/dev/null && getcap " + f"{ROOT}/volumes/files/_data/setuid"
    if host.run(capable, check=False).stdout.strip():
        copied = host.run(f"getcap {NEW}/volumes/files/_data/setuid").stdout
        assert "cap_net_raw" in copied
    for name in ("root", "sparse", "sub/deep"):
        form = "stat -c '%Y %s %b' " if name == "sparse" else "stat -c %Y "
        old, new = (
            host.run(f"{form} {top}/volumes/files/_data/{name}").stdout for top in (ROOT, NEW)
        )
        assert old == new, name
    host.docker("run", "--rm", "lab/chain:5", "sh", "-c", "stat -c %u:%a /layer-4 | grep -x 4:4755")
    # Whoever owns a file there owns it still, and nobody else may read it.
    host.docker(
        "exec", "--user=1000:50", "api", "sh", "-c", "grep app /files/app && echo mine >>/files/app"
    )
    host.docker("exec", "--user=999:999", "api", "sh", "-c", "echo x >/files/sub/deep/new")
    host.docker("exec", "--user=65535:65535", "api", "sh", "-c", "echo x >/files/-rf")
    host.docker("exec", "api", "sh", "-c", 'test -z "$(ls -A /empty)" && touch /empty/x')
    barred = host.run("docker exec --user=5:5 api cat /files/app", check=False)
    assert "Permission denied" in barred.stderr


def unescaped(lines: list[str]) -> list[str]:
    """GNU's sha256sum writes a name with a line end on one line, busybox on two."""
    return sorted("\n".join(lines).replace("\\n", "\n").replace("\\", "").splitlines())


SEEN = r"""
cd /files && stat -c '%a %u %g %h %n' . root app setuid sub sub/hard sub/relative absolute pipe
cat sub/hard && readlink absolute && readlink sub/relative && echo more >>app
cat /data/started >/dev/null && echo x >>/data/started
"""
WANTED = """\
1751 12 34 3 .
644 0 0 1 root
640 1000 50 2 app
6755 33 33 1 setuid
2770 999 999 3 sub
640 1000 50 2 sub/hard
777 0 999 1 sub/relative
777 7 7 1 absolute
644 0 0 1 pipe
app
/etc/passwd
../app""".splitlines()


FORWARD = (
    *("begun", "save-begins", "saved", "stopped", "switch"),
    *("switched", "load-begins", "loaded", "copy", "placing", "copied"),
)
BACK = ("undoing", "undo-switch", "undo-switched", "restored")


def test_killed_everywhere_and_resumed(host: LabHost, operator: Team) -> None:
    """One migration, ended at every point, and its undo likewise."""
    me = operator(host)
    before, listed, running = files(host), images(host), set(host.running())
    there = host.run(f"ls {NEW}").stdout
    for point in FORWARD:
        me.crash(f"{point}:kill")
        cut = migrate(me)
        assert cut.code == 4, f"{point}: {cut.out}{cut.err}"
        if FORWARD.index(point) < FORWARD.index("switched"):
            assert set(host.running()) == running, f"{point}: {cut.host()['error']}"
            assert files(host) == before
        else:
            assert host.docker("info", "--format={{.DockerRootDir}}") == NEW, point
    me.crash(None)
    done = migrate(me)
    assert (done.code, done.host()["outcome"]) == (0, "applied"), done.out + done.err
    assert_carried(host, listed)
    work(host)
    aside = host.run(f"ls -d {NEW}.aside-*").stdout.strip()
    assert host.run(f"ls {aside}").stdout == there, "what the last migration left is kept"

    for point in BACK:
        me.crash(f"{point}:kill")
        cut = migrate(me, "--undo")
        assert cut.code == 4, f"{point}: {cut.out}{cut.err}"
    me.crash(None)
    back = migrate(me, "--undo")
    assert back.code == 0, back.out + back.err
    assert (files(host), images(host), set(host.running())) == (before, listed, running)
    assert migrate(me, "--undo").host()["outcome"] == "unchanged"
    host.run(f"rm -rf {NEW} {NEW}.aside-*")


BEYOND = r"""
set -e
mkdir /tmp/beyond && touch /tmp/beyond/file && chown 70000:1 /tmp/beyond/file
tar -C /tmp/beyond -c . | docker import - lab/beyond:1
"""


def assert_failed(ran: Ran, word: str) -> None:
    assert ran.code == 4, ran.out + ran.err
    assert word in ran.host()["error"]


def paused(host: LabHost, point: str) -> None:
    """Until the migration stands at a point."""
    host.run(
        f"timeout 120 sh -c 'until grep -q {point} /run/oakum-point; do sleep 0.1; done'",
        timeout=130,
    )


def test_refused_lost_and_without_power(host: LabHost, operator: Team) -> None:
    me = operator(host)
    before, listed, running = files(host), images(host), set(host.running())
    text = host.read(DAEMON_JSON)

    # dockerd refuses the change when it is restarted: the transaction is rolled back
    dropin = "/etc/systemd/system/docker.service.d/no.conf"
    refusing = "! grep -q userns-remap /etc/docker/daemon.json"
    host.write(dropin, f"[Service]\nExecStartPre=/bin/sh -c '{refusing}'\n")
    host.run("systemctl daemon-reload")
    seen = migrate(me)
    assert (seen.code, seen.host()["outcome"]) == (4, "rolled-back"), seen.out + seen.err
    assert (files(host), set(host.running())) == (before, running)
    host.run(f"rm {dropin} && systemctl daemon-reload")

    # an image has a file that docker load would not take: nothing stops
    host.run(BEYOND)
    stays = host.running()
    assert_failed(migrate(me), "image lab/beyond:1 belongs to user 70000, beyond the 65536")
    assert (files(host), host.running()) == (before, stays)
    host.docker("rmi", "lab/beyond:1")

    me.crash("switch:pause")  # somebody edits daemon.json meanwhile: the transaction refuses
    with started(me) as cut:
        paused(host, "switch")
        host.write(DAEMON_JSON, text + b"\n")
        host.run("rm /run/oakum-point")
        seen = cut.wait()
    assert_failed(seen, "stale")
    assert set(host.running()) == running
    host.write(DAEMON_JSON, text)

    me.crash("save-begins:pause")  # the archive's disk fills up
    with started(me, "--undo") as cut:  # the former one used another folder
        assert cut.wait().code == 0
    host.run("mount -o remount,size=300m /mnt/small")
    with started(me, "--scratch=/mnt/small") as cut:
        paused(host, "save-begins")
        host.run(
            "dd if=/dev/zero of=/mnt/small/filler bs=1M 2>/dev/null; rm /run/oakum-point",
            check=False,
        )
        seen = cut.wait()
    assert_failed(seen, "no space left")
    assert (files(host), set(host.running())) == (before, running)
    host.run("rm /mnt/small/filler")

    me.crash("loaded:pause")  # the operator is lost; then the power
    with started(me) as cut:
        paused(host, "loaded")
        cut.kill()
        cut.wait()
    host.stop()
    host.start()
    me.crash("copied:pause")
    with started(me) as cut:
        paused(host, "copied")
        cut.kill()
        cut.wait()
    host.run("rm /run/oakum-point")
    host.run(
        "cd /var/lib/oakum/migrations\n"
        "timeout 60 sh -c 'until grep -qx done */state; do sleep 0.2; done'",
        timeout=70,
    )
    me.crash(None)
    done = migrate(me)
    assert (done.code, done.host()["outcome"]) == (0, "unchanged"), done.out + done.err
    assert_carried(host, listed)
    assert migrate(me, "--undo").code == 0
    assert (files(host), images(host)) == (before, listed)


@contextmanager
def started(me: Operator, *args: str) -> Iterator[Running]:
    agreed = [f"--yes-for={name}" for name, _ in me.entries]
    words = ("migrate", "userns-remap", str(me.inventory), "--format=json", *agreed, *args)
    running = warm().start(*words)
    yield running


def test_storage_driver_and_a_full_disk(lab: Lab, operator: Team) -> None:
    host = lab.host()
    try:
        host.run("mkdir /mnt/data && mount -t tmpfs -o size=500m tmpfs /mnt/data")
        host.write(DAEMON_JSON, '{"data-root": "/mnt/data", "storage-driver": "vfs"}\n')
        host.write("/etc/oakum-lab-host", "")
        host.docker_restart()
        host.import_image()
        host.run(IMAGES, timeout=180)
        host.run_container("web", "--volume=data:/data")
        me = operator(host)
        before, listed = host.read(DAEMON_JSON), images(host)
        held = me.plan("--only", "storage-driver").finding("storage-driver")
        assert "oakum migrate storage-driver" in held["reason"]

        me.crash("load-begins:pause")
        agreed = [f"--yes-for={host.name}", "--format=json"]
        cut = warm().start("migrate", "storage-driver", str(me.inventory), *agreed)
        paused(host, "load-begins")
        host.run(
            "dd if=/dev/zero of=/mnt/data/filler bs=64k 2>/dev/null; rm /run/oakum-point",
            check=False,
        )
        seen = cut.wait()
        assert_failed(seen, "no space left")
        host.run("rm /mnt/data/filler")
        me.crash(None)
        done = migrate(me, kind="storage-driver")
        assert (done.code, done.host()["outcome"]) == (0, "applied"), done.out + done.err
        assert host.docker("info", "--format={{.Driver}}") == "overlay2"
        assert images(host) == listed
        host.run_container("again", "--volume=data:/data", image="lab/chain:5")
        back = migrate(me, "--undo", kind="storage-driver")
        assert back.code == 0, back.out + back.err
        assert host.docker("info", "--format={{.Driver}}") == "vfs"
        assert (host.read(DAEMON_JSON), images(host)) == (before, listed)
        assert list(host.running()) == ["web"]
    finally:
        host.remove()
