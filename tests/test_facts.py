"""What a probe printed becomes typed facts, or reasons; nothing that a host says raises anything
but BadProbe."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from oakum.engine.flags import parse_flags
from oakum.facts import CannotTell, HostFacts, Read, Unread
from oakum.parse import parse
from oakum.parts import (
    Audit,
    Confinement,
    Container,
    Engine,
    FileState,
    Group,
    Guarded,
    Image,
    Inodes,
    Listener,
    Mount,
    Process,
    SetuidFiles,
    Space,
    Transaction,
)
from oakum.reading import leading_version
from oakum.wire import BadProbe, readings

QUICK = settings(max_examples=60, deadline=None, derandomize=True)

DAEMON_JSON = b'{"icc": false}\n'
SLICE = b"[Slice]\n"

BASE = f"""
=host.name web-1
=host.kernel 6.1.0-30-amd64
=host.arch x86_64
<host.os
|PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
|VERSION_ID="12"
|ID=debian
>host.os
=host.virt kvm
=host.init systemd
=host.packages apt
=host.uid 0
=host.clock 1795515635
=host.zone +0130
=host.cgroup v2
=host.lsm capability,yama,apparmor
=host.apparmor complain
<kernel.config
|CONFIG_USER_NS=y
|CONFIG_SECCOMP=y
|CONFIG_OVERLAY_FS=m
|# CONFIG_BRIDGE_NETFILTER is not set
>kernel.config
<sysctl
|fs.nr_open=1048576
|net.ipv6.conf.all.disable_ipv6=0
>sysctl
=entropy.hwrng virtio_rng.0
=entropy.rdrand yes
=entropy.daemons rngd haveged
=entropy.haveged installed
=engine.cli /usr/bin/docker
=engine.dockerd /usr/sbin/dockerd
=engine.package docker.io 20.10.24+dfsg1-1
=engine.podman yes
=engine.binary Docker version 20.10.24+dfsg1, build 5d6db84
=engine.origin distro
<engine.version
|{{"Client": {{"Version": "20.10.24"}}, "Server": {{"Version": "20.10.24+dfsg1"}}}}
>engine.version
<engine.info
|{{"Driver": "overlay2", "DriverStatus": [["Supports d_type", "true"]], "LiveRestoreEnabled": true,
|"SecurityOptions": ["name=seccomp,profile=default"], "Swarm": {{"LocalNodeState": "inactive"}}}}
>engine.info
=dockerd.pid 812
=dockerd.uid 1000
<dockerd.args
|/usr/sbin/dockerd
|-H
|fd://
|--containerd=/run/containerd/containerd.sock
>dockerd.args
=dockerd.started 1700000000
<dockerd.limits
|Limit                     Soft Limit           Hard Limit           Units
|Max processes             unlimited            unlimited            processes
|Max open files            1024                 524288               files
|Max core file size        0                    unlimited            bytes
|Max locked memory         8388608              8388608              bytes
|Max realtime timeout      unlimited            unlimited            us
>dockerd.limits
=dockerd.caps 000001ffffffffff
<dockerd.reloaded
>dockerd.reloaded
<dockerd.sockets
|[0000:0000:0000:0000:0000:0000:0000:0000]:2375 plain
|127.0.0.1:9323 unclear no answer within 10 s
>dockerd.sockets
=containerd.pid 700
<containerd.limits
|Max open files            1048576              1048576              files
>containerd.limits
=containerd.caps 0000000000000000
<init.limits
|Max open files            1024                 524288               files
>init.limits
=init.caps 000001ffffffffff
<unit
|LoadState=loaded
|ExecStart={{ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS ; pid=0 }}
|EnvironmentFiles=/etc/default/docker (ignore_errors=yes)
|LimitNOFILE=524288
|LimitCORE=infinity
|LimitNPROC=18446744073709551615
>unit
<unit.environment
|/etc/default/docker:DOCKER_OPTS="--icc=false -D"
>unit.environment
=file.daemon.path /etc/docker/daemon.json
=file.daemon.target /etc/docker/daemon.json
=file.daemon.stat file 640 0 12 15 1699999999
@file.daemon.bytes {DAEMON_JSON.hex()}
=file.daemon.writable yes
=file.subuid.path /etc/subuid
=file.subuid.target /etc/subuid
=file.subuid.stat file 644 0 0 0 1
@file.subuid.bytes\x20
=file.subuid.writable yes
=file.subgid.path /etc/subgid
=file.subgid.target /etc/subgid
=file.subgid.stat absent
@file.subgid.bytes\x20
=file.subgid.writable no: read-only file system at /etc
=file.seccomp.path /etc/docker/oakum-seccomp.json
=file.seccomp.target /etc/docker/oakum-seccomp.json
=file.seccomp.stat absent
@file.seccomp.bytes\x20
=file.seccomp.writable yes
<files
|81a4 0 7 65024 /etc/docker/certs.d/a b
|c1b0 0 998 24 /var/run/docker.sock
>files
=group.docker docker 998 ,alice,bob,,alice
=file.sysctl.path /etc/sysctl.d/60-oakum.conf
=file.sysctl.target /etc/sysctl.d/60-oakum.conf
=file.sysctl.stat absent
@file.sysctl.bytes\x20
=file.sysctl.writable yes
=file.slice.path /etc/systemd/system/oakum.slice
=file.slice.target /etc/systemd/system/oakum.slice
=file.slice.stat file 644 0 0 8 1699999998
@file.slice.bytes {SLICE.hex()}
=file.slice.writable yes
=file.dropin.path /etc/systemd/system/docker.service.d/oakum.conf
=file.dropin.target /etc/systemd/system/docker.service.d/oakum.conf
=file.dropin.stat absent
@file.dropin.bytes\x20
=file.dropin.writable yes
=file.audit.path /etc/audit/rules.d/oakum-docker.rules
=file.audit.target /etc/audit/rules.d/oakum-docker.rules
=file.audit.stat absent
@file.audit.bytes\x20
=file.audit.writable yes
<unit.slice
|LoadState=loaded
|TasksMax=9000
>unit.slice
<unit.slices
|oakum.slice
|user.slice
|user.slice
>unit.slices
=sysctl.writable no: read-only file system at /proc/sys
<sysctl.files
|/etc/sysctl.d/10-a.conf:kernel.panic = 10
|/usr/lib/sysctl.d/50-b.conf: -kernel/panic_on_oops=1 x
>sysctl.files
=audit.enabled 1
=audit.loader augenrules
<audit.rules
|-w /etc/docker/ -p wa
>audit.rules
<audit.paths
|folder /etc/docker
|folder /etc/docker
|program /usr/bin/dockerd
>audit.paths
=dataroot.path /var/lib/docker
=dataroot.fs xfs
=dataroot.space 100 60 30
=dataroot.inodes 50 20
=containerd.root /var/lib/containerd
=containerd.space 9 8 1
=containerd.inodes 0 0
=dataroot.dtype yes
=dataroot.drivers overlay2 vfs
=images.count 7
=images.bytes 1234567890
<images.list
|{{"id":"sha256:{"a" * 64}","size":7,"tags":["nginx:1.27"],"layers":2,"driver":"overlay2"}}
>images.list
<images.releases
|sha256:{"a" * 64} debian 12
>images.releases
<images.setuid
|sha256:{"a" * 64} 1 /bin/su
>images.setuid
<client.trust
|/etc/environment 1
>client.trust
=volumes.count 2
=containers.count 3
<containers
|{{"id":"a1","name":"/web","image":"nginx:1.27","imageid":"sha256:aa","pid":900,"started":"2026-01-31T12:00:00.123456789Z","restarting":true,"restarts":3,"health":"healthy","task":true,"privileged":false,"userns":"host","pidmode":"","ipcmode":"private","utsmode":"host","network":"bridge","restart":"always","autoremove":true,"memory":1,"pids":null,"cpus":0,"quota":5,"cpuset":"","readonly":true,"capadd":["CAP_KILL"],"masked":[],"securityopt":["no-new-privileges"],"log":"json-file","logsize":"10m","ulimits":[{{"Name":"nofile","Hard":9,"Soft":1}},{{"Name":"core","Hard":-1,"Soft":-1}}],"ports":{{"80/tcp":[{{"HostIp":"0.0.0.0","HostPort":"80"}},{{"HostIp":"::","HostPort":"80"}}],"9/tcp":null}},"mounts":[{{"source":"/srv","destination":"/srv","rw":true}},{{"source":"/ro","destination":"/ro","rw":false}}]}}
|{{"name":"/bare"}}
>containers
<containers.processes
|Pid:\t900
|NoNewPrivs:\t1
|Seccomp:\t2
|Max core file size  0  unlimited  bytes
|Max open files  1024  524288  files
|Pid:\t901
|NoNewPrivs:\t0
|Seccomp:\t0
|Pid:\t902
>containers.processes
=bridge.icc false
=engine.dockerinit no
=host.selinux enforcing
=kubelet no
=kubelet.dockerd yes
<oakum.state
|txn
>oakum.state
=oakum.transaction 20260131T120000Z-1a2b3c4d rolled-back dockerd did not answer
""".strip()


def blocks(text: str) -> dict[str, list[str]]:
    """The lines of each reading by its name."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name = line[1:].partition(" ")[0]
        if line.startswith(("|", ">")):
            next(reversed(found.values())).append(line)
        else:
            found[name] = [line]
    return found


def probe(changed: Mapping[str, Any] | None = None) -> list[str]:
    """The lines of a probe, with some readings changed.

    A reading is given as text, as bytes, as a list of lines, as an object that a block holds as
    JSON, or as the reason why there is none; None leaves it out.
    """
    found = blocks(BASE)
    for name, value in (changed or {}).items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, Unread):
            found[name] = [f"!{name} {value.reason}"]
        elif isinstance(value, bytes):
            found[name] = [f"@{name} {value.hex()}"]
        elif isinstance(value, str):
            found[name] = [f"={name} {value}"]
        else:
            rows = value if isinstance(value, list) else [json.dumps(value)]
            found[name] = [f"<{name}", *(f"|{row}" for row in rows), f">{name}"]
    lines = [line for reading in found.values() for line in reading]
    return ["oakum-probe 1 begin", *lines, "oakum-probe 1 end"]


def facts(changed: Mapping[str, Any] | None = None, **named: Any) -> HostFacts:
    """The facts of a probe; ``dockerd_pid`` is the reading ``dockerd.pid``."""
    by_name = {name.replace("_", "."): value for name, value in named.items()}
    return parse(probe({**(changed or {}), **by_name}))


WORDS = """
autoremove capadd cpus cpuset health ipcmode masked memory mounts network pid pidmode pids
ports privileged quota readonly restart restarting restarts securityopt started task ulimits
userns utsmode
"""
UNTOLD = tuple(WORDS.split())
"""What the probe tells of every container."""

# The whole ---------------------------------------------------------------------------------------


def test_a_whole_probe():
    """Field by field, so that none is left to its default."""
    assert parse(probe()) == HostFacts(
        name=Read("web-1"),
        os=Read(
            {"PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)", "VERSION_ID": "12", "ID": "debian"}
        ),
        kernel=Read(Version("6.1.0")),
        kernel_text=Read("6.1.0-30-amd64"),
        arch=Read("x86_64"),
        virt=Read("kvm"),
        init=Read("systemd"),
        packages=Read("apt"),
        uid=Read(0),
        clock=Read(datetime(2026, 11, 24, 11, 50, 35, tzinfo=timezone(timedelta(minutes=90)))),
        kernel_config=Read(
            {"USER_NS": True, "SECCOMP": True, "OVERLAY_FS": True, "BRIDGE_NETFILTER": False}
        ),
        sysctl=Read({"fs.nr_open": "1048576", "net.ipv6.conf.all.disable_ipv6": "0"}),
        lsm=Read(("capability", "yama", "apparmor")),
        apparmor=Read("complain"),
        hwrng=Read("virtio_rng.0"),
        rdrand=Read(True),
        entropy_daemons=Read(("rngd", "haveged")),
        haveged=Read(True),
        engine=Read(Engine(Version("20.10.24"), "20.10.24+dfsg1", "distro", True)),
        engine_package=Read("docker.io 20.10.24+dfsg1-1"),
        podman=Read(True),
        info=Read(
            {
                "Driver": "overlay2",
                "DriverStatus": [["Supports d_type", "true"]],
                "LiveRestoreEnabled": True,
                "SecurityOptions": ["name=seccomp,profile=default"],
                "Swarm": {"LocalNodeState": "inactive"},
            }
        ),
        dockerd=Read(
            Process(
                812,
                1700000000,
                {"nproc": None, "nofile": 524288, "core": None, "memlock": 8388608},
                0x1FFFFFFFFFF,
            )
        ),
        first=Read(Process(1, 0, {"nofile": 524288}, 0x1FFFFFFFFFF)),
        dockerd_uid=Read(1000),
        containerd=Read(Process(700, 0, {"nofile": 1048576}, 0)),
        flags=Read({"host": ("fd://",), "containerd": ("/run/containerd/containerd.sock",)}),
        unit_flags=Read({"host": ("fd://",), "icc": ("false",), "debug": ("true",)}),
        unit_limits=Read({"nofile": 524288, "core": None, "nproc": None}),
        reloaded=Read(None),
        sockets=Read(
            (
                Listener("::", 2375, "plain"),
                Listener("127.0.0.1", 9323, "unclear", "no answer within 10 s"),
            )
        ),
        daemon_file=Read(
            FileState(
                "/etc/docker/daemon.json",
                "/etc/docker/daemon.json",
                DAEMON_JSON,
                mode="640",
                group=12,
                changed=1699999999,
            )
        ),
        document=parse(probe()).document,
        subuid=Read(FileState("/etc/subuid", "/etc/subuid", b"", changed=1)),
        subgid=Read(
            FileState("/etc/subgid", "/etc/subgid", locked="read-only file system at /etc")
        ),
        seccomp_file=Read(
            FileState("/etc/docker/oakum-seccomp.json", "/etc/docker/oakum-seccomp.json")
        ),
        guarded=Read(
            (
                Guarded("/etc/docker/certs.d/a b", 0o100644, 0, 7, 65024),
                Guarded("/var/run/docker.sock", 0o140660, 0, 998, 24),
            )
        ),
        docker_group=Read(Group("docker", 998, ("alice", "bob"))),
        cgroup=Read("v2"),
        sysctl_locked=Read("read-only file system at /proc/sys"),
        sysctl_files=Read(
            (
                ("/etc/sysctl.d/10-a.conf", "kernel.panic", "10"),
                ("/usr/lib/sysctl.d/50-b.conf", "kernel.panic_on_oops", "1 x"),
            )
        ),
        sysctl_file=Read(FileState("/etc/sysctl.d/60-oakum.conf", "/etc/sysctl.d/60-oakum.conf")),
        slices=Read(("oakum.slice", "user.slice")),
        slice_unit=Read({"LoadState": "loaded", "TasksMax": "9000"}),
        slice_file=Read(
            FileState(
                "/etc/systemd/system/oakum.slice",
                "/etc/systemd/system/oakum.slice",
                SLICE,
                changed=1699999998,
            )
        ),
        dropin_file=Read(
            FileState(
                "/etc/systemd/system/docker.service.d/oakum.conf",
                "/etc/systemd/system/docker.service.d/oakum.conf",
            )
        ),
        audit=Read(Audit(1, "augenrules", {"/etc/docker": "wa"})),
        audit_paths=Read((("folder", "/etc/docker"), ("program", "/usr/bin/dockerd"))),
        audit_file=Read(
            FileState(
                "/etc/audit/rules.d/oakum-docker.rules", "/etc/audit/rules.d/oakum-docker.rules"
            )
        ),
        data_root=Read("/var/lib/docker"),
        space=Read(Space(100, 30)),
        inodes=Read(Inodes(50, 20)),
        containerd_root=Read("/var/lib/containerd"),
        containerd_space=Read(Space(9, 1)),
        containerd_inodes=Read(Inodes(0, 0)),
        filesystem=Read("xfs"),
        d_type=Read(True),
        drivers_on_disk=Read(("overlay2", "vfs")),
        images=Read(7),
        image_bytes=Read(1234567890),
        image_list=Read(
            (Image(id=f"sha256:{'a' * 64}", tags=("nginx:1.27",), size=7, layers=2, platform=""),)
        ),
        image_releases=Read({f"sha256:{'a' * 64}": "debian 12"}),
        setuid_files=Read({f"sha256:{'a' * 64}": SetuidFiles(1, ("/bin/su",))}),
        content_trust=Read((("/etc/environment", "1"),)),
        volumes=Read(2),
        container_count=Read(3),
        containers=Read(
            (
                Container(
                    name="web",
                    image="nginx:1.27",
                    image_id="sha256:aa",
                    pid=900,
                    started=datetime(2026, 1, 31, 12, 0, 0, 123456, UTC),
                    userns="host",
                    ipc_mode="private",
                    uts_mode="host",
                    network="bridge",
                    restart="always",
                    restarts=3,
                    restarting=True,
                    ports=("0.0.0.0:80", "[::]:80"),
                    mounts=(Mount("/srv"), Mount("/ro", writable=False)),
                    security=("no-new-privileges",),
                    masked=False,
                    capabilities=("CAP_KILL",),
                    limits=("memory", "cpu"),
                    ulimits={"nofile": 9, "core": None},
                    read_only=True,
                    health="healthy",
                    log="json-file",
                    log_size="10m",
                    task=True,
                    one_off=True,
                ),
                Container("bare", limits=(), unread=UNTOLD),
            )
        ),
        confinements=Read(
            {
                900: Confinement(True, True, {"core": None, "nofile": 524288}),
                901: Confinement(False, False),
                902: Confinement(),
            }
        ),
        bridge_icc=Read(False),
        init_binary=Read(False),
        selinux=Read("enforcing"),
        kubelet=Read(False),
        cri_dockerd=Read(True),
        oakum_state=Read(("txn",)),
        transaction=Read(
            Transaction("20260131T120000Z-1a2b3c4d", "rolled-back", "dockerd did not answer")
        ),
    )
    assert dict(parse(probe()).document.value.settings) == {"icc": False}


def test_without_dockerd_no_container_runs():
    found = facts(dockerd_pid="none", containers_processes=Unread("?"), containers=Unread("?"))
    assert (found.containers, found.confinements) == (Read(()), Read({}))


@pytest.mark.parametrize(
    ("told", "limits"),
    [
        pytest.param({"memory": 0, "pids": 0, "cpus": 0, "cpuset": ""}, (), id="nought"),
        pytest.param({"pids": -1, "quota": -1}, (), id="minus-one"),
        pytest.param({"pids": 100, "cpus": 5}, ("pids", "cpu"), id="some"),
        pytest.param({"cpuset": "0-1", "cpus": 1}, ("cpu",), id="processors"),
    ],
)
def test_what_is_a_limit(told, limits):
    (found,) = facts(containers={"name": "a", **told}).containers.value
    assert found.limits == limits


@pytest.mark.parametrize(
    ("rule", "watched"),
    [
        pytest.param("-w /etc/docker -p rwxa", {"/etc/docker": "rwxa"}, id="a-watch"),
        pytest.param("-w /etc/docker/", {"/etc/docker": "rwxa"}, id="without-rights"),
        pytest.param(
            "-a always,exit -S all -F dir=/etc/docker -F perm=wa", {"/etc/docker": "wa"}, id="dir"
        ),
        pytest.param(
            "-a always,exit -F arch=b64 -S all -F path=/usr/bin/runc -F perm=x",
            {"/usr/bin/runc": "x"},
            id="path",
        ),
        pytest.param("LIST_RULES: exit,always watch=/a perm=wa", None, id="of-another-form"),
        pytest.param(
            "LIST_RULES: exit,always dir=/etc/docker (0xb) perm=wa",
            {"/etc/docker": "wa"},
            id="of-old",
        ),
        pytest.param("-a never,exit -F dir=/etc/docker", {}, id="never"),
        pytest.param("-a always,exit -F path=/a -F auid>=1000 -F perm=wa", {}, id="some-users"),
        pytest.param("-a always,exit -S open -F path=/a -F perm=wa", {}, id="some-calls"),
        pytest.param("-w / -p w", {"/": "w"}, id="everything"),
        pytest.param("gibberish", None, id="no-path"),
    ],
)
def test_rules_of_the_audit(rule, watched):
    found = facts(audit_rules=[rule]).audit
    if watched is None:
        assert isinstance(found, Unread)
    else:
        assert found.value.watched == watched


def test_rights_of_two_rules_add_up():
    found = facts(audit_rules=["-w /a -p a", "-w /a -p w"]).audit
    assert found.value.watched == {"/a": "wa"}


@pytest.mark.parametrize(
    ("changed", "name", "expected"),
    [
        pytest.param({"audit.enabled": "absent"}, "audit", Read(None), id="no-auditctl"),
        pytest.param({"audit.enabled": "on"}, "audit", "audit.enabled is unreadable", id="flag"),
        pytest.param({"audit.enabled": Unread("auditctl: no")}, "audit", "auditctl: no", id="root"),
        pytest.param({"audit.paths": ["file /a b"]}, "audit_paths", "no path", id="blank-in-it"),
        pytest.param({"audit.paths": ["file a"]}, "audit_paths", "no path", id="relative"),
        pytest.param({"sysctl.files": ["/a:kernel.panik=1"]}, "sysctl_files", "sets nothing",
                     id="another-value"),
        pytest.param({"sysctl.writable": "yes"}, "sysctl_locked", Read(None), id="writable"),
        pytest.param({"sysctl.writable": "maybe"}, "sysctl_locked", "neither", id="no-word"),
    ],
)  # fmt: skip
def test_settings_beside_daemon_json(changed, name, expected):
    found = getattr(facts(changed), name)
    if isinstance(expected, str):
        assert expected in found.reason
    else:
        assert found == expected


def test_a_summary_leaves_out_what_was_not_read():
    assert facts().summary() == {
        "docker": "20.10.24+dfsg1",
        "kernel": "6.1.0-30-amd64",
        "os": "debian 12",
        "arch": "x86_64",
        "virt": "kvm",
        "init": "systemd",
        "containers": "2",
    }
    assert facts(host_os=Unread("no"), host_virt=None, containers=Unread("no")).summary() == {
        "docker": "20.10.24+dfsg1",
        "kernel": "6.1.0-30-amd64",
        "arch": "x86_64",
        "init": "systemd",
    }


@pytest.mark.parametrize(
    ("name", "text", "field"),
    [
        pytest.param("dataroot.space", "100 -6 30", "space", id="negative"),
        pytest.param("dataroot.space", "100 60", "space", id="too-few"),
        pytest.param("dataroot.inodes", "1 2 3", "inodes", id="too-many"),
        pytest.param("containerd.root", "var/lib", "containerd_root", id="no-path"),
        pytest.param("group.docker", "docker", "docker_group", id="no-number"),
        pytest.param("group.docker", "docker x a", "docker_group", id="no-number-either"),
        pytest.param("files", ["81a4 0 0 /etc/docker"], "guarded", id="no-device"),
        pytest.param("files", ["81a4 0 0 1 relative"], "guarded", id="no-whole-path"),
        pytest.param("files", ["81a4000000 0 0 1 /x"], "guarded", id="no-mode"),
        pytest.param("kubelet.dockerd", "maybe", "cri_dockerd", id="neither"),
    ],
)
def test_what_no_probe_tells_of_files(name, text, field):
    found = getattr(facts({name: text}), field)
    assert isinstance(found, Unread)
    assert name in found.reason


def test_no_group_and_no_store():
    found = facts({"group.docker": "none", "containerd.root": "none"})
    assert (found.docker_group, found.containerd_root) == (Read(None), Read(None))


def test_a_reason_travels_to_whoever_asks():
    found = facts(containers_count=Unread("permission denied: /var/run/docker.sock"))
    with pytest.raises(CannotTell, match=r"permission denied: /var/run/docker\.sock"):
        found.container_count.value  # noqa: B018


# The wire format ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "noise",
    [
        pytest.param([], id="none"),
        pytest.param(["Welcome to web-1!", "", "=host.name evil", "\x1b[31mred"], id="login-shell"),
        pytest.param(["oakum-probe 1 end"], id="an-end-without-a-beginning"),
    ],
)
def test_what_a_login_shell_prints_is_left_out(noise):
    assert parse([*noise, *probe(), "logout"]) == parse(probe())


@pytest.mark.parametrize(
    ("output", "message"),
    [
        pytest.param([], "no probe output; the host's shell answered ''", id="nothing"),
        pytest.param(
            ["", "This account is closed."],
            "no probe output; the host's shell answered 'This account is closed.'",
            id="another-answer",
        ),
        pytest.param(["oakum-probe 2 begin"], "no probe output", id="another-format"),
        pytest.param([" oakum-probe 1 begin"], "no probe output", id="marker-inside-a-line"),
        pytest.param(
            ["oakum-probe 1 begin"], "the probe's output is cut off after nothing", id="0"
        ),
        pytest.param(
            ["oakum-probe 1 begin", "=a b"], "the probe's output is cut off after a", id="1"
        ),
        pytest.param(
            ["oakum-probe 1 begin", "<a", "|b"], "the probe's output is cut off inside a", id="2"
        ),
    ],
)
def test_what_is_no_probe(output, message):
    with pytest.raises(BadProbe) as error:
        readings(output)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["hello"], id="no-kind"),
        pytest.param([""], id="empty"),
        pytest.param(["?host.name web"], id="unknown-kind"),
        pytest.param(["?a", "|row", ">a"], id="unknown-kind-of-block"),
        pytest.param(["=HOST web"], id="name-in-capitals"),
        pytest.param(["= web"], id="no-name"),
        pytest.param([f"={'a' * 41} web"], id="long-name"),
        pytest.param(["=a\nb c"], id="newline-in-a-name"),
        pytest.param(["=a one", "=a two"], id="name-twice"),
        pytest.param(["=a one", "!a why"], id="name-twice-in-two-kinds"),
        pytest.param(["|a row"], id="row-outside-a-block"),
        pytest.param([">a"], id="end-of-no-block"),
        pytest.param(["<a", ">b"], id="end-of-another-block"),
        pytest.param(["<a", "=b c", ">a"], id="no-row-in-a-block"),
        pytest.param(["<a", "oakum-probe 1 end"], id="end-inside-a-block"),
        pytest.param(["oakum-probe 1 begin"], id="second-beginning"),
        pytest.param(["=a \x1b[31mred"], id="escape"),
        pytest.param(["=a b\x00"], id="nul"),
        pytest.param(["=a b\r"], id="carriage-return"),
        pytest.param(["=a \x9b31m"], id="c1-control"),
        pytest.param(["=a \x7f"], id="delete"),
        pytest.param(["<a", "|\x07", ">a"], id="bell-in-a-block"),
        pytest.param(["@a 0"], id="half-a-byte"),
        pytest.param(["@a xx"], id="no-hexadecimal"),
    ],
)
def test_a_line_that_no_probe_writes_is_named(lines):
    with pytest.raises(BadProbe, match=r"no probe writes|not hexadecimal"):
        readings(["oakum-probe 1 begin", *lines, "oakum-probe 1 end"])


def test_no_cut_gives_a_wrong_reading():
    """A connection may die after any character."""
    text = "\n".join(probe())
    whole = readings(text.splitlines())
    assert len(whole) > 60
    for at in range(len(text)):
        with pytest.raises(BadProbe):
            readings(text[:at].split("\n"))


ROWS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n"), max_size=30)


@QUICK
@given(st.lists(st.tuples(st.integers(0, len(probe()) - 1), ROWS | st.sampled_from(probe()))))
def test_any_lines_are_facts_or_a_bad_probe(swaps):
    lines = probe()
    for at, line in swaps:
        lines[at] = line
    try:
        assert isinstance(parse(lines), HostFacts)
    except BadProbe as error:
        assert str(error)  # noqa: PT017


@QUICK
@given(st.dictionaries(st.sampled_from(sorted(blocks(BASE))), ROWS | st.lists(ROWS), max_size=5))
def test_any_reading_is_a_value_or_a_reason(changed):
    """Control characters are the only thing in here that no probe writes."""
    try:
        found = parse(probe(changed))
    except BadProbe as error:
        assert "no probe writes" in str(error)  # noqa: PT017
        return
    for name in HostFacts.__dataclass_fields__:
        reading = getattr(found, name)
        assert isinstance(reading, Read) or reading.reason
    assert all(isinstance(text, str) for text in found.summary().values())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "ports",
                    "mounts",
                    "securityopt",
                    "80/tcp",
                    "Server",
                    "Version",
                    "started",
                    "ulimits",
                    "pids",
                    "capadd",
                    "Name",
                    "Hard",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@QUICK
@given(
    st.sampled_from(["engine.info", "engine.version", "containers", "dockerd.reloaded"]),
    st.lists(JSON, min_size=1, max_size=2),
)
def test_any_json_is_a_value_or_a_reason(name, values):
    rows = [json.dumps(value) for value in values]
    assert isinstance(parse(probe({name: rows})), HostFacts)


# Readings that are not what they should be --------------------------------------------------------

DEEP = ["[" * 5000]


@pytest.mark.parametrize(
    ("field", "changed", "reason"),
    [
        pytest.param("virt", {"host.virt": None}, "the probe did not read host.virt", id="missing"),
        pytest.param(
            "virt", {"host.virt": ["kvm"]}, "host.virt came in another form", id="another-form"
        ),
        pytest.param("virt", {"host.virt": Unread("")}, "no reason given", id="no-reason"),
        pytest.param("kernel", {"host.kernel": "linux"}, "no version number: 'linux'", id="kernel"),
        pytest.param("uid", {"host.uid": "root"}, "host.uid is unreadable", id="uid"),
        pytest.param("rdrand", {"entropy.rdrand": "maybe"}, "neither yes nor no", id="yes-or-no"),
        pytest.param("d_type", {"dataroot.dtype": "unknown"}, "neither yes nor no", id="d-type"),
        pytest.param("images", {"images.count": "many"}, "images.count is unreadable", id="number"),
        pytest.param(
            "images", {"images.count": "9" * 5000}, "images.count is unreadable", id="huge-number"
        ),
        pytest.param("dockerd", {"dockerd.pid": "x"}, "dockerd.pid is unreadable", id="pid"),
        pytest.param(
            "dockerd", {"dockerd.started": Unread("no btime")}, "no btime", id="no-start-time"
        ),
        pytest.param("dockerd", {"dockerd.caps": "xyz"}, "dockerd.caps is unreadable", id="caps"),
        pytest.param(
            "dockerd",
            {"dockerd.limits": ["Max open files            1024   many   files"]},
            "dockerd.limits is unreadable",
            id="limits",
        ),
        pytest.param("info", {"engine.info": ["{"]}, "engine.info is unreadable", id="info-cut"),
        pytest.param("info", {"engine.info": ["[]"]}, "expected an object", id="info-a-list"),
        pytest.param("info", {"engine.info": DEEP}, "engine.info is unreadable", id="info-deep"),
        pytest.param("info", {"engine.info": {"Driver": 5}}, "Driver is no text", id="info-driver"),
        pytest.param(
            "info",
            {"engine.info": {"Driver": "zfs", "DriverStatus": "x"}},
            "DriverStatus is no list",
            id="info-status",
        ),
        pytest.param(
            "info",
            {"engine.info": {"Driver": "zfs", "SecurityOptions": [5]}},
            "SecurityOptions is no list of words",
            id="info-security",
        ),
        pytest.param(
            "info",
            {"engine.info": {"Driver": "zfs", "Swarm": []}},
            "Swarm is no object",
            id="info-swarm",
        ),
        *(
            pytest.param(
                "info", {"engine.info": {"Driver": "zfs", **said}}, reason, id=f"info-{name}"
            )
            for name, said, reason in [
                ("labels", {"Labels": [1]}, "Labels is no list of words"),
                ("label", {"Labels": "a=b"}, "Labels is no list of words"),
                ("runtimes", {"Runtimes": []}, "Runtimes is no object"),
                ("plugins", {"Plugins": {"Authorization": [{}]}}, "Authorization is no list"),
                ("mirrors", {"RegistryConfig": {"Mirrors": {"a": 1}}}, "Mirrors is no list"),
                ("cidrs", {"RegistryConfig": {"InsecureRegistryCIDRs": [1]}}, "CIDRs is no list"),
                ("index", {"RegistryConfig": {"IndexConfigs": {"a": 1}}}, "no object of objects"),
                ("indexes", {"RegistryConfig": {"IndexConfigs": [1]}}, "no object of objects"),
                ("pools", {"DefaultAddressPools": ["x"]}, "no list of objects"),
                ("pool", {"DefaultAddressPools": {"Base": 1}}, "no list of objects"),
            ]
        ),
        *(
            pytest.param(
                "sockets", {"dockerd.sockets": [row]}, "dockerd.sockets is unreadable", id=row
            )
            for row in (
                "127.0.0.1:2375",
                "127.0.0.1:2375 open",
                "127.0.0.1:99999 plain",
                "127.0.0.256:2375 plain",
                "[::1:2375 plain",
                "[1:2]:2375 plain",
                "localhost:2375 plain",
            )
        ),
        pytest.param(
            "info", {"engine.info": {"host": {}}}, "names no storage driver", id="info-of-another"
        ),
        pytest.param(
            "info",
            {"engine.info": {"Driver": "zfs", "LiveRestoreEnabled": "no"}},
            "LiveRestoreEnabled is no true or false",
            id="info-live-restore",
        ),
        pytest.param(
            "info",
            {"engine.info": {"Driver": "", "ServerErrors": ["permission denied"]}},
            "permission denied",
            id="info-of-a-silent-server",
        ),
        pytest.param(
            "engine",
            {"engine.version": {"Server": {"Version": "latest"}}},
            "engine version: no version number: 'latest'",
            id="engine-version",
        ),
        pytest.param(
            "engine",
            {"engine.version": Unread("timed out"), "engine.binary": "hello"},
            "dockerd --version said 'hello'",
            id="binary-version",
        ),
        pytest.param(
            "containers", {"containers": ["web"]}, "line 1 column 1: expected an object", id="rows"
        ),
        pytest.param("containers", {"containers": {}}, "containers is unreadable", id="no-name"),
        pytest.param(
            "containers", {"containers": {"name": "a", "ports": [1]}}, "containers is", id="ports"
        ),
        pytest.param(
            "containers",
            {"containers": {"name": "a", "ports": {"80/tcp": [1]}}},
            "containers is unreadable",
            id="bindings",
        ),
        pytest.param(
            "containers", {"containers": {"name": "a", "mounts": [1]}}, "containers is", id="mounts"
        ),
        pytest.param(
            "containers", {"containers": {"name": "a", "pid": "x"}}, "containers is", id="c-pid"
        ),
        pytest.param(
            "containers", {"containers": {"name": "a", "started": "now"}}, "is", id="c-started"
        ),
        pytest.param(
            "containers",
            {"containers": {"name": "a", "started": "2026-01-31T12:00:00"}},
            "has no zone",
            id="c-started-somewhere",
        ),
        pytest.param(
            "containers", {"containers": {"name": "a", "ulimits": [{}]}}, "is", id="c-ulimits"
        ),
        pytest.param(
            "confinements",
            {"containers.processes": ["NoNewPrivs:\t1"]},
            "'NoNewPrivs:\\t1' is of no process",
            id="status-of-no-process",
        ),
        pytest.param(
            "confinements",
            {"containers.processes": ["Pid:\t1", "Seccomp:\tx"]},
            "containers.processes is unreadable",
            id="seccomp",
        ),
        pytest.param("containers", {"containers": DEEP}, "containers is unreadable", id="deep"),
        pytest.param("reloaded", {"dockerd.reloaded": ["{"]}, "dockerd.reloaded is", id="reloaded"),
        pytest.param(
            "flags", {"dockerd.args": Unread("dockerd is not running")}, "dockerd is not", id="args"
        ),
        pytest.param("unit_flags", {"unit.environment": Unread("denied")}, "denied", id="options"),
        pytest.param(
            "daemon_file",
            {"file.daemon.bytes": Unread("permission denied")},
            "permission denied",
            id="bytes",
        ),
        pytest.param(
            "document",
            {"file.daemon.bytes": Unread("permission denied")},
            "permission denied",
            id="document-of-no-bytes",
        ),
        pytest.param("daemon_file", {"file.daemon.stat": "file 644"}, "stat is", id="short-stat"),
        pytest.param(
            "daemon_file",
            {"file.daemon.stat": "file 644 root 0 1 1"},
            "file.daemon.stat is unreadable",
            id="owner-by-name",
        ),
        pytest.param("daemon_file", {"file.daemon.target": None}, "did not read", id="no-target"),
        pytest.param(
            "document",
            {"file.daemon.bytes": b"{"},
            "/etc/docker/daemon.json: line 1 column 2: expected a key",
            id="broken-file",
        ),
        pytest.param(
            "document",
            {"file.daemon.bytes": b'{"a": ' + b"9" * 5000 + b"}"},
            "/etc/docker/daemon.json: line 1",
            id="huge-number-in-the-file",
        ),
        pytest.param(
            "document",
            {"file.daemon.stat": "other 644 0 0 0 1"},
            "/etc/docker/daemon.json is a other, not a file",
            id="a-pipe",
        ),
        pytest.param("kubelet", {"kubelet": ""}, "neither yes nor no", id="kubelet"),
        pytest.param("bridge_icc", {"bridge.icc": "maybe"}, "bridge.icc is", id="bridge"),
        pytest.param("selinux", {"host.selinux": "1"}, "no mode of SELinux", id="selinux"),
    ],
)
def test_what_cannot_be_read_has_a_reason(field, changed, reason):
    reading = getattr(parse(probe(changed)), field)
    assert isinstance(reading, Unread)
    assert reason in reading.reason


# Engine and processes ----------------------------------------------------------------------------

SILENT = {"engine.version": Unread("no socket"), "engine.info": Unread("no socket")}


@pytest.mark.parametrize(
    ("changed", "engine"),
    [
        pytest.param(
            {"engine.version": {"Server": {"Version": "26.1.5+dfsg1"}}},
            Engine(Version("26.1.5"), "26.1.5+dfsg1"),
            id="distribution-build",
        ),
        pytest.param(
            {"engine.version": {"Server": {"Version": "17.06.0-ce"}}},
            Engine(Version("17.06.0"), "17.06.0-ce"),
            id="community-edition",
        ),
        pytest.param(
            {"engine.version": {"Server": {"Version": "29.0.0-rc.1"}}},
            Engine(Version("29.0.0"), "29.0.0-rc.1"),
            id="release-candidate",
        ),
        pytest.param(
            {"engine.origin": "snap"},
            Engine(Version("20.10.24"), "20.10.24+dfsg1", "snap"),
            id="snap",
        ),
        pytest.param(
            {"engine.origin": Unread("?")},
            Engine(Version("20.10.24"), "20.10.24+dfsg1", "unknown"),
            id="origin-unread",
        ),
        pytest.param(
            SILENT,
            Engine(Version("20.10.24"), "20.10.24+dfsg1", running=False),
            id="installed-not-answering",
        ),
        pytest.param(
            {**SILENT, "engine.dockerd": "absent", "engine.binary": Unread("no dockerd")},
            None,
            id="client-alone",
        ),
        pytest.param(
            {
                **SILENT,
                "engine.dockerd": "absent",
                "engine.cli": "absent",
                "engine.binary": Unread("no dockerd"),
            },
            None,
            id="nothing",
        ),
        pytest.param(
            {"engine.dockerd": "absent", "engine.binary": Unread("no dockerd")},
            Engine(Version("20.10.24"), "20.10.24+dfsg1"),
            id="answers-and-is-not-found",
        ),
    ],
)
def test_engine(changed, engine):
    assert parse(probe(changed)).engine == Read(engine)


def test_no_engine_has_no_version():
    changed = {**SILENT, "engine.dockerd": "absent", "engine.binary": Unread("no dockerd")}
    with pytest.raises(CannotTell, match="no Docker engine on this host"):
        parse(probe(changed)).version  # noqa: B018


def test_a_dockerd_that_does_not_run():
    stopped = Unread("dockerd is not running")
    found = facts(
        SILENT,
        dockerd_pid="none",
        dockerd_args=stopped,
        dockerd_started=stopped,
        dockerd_limits=stopped,
        dockerd_caps=stopped,
        dockerd_reloaded=stopped,
        containers=Unread("no socket"),
        containers_count=Unread("no socket"),
    )
    assert found.dockerd == Read(None)
    assert found.containers == Read(())
    assert found.sockets == Read(())
    assert found.flags == stopped
    assert found.unit_flags.value["host"] == ("fd://",)
    assert found.container_count == Unread("no socket")


def test_hidden_processes_are_not_absent_ones():
    hidden = Unread("the processes of other users are hidden")
    assert facts(dockerd_pid=hidden).dockerd == hidden


@pytest.mark.parametrize(
    ("row", "where", "loopback"),
    [
        pytest.param("0.0.0.0:2375 plain", "tcp://0.0.0.0:2375", False, id="everywhere"),
        pytest.param("127.0.0.53:1 plain", "tcp://127.0.0.53:1", True, id="loopback"),
        pytest.param(
            "[0000:0000:0000:0000:0000:0000:0000:0001]:2 tls", "tcp://[::1]:2", True, id="ipv6"
        ),
        pytest.param(
            "[0000:0000:0000:0000:0000:FFFF:7F00:0001]:3 other",
            "tcp://127.0.0.1:3",
            True,
            id="4in6",
        ),
    ],
)
def test_where_it_listens(row, where, loopback):
    (found,) = facts(dockerd_sockets=[row]).sockets.value
    assert (found.where, found.loopback) == (where, loopback)


def test_what_was_reloaded_last():
    assert facts(dockerd_reloaded={"icc": True}).reloaded == Read({"icc": True})
    assert facts(dockerd_reloaded=[]).reloaded == Read(None)
    assert facts(dockerd_reloaded=Unread("no journal")).reloaded == Unread("no journal")


@pytest.mark.parametrize(
    ("capabilities", "lifts"),
    [
        pytest.param(0x1FFFFFFFFFF, True, id="root"),
        pytest.param(1 << 24, True, id="sys-resource"),
        pytest.param(0x1FFFFFFFFFF & ~(1 << 24), False, id="all-but-sys-resource"),
        pytest.param(0, False, id="none"),
    ],
)
def test_who_may_lift_limits(capabilities, lifts):
    assert Process(1, capabilities=capabilities).lifts_limits is lifts


@pytest.mark.parametrize(
    ("text", "version"),
    [
        pytest.param("6.1.0-30-amd64", "6.1.0", id="debian"),
        pytest.param("3.10.0-1160.el7.x86_64", "3.10.0", id="centos"),
        pytest.param("6.18", "6.18", id="short"),
        pytest.param("5.15.153.1-microsoft-standard-WSL2", "5.15.153.1", id="wsl"),
    ],
)
def test_leading_version(text, version):
    assert leading_version(text) == Version(version)


# Flags -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "flags"),
    [
        pytest.param([], {}, id="none"),
        pytest.param(["--icc=false"], {"icc": ("false",)}, id="equals"),
        pytest.param(["--data-root", "/d"], {"data-root": ("/d",)}, id="space"),
        pytest.param(["--live-restore"], {"live-restore": ("true",)}, id="bare-at-the-end"),
        pytest.param(
            ["--live-restore", "--icc=false"],
            {"live-restore": ("true",), "icc": ("false",)},
            id="bare-before-a-flag",
        ),
        pytest.param(
            ["--label=a=b", "--label", "c=d"], {"label": ("a=b", "c=d")}, id="more-than-once"
        ),
        pytest.param(["--exec-opt="], {"exec-opt": ("",)}, id="empty-value"),
        pytest.param(["-H", "fd://"], {"host": ("fd://",)}, id="short-space"),
        pytest.param(["-Hfd://"], {"host": ("fd://",)}, id="short-joined"),
        pytest.param(["-H=fd://"], {"host": ("fd://",)}, id="short-equals"),
        pytest.param(
            ["-H", "fd://", "-H", "tcp://0.0.0.0:2375"],
            {"host": ("fd://", "tcp://0.0.0.0:2375")},
            id="short-twice",
        ),
        pytest.param(["-D", "-l", "warn"], {"debug": ("true",), "log-level": ("warn",)}, id="-D"),
        pytest.param(["-D", "x"], {"debug": ("true",)}, id="a-word-after-a-boolean"),
        pytest.param(["--tls", "x"], {"tls": ("true",)}, id="a-word-after-a-long-boolean"),
        pytest.param(
            ["-g", "/d", "-s", "zfs", "-b", "br0", "-G", "docker", "-p", "/p"],
            {
                "graph": ("/d",),
                "storage-driver": ("zfs",),
                "bridge": ("br0",),
                "group": ("docker",),
                "pidfile": ("/p",),
            },
            id="all-short-ones",
        ),
        pytest.param(["-r=false"], {"restart": ("false",)}, id="short-boolean-with-a-value"),
        pytest.param(["-x", "y", "z", "-"], {}, id="what-is-no-flag"),
    ],
)
def test_flags(args, flags):
    assert parse_flags(["/usr/bin/dockerd", *args]) == flags


@pytest.mark.parametrize(
    ("unit", "environment", "flags"),
    [
        pytest.param("dockerd -H fd://", [], {"host": ("fd://",)}, id="no-variable"),
        pytest.param(
            "dockerd $DOCKER_OPTS",
            ["/etc/default/docker:#DOCKER_OPTS=--icc=false"],
            {},
            id="comment",
        ),
        pytest.param("dockerd $DOCKER_OPTS", [], {}, id="variable-not-set"),
        pytest.param(
            "dockerd ${OPTIONS}",
            ["/etc/sysconfig/docker:OPTIONS='--icc=false --selinux-enabled'"],
            {"icc": ("false",), "selinux-enabled": ("true",)},
            id="braces-and-single-quotes",
        ),
        pytest.param(
            "dockerd $DOCKER_OPTS --debug",
            ["/a:DOCKER_OPTS=--icc=false", "/b:export DOCKER_OPTS=--icc=true"],
            {"icc": ("true",), "debug": ("true",)},
            id="the-last-file-counts",
        ),
        pytest.param(
            "dockerd $DOCKER_OPTS",
            ["/a:OTHER_OPTS=--icc=false"],
            {},
            id="a-variable-that-the-unit-does-not-name",
        ),
    ],
)
def test_flags_of_the_next_start(unit, environment, flags):
    row = f"ExecStart={{ path=/usr/bin/dockerd ; argv[]={unit} ; ignore_errors=no ; pid=0 }}"
    found = parse(probe({"unit": [row], "unit.environment": environment}))
    assert found.unit_flags == Read(flags)


def test_flags_of_the_next_start_without_systemd():
    found = parse(
        probe(
            {
                "unit": Unread("no systemd on this host"),
                "unit.environment": [
                    '/etc/conf.d/docker:DOCKER_LOGFILE="/var/log/docker.log"',
                    '/etc/conf.d/docker:DOCKER_OPTS="--userland-proxy=false"',
                ],
            }
        )
    )
    assert found.unit_flags == Read({"userland-proxy": ("false",)})


def test_a_unit_that_is_not_there_gives_no_flags():
    found = parse(probe({"unit": ["LoadState=not-found"], "unit.environment": []}))
    assert found.unit_flags == Read({})


# Files -------------------------------------------------------------------------------------------


def daemon_file(**changed: Any) -> dict[str, Any]:
    return {f"file.daemon.{name}": value for name, value in changed.items()}


def test_a_symbolic_link_is_followed():
    file = parse(probe(daemon_file(target="/srv/docker.json"))).daemon_file.value
    assert (file.path, file.target) == ("/etc/docker/daemon.json", "/srv/docker.json")


def test_a_file_that_is_not_there():
    found = parse(probe(daemon_file(stat="absent", bytes=b"")))
    assert found.daemon_file.value.content is None
    assert dict(found.document.value.settings) == {}


def test_an_empty_file_is_there():
    found = parse(probe(daemon_file(stat="file 644 0 0 0 1", bytes=b"")))
    assert found.daemon_file.value.content == b""
    assert dict(found.document.value.settings) == {}


@pytest.mark.parametrize(
    ("writable", "locked"),
    [
        pytest.param("yes", None, id="can-be-replaced"),
        pytest.param("no: not root", "not root", id="a-word"),
        pytest.param(Unread("lsattr failed"), "lsattr failed", id="unread"),
        pytest.param(None, "the probe did not read file.daemon.writable", id="missing"),
    ],
)
def test_whether_a_file_can_be_replaced(writable, locked):
    assert parse(probe(daemon_file(writable=writable))).daemon_file.value.locked == locked


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        pytest.param(None, (), id="none"),
        pytest.param({"80/tcp": None, "81/tcp": []}, (), id="exposed-not-published"),
        pytest.param(
            {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}, ("0.0.0.0:8080",), id="any-address"
        ),
        pytest.param(
            {
                "80/tcp": [{"HostIp": "::1", "HostPort": "80"}],
                "81/udp": [{"HostIp": "127.0.0.1", "HostPort": "53"}],
            },
            ("127.0.0.1:53", "[::1]:80"),
            id="both-families-sorted",
        ),
    ],
)
def test_published_ports(ports, expected):
    (found,) = facts(containers={"name": "/a", "ports": ports}).containers.value
    assert found.ports == expected


TXN = "20260131T120000Z-1a2b3c4d"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("none", Read(None), id="none"),
        pytest.param(f"{TXN} running", Read(Transaction(TXN, "running")), id="no-step-yet"),
        pytest.param(
            f"{TXN} running restart docker",
            Read(Transaction(TXN, "running", "restart docker")),
            id="running",
        ),
        pytest.param(f"{TXN} unfinished", Read(Transaction(TXN, "unfinished")), id="unfinished"),
        pytest.param(f"{TXN} confirmed", Read(Transaction(TXN, "confirmed")), id="confirmed"),
        pytest.param(
            f"{TXN} broken a  b ", Read(Transaction(TXN, "broken", "a  b ")), id="spaces-stay"
        ),
        *(
            pytest.param(
                text, Unread(f"oakum.transaction is unreadable: {text!r} is no transaction")
            )
            for text in (
                TXN,
                f"{TXN} ",
                f"{TXN} done",
                f"{TXN} confirmed ",
                f"{TXN}  confirmed",
                f"{TXN.upper()} confirmed",
                f"{TXN}0 confirmed",
                "none at all",
                "../../etc confirmed",
            )
        ),
        pytest.param(None, Unread("the probe did not read oakum.transaction"), id="an-older-probe"),
        pytest.param(Unread("permission denied"), Unread("permission denied"), id="closed"),
    ],
)
def test_the_last_transaction(text, expected):
    assert facts(oakum_transaction=text).transaction == expected


# Recorded probes ---------------------------------------------------------------------------------

RECORDED = sorted((Path(__file__).parent / "probes").glob("*.txt"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_probe(path):
    """What a real host printed has its first facts, and no reading came in a form not expected."""
    found = parse(path.read_text("utf-8").splitlines())
    assert {"kernel", "arch", "docker"} <= found.summary().keys()
    reasons = unread(found).values()
    assert not [why for why in reasons if "is unreadable" in why or "another form" in why]
    assert not [why for why in reasons if "the probe did not read" in why]


def test_recorded_probes_give_these_facts(golden):
    assert RECORDED
    pages = [page(path.stem, parse(path.read_text("utf-8").splitlines())) for path in RECORDED]
    golden("recorded-facts.txt", "\n".join(pages))


def unread(found: HostFacts) -> dict[str, str]:
    names = HostFacts.__dataclass_fields__
    return {
        name: reading.reason
        for name in names
        if isinstance(reading := getattr(found, name), Unread)
    }


def page(name: str, found: HostFacts) -> str:
    """The facts that decisions rest on, a line each, for a person to compare with the host."""
    rows: dict[str, Any] = dict(found.summary())
    for field in ("engine", "dockerd", "unit_flags", "hwrng", "d_type", "filesystem", "images"):
        reading = getattr(found, field)
        if isinstance(reading, Read):
            rows[field] = reading.value
    rows["file"] = json.dumps(dict(found.document.value.settings))
    if isinstance(found.reloaded, Read) and found.reloaded.value:
        rows["reloaded"] = json.dumps(found.reloaded.value.get("default-ulimits"))
    if isinstance(found.containers, Read):
        rows |= {f"container {one.name}": one for one in found.containers.value}
    rows |= {f"unread {field}": reason for field, reason in unread(found).items()}
    return "".join(f"{line}\n" for line in [name, *(f"  {k}: {v}" for k, v in rows.items())])


@pytest.mark.parametrize(("word", "talk"), [("true", True), ("false", False), ("none", None)])
def test_the_default_bridge(word, talk):
    assert facts({"bridge.icc": word}).bridge_icc == Read(talk)
