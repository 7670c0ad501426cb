"""From what a probe printed to facts: ``parse`` is the only door."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Final

from oakum import parse_engine, parse_files, parse_images, parse_settings
from oakum.engine.flags import parse_flags
from oakum.facts import HostFacts, Reading, attempt
from oakum.ledger import ID
from oakum.parse_workload import confinements, containers
from oakum.parts import Transaction
from oakum.reading import Source, assignments, leading_version, words, yes_no
from oakum.wire import readings


def parse(output: Sequence[str]) -> HostFacts:
    """The facts of one host, from the lines that ``host/probe.sh`` printed there.

    Raises:
        BadProbe: the lines are no complete probe output.
    """
    source = Source(readings(output))
    args = source.lines("dockerd.args", tuple)
    daemon_file = parse_engine.file(source, "daemon")
    return HostFacts(
        name=source.text("host.name"),
        os=source.lines("host.os", assignments),
        kernel=source.word("host.kernel", leading_version),
        kernel_text=source.text("host.kernel"),
        arch=source.text("host.arch"),
        virt=source.text("host.virt"),
        init=source.text("host.init"),
        packages=source.text("host.packages"),
        uid=source.word("host.uid", int),
        clock=_clock(source),
        kernel_config=source.lines("kernel.config", _kernel_config),
        sysctl=source.lines("sysctl", assignments),
        lsm=source.word("host.lsm", lambda text: words(text.replace(",", " "))),
        apparmor=source.text("host.apparmor"),
        hwrng=source.text("entropy.hwrng"),
        rdrand=source.word("entropy.rdrand", yes_no),
        entropy_daemons=source.word("entropy.daemons", words),
        haveged=source.word("entropy.haveged", lambda word: word == "installed"),
        engine=parse_engine.engine(source),
        engine_package=source.text("engine.package"),
        podman=source.word("engine.podman", yes_no),
        info=source.lines("engine.info", parse_engine.info),
        first=parse_engine.first(source),
        dockerd=parse_engine.process(source, "dockerd"),
        dockerd_uid=source.word("dockerd.uid", int),
        containerd=parse_engine.process(source, "containerd"),
        flags=attempt(lambda: parse_flags(args.value)),
        unit_flags=parse_engine.unit_flags(source),
        unit_limits=source.lines("unit", parse_engine.unit_limits),
        reloaded=source.lines("dockerd.reloaded", parse_engine.last_reload),
        sockets=parse_engine.sockets(source),
        daemon_file=daemon_file,
        document=parse_engine.document(daemon_file),
        subuid=parse_engine.file(source, "subuid"),
        subgid=parse_engine.file(source, "subgid"),
        seccomp_file=parse_engine.file(source, "seccomp"),
        guarded=source.lines("files", parse_files.guarded),
        docker_group=source.word("group.docker", parse_files.group),
        cgroup=source.text("host.cgroup"),
        sysctl_locked=source.word("sysctl.writable", parse_settings.sysctl_locked),
        sysctl_files=source.lines("sysctl.files", parse_settings.sysctl_files),
        sysctl_file=parse_engine.file(source, "sysctl"),
        slices=source.lines("unit.slices", lambda rows: tuple(dict.fromkeys(rows))),
        slice_unit=source.lines("unit.slice", assignments),
        slice_file=parse_engine.file(source, "slice"),
        dropin_file=parse_engine.file(source, "dropin"),
        audit=parse_settings.audit(source),
        audit_paths=source.lines("audit.paths", parse_settings.audit_paths),
        audit_file=parse_engine.file(source, "audit"),
        data_root=source.text("dataroot.path"),
        space=source.word("dataroot.space", parse_files.space),
        inodes=source.word("dataroot.inodes", parse_files.inodes),
        containerd_root=source.word("containerd.root", parse_files.path_or_none),
        containerd_space=source.word("containerd.space", parse_files.space),
        containerd_inodes=source.word("containerd.inodes", parse_files.inodes),
        filesystem=source.text("dataroot.fs"),
        d_type=source.word("dataroot.dtype", yes_no),
        drivers_on_disk=source.word("dataroot.drivers", words),
        images=source.word("images.count", int),
        image_bytes=source.word("images.bytes", int),
        image_list=parse_images.images(source),
        image_releases=parse_images.releases(source),
        setuid_files=parse_images.setuid_files(source),
        content_trust=parse_images.content_trust(source),
        volumes=source.word("volumes.count", int),
        container_count=source.word("containers.count", int),
        containers=containers(source),
        confinements=confinements(source),
        bridge_icc=source.word("bridge.icc", _icc),
        init_binary=source.word("engine.dockerinit", yes_no),
        selinux=source.word("host.selinux", _selinux),
        kubelet=source.word("kubelet", yes_no),
        cri_dockerd=source.word("kubelet.dockerd", yes_no),
        oakum_state=source.lines("oakum.state", tuple),
        transaction=source.word("oakum.transaction", _transaction),
    )


def _clock(source: Source) -> Reading[datetime]:
    seconds, zone = source.word("host.clock", int), source.word("host.zone", _zone)
    return attempt(lambda: datetime.fromtimestamp(seconds.value, zone.value))


def _zone(text: str) -> timezone:
    """The zone that ``date +%z`` writes, such as ``-0330``."""
    found = re.fullmatch(r"([+-])(\d\d)(\d\d)", text)
    if not found:
        raise ValueError(f"no zone: {text[:20]!r}")
    ahead = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(ahead if found[1] == "+" else -ahead)


def _icc(word: str) -> bool | None:
    """Whether the default bridge lets its containers talk; None where there is no such network."""
    return None if word == "none" else {"true": True, "false": False}[word]


def _selinux(word: str) -> str:
    if word not in ("enforcing", "permissive", "none"):
        raise ValueError(f"{word[:20]!r} is no mode of SELinux")
    return word


def _kernel_config(rows: Sequence[str]) -> dict[str, bool]:
    names = (re.match(r"(?:# )?CONFIG_(\w+)(=[ym])?", row) for row in rows)
    return {found[1]: bool(found[2]) for found in names if found}


_STATE: Final = "running|unfinished|confirmed|rolled-back|refused|broken"


def _transaction(text: str) -> Transaction | None:
    if text == "none":
        return None
    found = re.fullmatch(rf"({ID}) ({_STATE})(?: (.+))?", text)
    if not found:
        raise ValueError(f"{text[:60]!r} is no transaction")
    return Transaction(*found.groups())
