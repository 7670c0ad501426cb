"""A Kubernetes node, cordoned and drained before a change by ``kubectl`` where oakum runs.

What oakum cordoned carries the annotation ``oakum.away``, set by the same patch: so a node that
an operator cordoned stays so, and one that a killed run left cordoned is recognised.
Source: kubectl ``pkg/cmd/drain/drain.go``; ``kubectl cordon`` sets the same field, but cannot
annotate, and ends with success where it failed.
"""

import json
import re
from typing import Final, Self

from oakum.errand import Trip, Trouble, here
from oakum.policy import NODE_NAME, Kubernetes

ANNOTATION: Final = "oakum.away"

ANSWER: Final = 30
"""Seconds that the API has for one answer."""

STATE: Final = r"jsonpath={.spec.unschedulable}|{.metadata.annotations.oakum\.away}"


class Node:
    """A host as the node of a cluster that is drained and uncordoned again."""

    def __init__(self, trip: Trip, settings: Kubernetes, name: str) -> None:
        self.trip, self.settings, self.name = trip, settings, name

    @classmethod
    def of(cls, trip: Trip) -> Self | None:
        """The node that a host is by its policy, None without one.

        Raises:
            Trouble: the host's name cannot be a node's.
        """
        settings = trip.policy.kubernetes
        if settings is None:
            return None
        name = settings.node or trip.host.name
        if not re.fullmatch(NODE_NAME, name):
            raise Trouble(f"{name} is no name of a Kubernetes node; set node in oakum_kubernetes")
        return cls(trip, settings, name)

    def leave(self) -> None:
        """Cordon and drain the node: what an eviction would cost its data, or a pod that nothing
        would start again, leaves it alone unless the policy's options say otherwise.

        Raises:
            Trouble: kubectl failed, or the pods did not leave in time.
        """
        cordoned, away = self._state()
        if away:
            self.trip.say("kubernetes", f"still cordoned by {away}")
        elif cordoned:
            self.trip.say("kubernetes", "cordoned already by somebody else, and stays so")
        if not cordoned:
            self._patch(unschedulable=True, mark=self.trip.transaction)
            self.trip.say("kubernetes", "cordoned")
        limit = self.settings.limit
        options = ("--ignore-daemonsets", f"--timeout={limit}s", *self.settings.drain_options)
        self._kubectl("drain", self.name, *options, limit=limit + ANSWER)
        self.trip.say("kubernetes", "drained")

    def back(self) -> None:
        """Uncordon the node, if oakum cordoned it.

        Raises:
            Trouble: it is still cordoned; what to do by hand.
        """
        try:
            if self._state()[1]:
                self._patch(unschedulable=None, mark=None)
                self.trip.say("kubernetes", "uncordoned")
        except Trouble as trouble:
            raise Trouble(
                f"perhaps still cordoned: {trouble}; run: kubectl "
                f"--context={self.settings.context} uncordon {self.name}"
            ) from None

    def _state(self) -> tuple[bool, str]:
        """Whether the node is cordoned, and the transaction for which oakum did it."""
        found = self._kubectl("get", "node", self.name, f"--output={STATE}")
        cordoned, _, away = "".join(found).partition("|")
        return cordoned.strip() == "true", away.strip()

    def _patch(self, *, unschedulable: bool | None, mark: str | None) -> None:
        patch = {
            "metadata": {"annotations": {ANNOTATION: mark}},
            "spec": {"unschedulable": unschedulable},
        }
        self._kubectl("patch", "node", self.name, "--type=merge", f"--patch={json.dumps(patch)}")

    def _kubectl(self, *words: str, limit: int = ANSWER) -> tuple[str, ...]:
        said = here(["kubectl", f"--context={self.settings.context}", *words], limit)
        return said.expected(f"kubectl {words[0]}")
