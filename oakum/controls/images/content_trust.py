"""Nobody relies on Docker Content Trust, which has come to its end."""

from collections.abc import Iterator
from typing import Final

from packaging.version import Version

from oakum.controls.base import Control, NotApplicable, Observed, require_engine
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy

OFF: Final = ("", "0", "f", "F", "false", "False", "FALSE")
"""What the client takes for no; everything else is yes, docker/cli ``cli_options.go``."""

GONE: Final = Version("29.0")
"""From here on the client does not know it."""

SERVER: Final = "server"
"""What the probe says where a Notary server other than Docker's is named."""

INSTEAD: Final = "pin digests, and verify signatures with cosign or Notation before images are used"


def not_relied_on(facts: HostFacts, policy: Policy) -> str:
    """Off, where a file of the host switches it on; elsewhere there is nothing to say but that."""
    require_engine(facts)
    if not _files(facts):
        raise NotApplicable(
            f"Docker Content Trust is retired (notary.docker.io ends on 2026-12-08): {INSTEAD}"
        )
    return "off, or by a Notary server of one's own"


def _files(facts: HostFacts) -> list[str]:
    return [file for file, value in facts.content_trust.value if value not in (*OFF, SERVER)]


def relied_on(facts: HostFacts, desired: Json) -> Iterator[str]:
    own = any(value == SERVER for _, value in facts.content_trust.value)
    for file in _files(facts):
        if facts.version >= GONE:
            yield f"{file} sets DOCKER_CONTENT_TRUST, which the client of Docker 29 ignores"
        elif not own:
            yield f"{file} sets DOCKER_CONTENT_TRUST, for which notary.docker.io is asked"


CONTROL = Control(
    area=Area.IMAGES,
    id="content-trust",
    title="Nobody relies on Docker Content Trust",
    why="Docker Content Trust is retired: notary.docker.io ends on 2026-12-08, signatures of "
    "official images have not been renewed, and pulls fail where it is on. From 29.0 the client "
    "does not know it at all, so that DOCKER_CONTENT_TRUST=1 protects nobody and says nothing. "
    "Benchmarks that still ask for it are out of date.",
    cost="Nothing changes; it is told.",
    undo="Nothing was changed.",
    severity=Severity.LOW,
    refs={"cis-1.6": "4.5", "cis-1.7": "4.5", "cis-1.8": "4.5", "seed": "content-trust"},
    sources=(
        "docs.docker.com/engine/security/trust: the end of notary.docker.io",
        "docker/cli#6603: content trust is taken out of the client, 29.0",
        "docker/cli cli/command/cli_options.go@v28.5.2: DOCKER_CONTENT_TRUST",
    ),
    setting=Observed(
        label="DOCKER_CONTENT_TRUST of shells",
        faults=relied_on,
        advice=f"take it out there; {INSTEAD}",
    ),
    desired=not_relied_on,
)
