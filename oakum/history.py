"""One exec on a host, and what it remembers of oakum: the pyinfra side of ``host/history.sh``."""

import shlex
from collections.abc import Sequence

from pyinfra.api.host import Host

from oakum.facts import CannotTell
from oakum.ledger import BadLedger, History, history
from oakum.model import Entry
from oakum.probe import NoAnswer, ask, script


def ledger(host: Host) -> tuple[Entry, ...]:
    """Every transaction that a connected host knows of, oldest first. Raises NoAnswer."""
    return _told(host, "ledger").entries


def remembered(host: Host) -> History:
    """The ledger, what each confirmed transaction kept, and its files now. Raises NoAnswer."""
    return _told(host, "stored")


def looked_at(host: Host, paths: Sequence[str]) -> History:
    """The ledger, and what the files at ``paths`` are now. Raises NoAnswer."""
    return _told(host, "now", *paths)


def _told(host: Host, *call: str) -> History:
    try:
        return ask(host, f"{script('history.sh')}{shlex.join(['tell', *call])}\n", history)
    except (BadLedger, CannotTell) as error:
        raise NoAnswer(str(error)) from None
