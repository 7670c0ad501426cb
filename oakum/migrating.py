"""A migration of one host: the pyinfra side of ``host/survey.sh`` and ``host/migrate.sh``."""

import datetime
import shlex
from dataclasses import replace
from functools import partial
from typing import Final

from pyinfra.api.command import StringCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation

from oakum import migration, operations, undo
from oakum.deploy import Road, new_transaction_id, whoami
from oakum.facts import CannotTell, HostFacts
from oakum.history import looked_at, remembered
from oakum.manifest import About
from oakum.migration import FOLDER, Request
from oakum.model import Kind, Migration, Plan
from oakum.policy import Policy
from oakum.probe import NoAnswer, ask, read, script
from oakum.survey import Survey, survey

READING: Final = 1800
"""Seconds that counting may take: what volumes hold is added up file by file."""

MOST: Final = 2 * 86400
"""Seconds that a migration may take while somebody waits for it; on the host it goes on."""


def migrating(request: Request) -> Road:
    """To a host whose data was carried over, or back to what it was."""
    return Road(
        look=partial(_look, request),
        check=partial(_check, request),
        carry=_carry,
        follow=_follow,
        reading=READING,
        most=MOST,
    )


def surveyed(host: Host, scratch: str | None, root: str) -> Survey:
    """What lies on a connected host. Raises NoAnswer."""
    call = shlex.join(["survey", scratch or FOLDER, root or "-"])
    return ask(host, f"{script('survey.sh')}{call}\n", survey, READING)


def _look(request: Request, host: Host, policy: Policy) -> tuple[HostFacts, Plan]:
    facts = read(host)
    try:
        if request.back:
            found = surveyed(host, request.scratch, "")
            history = remembered(host)
            return facts, migration.build_back(request, facts, policy, found, history)
        today = datetime.datetime.now(datetime.UTC).date()
        switched = migration.switch(facts, policy, request.kind, today)
        if facts.engine.value is None or facts.dockerd.value is None:
            return facts, switched[0]
        found = surveyed(host, request.scratch, switched[1][0] if request.kind == REMAP else "")
        identity = new_transaction_id()
        return facts, migration.build(request, facts, policy, found, switched, identity)
    except (CannotTell, undo.NotInForce) as error:
        raise NoAnswer(str(error)) from None


REMAP: Final = "userns-remap"


def _check(
    request: Request, host: Host, policy: Policy, done: Plan
) -> tuple[HostFacts, Plan, str | None]:
    facts = read(host)
    found = surveyed(host, request.scratch, "")
    moved = done.migration
    state = next((one.state for one in found.migrations if moved and one.id == moved.id), None)
    wanted = "undone" if request.back else "done"
    left = None if state == wanted else f"the migration came as far as {state}, not {wanted}"
    if request.back:
        paths = [change.path for change in done.changes if change.kind is Kind.FILE]
        return facts, done, left or undo.left(done, facts, looked_at(host, paths))
    today = datetime.datetime.now(datetime.UTC).date()
    try:
        now, _ = migration.switch(facts, policy, request.kind, today)
    except CannotTell as error:
        raise NoAnswer(str(error)) from None
    if now.changes:
        left = left or f"still to change: {', '.join(row.path for row in now.changes)}"
    return facts, replace(done, findings=now.findings), left


def _carry(plan: Plan, facts: HostFacts, policy: Policy, transaction_id: str) -> None:
    migrate(
        name="Migrate",
        plan=plan,
        facts=facts,
        policy=policy,
        about=About(transaction_id, whoami()),
    )


def _follow(plan: Plan, transaction_id: str) -> None:
    follow_migration(name="Follow the migration", migration=_moved(plan))


def _moved(plan: Plan) -> Migration:
    if plan.migration is None:
        raise ValueError("a plan without a migration")
    return plan.migration


@operation()
def follow_migration(migration: Migration) -> operations.Commands:
    """Wait for a migration that is on the host already; fails unless it is confirmed."""
    script_there = f"{FOLDER}/{migration.id}/migrate.sh"
    yield StringCommand(f"exec sh {shlex.quote(script_there)} follow {shlex.quote(migration.id)}")


@operation()
def migrate(plan: Plan, facts: HostFacts, policy: Policy, about: About) -> operations.Commands:
    """Carry a migration out on the host, in one exec that follows what goes on without it."""
    yield StringCommand(command(plan, facts, policy, about))


def command(plan: Plan, facts: HostFacts, policy: Policy, about: About) -> str:
    """The shell text that lays a migration down on a host, has it carried out and follows it."""
    moved = _moved(plan)
    switch = operations.transaction_command(plan, facts, policy, about) or ""
    mark = f"migration {moved.id}"
    files = {
        "wanted": _wanted(moved, facts, about.id if switch else ""),
        "switch.sh": switch + operations.END,
        "migrate.sh": script("migrate.sh"),
    }
    parts = "".join(operations.here(f"next/{name}", text, mark) for name, text in files.items())
    text = (
        "umask 077\n"
        f"dir={FOLDER}/{moved.id}\n"
        f"give_up() {{ echo 'refused: cannot write {FOLDER}' >&2; "
        f"echo 'verdict refused {moved.id}'; exit 1; }}\n"
        'rm -rf "$dir/next"\n'
        'mkdir -p "$dir/next" || give_up\n'
        f"{parts}"
        f'exec sh "$dir/next/migrate.sh" launch {moved.id}\n'
    )
    return text if operations.fits(text) else operations.failing("too much to send in one command")


def _wanted(moved: Migration, facts: HostFacts, transaction: str) -> str:
    """What migrate.sh has to know, as assignments of a shell."""
    remap = moved.kind == REMAP
    option = '{{range .SecurityOptions}}{{if eq . "name=userns"}}on{{end}}{{end}}'
    words = {
        "way": "undo" if moved.back else "run",
        "kind": moved.kind,
        "scratch": moved.scratch,
        "template": option if remap else "{{.Driver}}",
        "value": "on" if remap else moved.driver,
        "users": moved.users,
        "groups": moved.groups,
        "target": moved.root if remap else "",
        "config": facts.daemon_file.value.target,
        "transaction": transaction,
        "needs": "\n".join(f"{room.needed // 1024} {room.folder}" for room in moved.rooms),
    }
    lines = (f"{name}={shlex.quote(word)}\n" for name, word in words.items())
    return "".join(lines) + operations.END
