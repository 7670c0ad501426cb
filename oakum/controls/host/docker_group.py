"""Only those who may be root are in the group that may use the socket."""

from collections.abc import Iterator

from oakum.controls.base import Control, NotApplicable, Observed, require_engine
from oakum.facts import HostFacts
from oakum.model import Area, Json, Severity
from oakum.policy import Policy


def only_the_trusted(facts: HostFacts, policy: Policy) -> list[str]:
    """The users of ``oakum_docker_group``, in a group that gives root away."""
    if require_engine(facts).origin == "rootless":
        raise NotApplicable("rootless: the socket is its user's own")
    if facts.docker_group.value is None:
        raise NotApplicable("no group docker on this host: the socket is root's alone")
    return sorted(policy.docker_group)


def strangers(facts: HostFacts, desired: Json) -> Iterator[str]:
    """Members whom the policy does not name."""
    group = facts.docker_group.value
    yield from sorted(set(group.members if group else ()) - set(desired))


CONTROL = Control(
    area=Area.HOST,
    id="docker-group",
    title="Only trusted users are in the group docker",
    why="Whoever may use Docker's socket is root on the host: one container with / mounted is "
    "enough, and no password is asked.",
    cost="A user who is taken out needs sudo for docker, and so do jobs that run as that user. "
    "Groups of a directory service are not read.",
    undo="Put the user back with gpasswd -a USER docker.",
    severity=Severity.HIGH,
    refs={"cis-1.6": "1.1.2", "cis-1.7": "1.1.2", "cis-1.8": "1.1.2", "seed": "security"},
    sources=(
        "moby docs, Docker daemon attack surface: only trusted users should control it",
        "shadow gpasswd(1)",
    ),
    setting=Observed(
        label="the group docker",
        faults=strangers,
        advice="take them out with gpasswd -d USER docker, or name them in oakum_docker_group",
    ),
    desired=only_the_trusted,
    parameter="docker_group",
)
