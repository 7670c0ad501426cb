"""Logs of containers end somewhere."""

from collections.abc import Iterable, Mapping
from typing import Final

from packaging.version import Version

from oakum.controls.base import Control, require_engine
from oakum.controls.daemon_guards import until_recreated
from oakum.controls.daemon_key import DaemonKey, DaemonKeys, at_next_start
from oakum.facts import HostFacts
from oakum.model import Area, Impact, Json, Severity
from oakum.policy import Policy
from oakum.policy_values import LogDriver

JSON_FILE: Final = "json-file"
"""The engine's own default, which never rotates without max-size."""

ROTATES: Final = frozenset({"max-size", "max-file", "compress"})
"""The options of both drivers that write files."""

ANNOTATES: Final = frozenset({"labels", "labels-regex", "env", "env-regex", "tag"})
"""Options of json-file, and of local only in some newer engines."""

ANY_DRIVERS: Final = frozenset({"mode", "max-buffer-size"})
"""Options that dockerd takes itself, as all that begin with ``cache-``."""

LOCAL_ANNOTATES_SINCE: Final = Version("29.0")
"""Older releases refuse them, or may: 26.1.5 does, 29.7.2 does not."""


def bounded(facts: HostFacts, policy: Policy) -> Json:
    """The driver that the policy names, or the one that is configured; json-file with a limit.

    An operator's own limit, and his other options, stay.
    """
    require_engine(facts)
    wanted = policy.log_rotation
    driver = at_next_start(facts, "log-driver") or JSON_FILE
    if wanted.driver is not LogDriver.KEEP:
        driver = wanted.driver.value
    options = plain(at_next_start(facts, "log-opts"))
    if driver == JSON_FILE and not options.get("max-size"):
        ours = {"max-size": wanted.max_size, "max-file": str(wanted.max_file)}
        options = {**ours, **{name: text for name, text in options.items() if text}}
    return {"log-driver": driver, "log-opts": options}


def plain(value: Json) -> Json:
    """The options by name; none where there are none."""
    return dict(value) if isinstance(value, Mapping) else {}


def kubelet_reads_logs(facts: HostFacts, policy: Policy) -> str | None:
    """A kubelet finds the logs of its pods only where json-file puts them."""
    driver = bounded(facts, policy)["log-driver"]
    if driver == (at_next_start(facts, "log-driver") or JSON_FILE):
        return None
    return f"a kubelet runs here, which needs {JSON_FILE}" if facts.kubelet.value else None


def unknown_options(facts: HostFacts, policy: Policy) -> str | None:
    """dockerd does not start with an option that the log driver does not take."""
    desired = bounded(facts, policy)
    driver = desired["log-driver"]
    if driver not in (JSON_FILE, LogDriver.LOCAL.value):
        return None  # the operator's own driver, with which this dockerd has started
    annotates = driver == JSON_FILE or facts.version >= LOCAL_ANNOTATES_SINCE
    known = ROTATES | ANY_DRIVERS | (ANNOTATES if annotates else frozenset())
    odd = [
        name for name in desired["log-opts"] if name not in known and not name.startswith("cache-")
    ]
    if not odd:
        return None
    return f"log-opts has {', '.join(odd)}, which {driver} does not take: dockerd would not start"


def endless_logs(facts: HostFacts) -> Iterable[Impact]:
    """Log driver and options are fixed when a container is created."""
    endless = [
        container
        for container in facts.containers.value
        if container.log == JSON_FILE and not container.log_size
    ]
    return until_recreated(endless, "keeps its log without a limit")


CONTROL = Control(
    area=Area.DAEMON,
    id="log-rotation",
    title="Logs of containers are rotated",
    why="The default driver json-file never rotates: one talkative container fills the disk of the "
    "data root, and with it stops every other.",
    cost="A restart of dockerd. New containers keep only the newest part of their logs; running "
    "ones keep their log driver and its options until they are recreated. With the driver "
    "local, which strict takes, whatever reads the files of json-file finds no new ones; docker "
    "logs works on.",
    undo="Take log-driver and log-opts out of daemon.json and restart dockerd.",
    severity=Severity.MEDIUM,
    refs={"cis-1.6": "2.13", "cis-1.7": "2.13", "cis-1.8": "2.14", "seed": "log-rotation"},
    sources=(
        "moby daemon/logger/jsonfilelog/jsonfilelog.go: no limit without max-size; its options",
        "moby daemon/logger/local/local.go: 20m in 5 files by default; its options",
        "moby daemon/logger/factory.go: options that every driver takes",
    ),
    setting=DaemonKeys(
        (
            DaemonKey(key="log-driver", live=lambda info: info.get("LoggingDriver") or JSON_FILE),
            DaemonKey(key="log-opts", normal=plain),
        )
    ),
    desired=bounded,
    parameter="log_rotation",
    guards=(kubelet_reads_logs, unknown_options),
    impact=endless_logs,
)
