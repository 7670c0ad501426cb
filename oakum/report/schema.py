"""The JSON Schemas of the JSON reports, strict: what they do not name may not be there."""

import enum
from typing import Any

from oakum.model import Disruption, Ending, Kind, Outcome, Severity, Status
from oakum.report import json

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
COUNT: Schema = {"type": "integer", "minimum": 0}
UTC: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$"}
DIGEST_OR_NULL: Schema = {
    "type": ["string", "null"],
    "pattern": "^[0-9a-f]{64}$",
    "description": "SHA-256 of the file's bytes; null where there was no file.",
}
ANYTHING: Schema = {}


def report_schema() -> Schema:
    """JSON Schema, draft 2020-12, of ``--format json``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "oakum report",
        "description": "What one run of oakum on hosts has to say.",
        **_object(
            schema={"const": json.SCHEMA},
            oakum=TEXT,
            command={
                "enum": ["audit", "plan", "apply", "bootstrap", "migrate", "rollback", "upgrade"]
            },
            profile=TEXT,
            started=UTC,
            finished=UTC,
            run=TEXT_OR_NULL,
            stopped=TEXT_OR_NULL,
            summary=_summary(),
            hosts=_list(_ref("host")),
        ),
        "$defs": {
            "host": _host(),
            "finding": _finding(),
            "migration": _migration(),
            "change": _change(),
            "impact": _object(container=TEXT, effect=TEXT, reason=TEXT),
        },
    }


def history_schema() -> Schema:
    """JSON Schema, draft 2020-12, of ``oakum history --format json``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "oakum history",
        "description": "What oakum did on each host, by the host's own ledger, newest first.",
        **_object(
            schema={"const": json.SCHEMA},
            oakum=TEXT,
            command={"const": "history"},
            started=UTC,
            finished=UTC,
            hosts=_list(
                _object(
                    name=TEXT,
                    groups=_list(TEXT),
                    reached={"type": "boolean"},
                    error=TEXT_OR_NULL,
                    transactions=_list(_ref("transaction")),
                )
            ),
        ),
        "$defs": {"transaction": _transaction()},
    }


def _transaction() -> Schema:
    return _object(
        id=TEXT,
        time=UTC,
        command={"enum": ["apply", "bootstrap", "migrate", "rollback", "upgrade"]},
        by=TEXT,
        plan=TEXT,
        controls=_list(TEXT),
        files=_list(_object(path=TEXT, was=DIGEST_OR_NULL, new=DIGEST_OR_NULL)),
        undoes=_list(TEXT),
        outcome=_word_or_null(Ending, "Null while it runs, or where it was cut off."),
        reason=TEXT_OR_NULL,
        in_force={"type": "boolean", "description": "Confirmed, and not taken back since."},
    )


def _summary() -> Schema:
    return _object(
        hosts=COUNT,
        ok=COUNT,
        drift=COUNT,
        held=COUNT,
        unknown=COUNT,
        unreached=COUNT,
        not_reached=COUNT,
        changed=COUNT,
        failed=COUNT,
        rolled_back=COUNT,
    )


def _host() -> Schema:
    found = _every_host()
    found["properties"]["migration"] = _ref("migration")
    return found


def _migration() -> Schema:
    room = _object(folder=TEXT, needed=COUNT, free=COUNT)
    return {
        "description": "What oakum migrate carries over; sizes in bytes.",
        **_object(
            id=TEXT,
            kind={"enum": ["userns-remap", "storage-driver"]},
            state=TEXT,
            back={"type": "boolean", "description": "Whether this is the undo."},
            change=TEXT_OR_NULL,
            root=TEXT,
            scratch=TEXT,
            images=COUNT,
            image_bytes=COUNT,
            without_tag=COUNT,
            volumes=COUNT,
            volume_bytes=COUNT,
            elsewhere=_list(TEXT),
            foreign=_list(TEXT),
            containers=_list(TEXT),
            running=_list(TEXT),
            one_off=_list(TEXT),
            need_host=_list(TEXT),
            networks=_list(TEXT),
            lost_networks=_list(TEXT),
            rooms=_list(room),
            aside=COUNT,
        ),
    }


def _every_host() -> Schema:
    return _object(
        name=TEXT,
        groups=_list(TEXT),
        reached={"type": "boolean"},
        error=TEXT_OR_NULL,
        facts=_texts("What heads a host in a report; a fact that was not read is left out."),
        findings=_list(_ref("finding")),
        changes=_list(_ref("change")),
        deferred=_list(_ref("change")),
        disruption=_word_or_null(Disruption, "Null where there is no plan."),
        impact=_list(_ref("impact")),
        notes=_list(TEXT),
        outcome=_word_or_null(Outcome, "Null unless the command changes hosts."),
        transaction=TEXT_OR_NULL,
        steps=_list(_object(name=TEXT, detail=TEXT)),
        undoes={**_list(TEXT), "description": "The transactions that a rollback takes back."},
    )


def _finding() -> Schema:
    return _object(
        control=TEXT,
        status=_word(Status),
        severity=_word(Severity),
        actual=ANYTHING,
        desired=ANYTHING,
        reason=TEXT_OR_NULL,
        refs=_texts("The numbers of this control elsewhere, by the name of the source."),
    )


def _change() -> Schema:
    return _object(
        path=TEXT,
        kind=_word(Kind),
        diff=TEXT,
        controls=_list(TEXT),
        note=TEXT_OR_NULL,
    )


def _object(**properties: Schema) -> Schema:
    """An object that has all of these and nothing else."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _texts(description: str) -> Schema:
    return {"type": "object", "additionalProperties": TEXT, "description": description}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _word(words: type[enum.StrEnum]) -> Schema:
    return {"enum": [str(word) for word in words]}


def _word_or_null(words: type[enum.StrEnum], description: str) -> Schema:
    return {"enum": [*map(str, words), None], "description": description}
