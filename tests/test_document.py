"""daemon.json as text: what is not ours keeps its bytes, and what dockerd would refuse is seen."""

import json
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oakum.engine.document import DEEPEST, Malformed, loads, merge, plain, same

QUICK = settings(max_examples=80, deadline=None, derandomize=True)


# Reading -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"{}", {}, id="empty-object"),
        pytest.param(b'{"a": 1}', {"a": 1}, id="one"),
        pytest.param(b' \t\r\n{ "a"\n:\t[ 1 , {} ] }\n\n', {"a": [1, {}]}, id="odd-white-space"),
        pytest.param(b'{"\\u00e9": "\\ud83d\\ude00"}', {"é": "😀"}, id="escapes"),
        pytest.param('{"é": "☃"}'.encode(), {"é": "☃"}, id="utf-8"),
        pytest.param(b'{"a": 1, "a": 2}', {"a": 2}, id="the-last-duplicate-counts"),
        pytest.param(b"\xef\xbb\xbf{}", {}, id="byte-order-mark"),
        pytest.param(b'{"a": 1} trailing', {"a": 1}, id="trailing-text"),
    ],
)
def test_reads_what_dockerd_reads(content, expected):
    assert dict(loads(content).settings) == expected


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param(b"{}", (False, False, ()), id="plain"),
        pytest.param(b"{}\n\n", (False, False, ()), id="space-after-it-is-no-text"),
        pytest.param(b"\xef\xbb\xbf{}", (True, False, ()), id="byte-order-mark"),
        pytest.param(b"{} {}", (False, True, ()), id="another-object"),
        pytest.param(b'{"a": 1, "b": 2, "a": 1}', (False, False, ("a",)), id="twice"),
        pytest.param(b'{"x": {"a": 1, "a": 1}}', (False, False, ("a",)), id="twice-inside"),
        pytest.param(
            b'{"x": [{"b": {"a": 1, "a": 1}}], "x": {}, "x": 1}',
            (False, False, ("x", "a")),
            id="twice-in-many-places",
        ),
        pytest.param(b'{"a": {"b": 1}, "c": {"b": 1}}', (False, False, ()), id="in-two-objects"),
    ],
)
def test_tells_what_engines_do_not_agree_on(content, found):
    document = loads(content)
    assert (document.bom, document.trailing, document.duplicates) == found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "line 1 column 1: expected an object", id="nothing"),
        pytest.param(b" \n ", "line 2 column 2: expected an object", id="space"),
        pytest.param(b"[]", "line 1 column 1: expected an object", id="a-list"),
        pytest.param(b"{", "line 1 column 2: expected a key in double quotes", id="cut-off"),
        pytest.param(b'{"a": 1,}', "line 1 column 9: expected a key in double", id="last-comma"),
        pytest.param(b"{a: 1}", "line 1 column 2: expected a key in double quotes", id="bare-key"),
        pytest.param(b'{"a" 1}', "line 1 column 6: expected ':' after the key", id="no-colon"),
        pytest.param(b'{"a": 1 "b": 2}', "line 1 column 9: expected ',' or '}'", id="no-comma"),
        pytest.param(b'{"a":\n  tru}', "line 2 column 3: Expecting value", id="no-value"),
        pytest.param(b'{\n  // why\n  "a": 1}', "line 2 column 3: expected a key", id="comment"),
        pytest.param(b'{"a": "x\ny"}', "line 1 column 9: Invalid control character", id="newline"),
        pytest.param(b'{"a": "\\x"}', "line 1 column 8: Invalid \\escape", id="escape"),
        pytest.param(b'{"a": "x', "line 1 column 7: Unterminated string", id="open-string"),
        pytest.param(b'{"a": 1,\n "b": NaN}', "line 2 column 7: NaN is no JSON", id="nan"),
        pytest.param(b'{"a": [\n-Infinity]}', "line 1 column 7: -Infinity is no JSON", id="inf"),
        pytest.param(b'{"a": 1e999}', "line 1 column 7: 1e999 is out of range", id="huge-float"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", "line 1 column 7: ", id="huge-integer"),
        pytest.param(b'{"a": "\\ud800"}', "half a character in a string", id="half-a-surrogate"),
        pytest.param(b'{"a": {"\\uDFFF": 1}}', "half a character in a", id="half-in-a-key"),
        pytest.param(b'{"a": "\xff"}', "not UTF-8 at byte 7", id="latin-1"),
        pytest.param("{}".encode("utf-16"), "not UTF-8 at byte 0", id="utf-16"),
        pytest.param(b'{"a": ' + b"[" * 100_000, "nested too deeply", id="deep"),
        pytest.param(b"\xef\xbb\xbf\xef\xbb\xbf{}", "line 1 column 1: expected an", id="two-marks"),
    ],
)
def test_malformed(content, message):
    with pytest.raises(Malformed) as error:
        loads(content)
    assert str(error.value).startswith(message)


def test_no_depth_is_an_error_of_another_kind():
    """Python gives up somewhere; before that it is told as Malformed."""
    for depth in range(DEEPEST - 3, 1500):
        content = b'{"a": ' + b'{"b": ' * depth + b"1" + b"}" * depth + b"}"
        if depth < DEEPEST:
            assert json.dumps(dict(loads(content).settings), indent=2)
        else:
            with pytest.raises(Malformed, match="nested too deeply"):
                loads(content)


@pytest.mark.parametrize(("opens", "closes"), [(b"[", b"]"), (b'{"b":', b"}")])
def test_how_deep_is_too_deep(opens, closes):
    """Counted from bracket to bracket, beside many that are closed again."""

    def nested(depth: int) -> bytes:
        value = opens * depth + b"1" + closes * depth
        return b'{"beside": [' + b"[{}]," * 200 + b'1], "a": ' + value + b"}"

    assert len(loads(nested(DEEPEST - 1)).members) == 2
    with pytest.raises(Malformed, match="nested too deeply"):
        loads(nested(DEEPEST))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"a": [' + b"[]," * 300 + b"1]}", id="side-by-side"),
        pytest.param(b'{"a": "' + b"[{" * 300 + b'"}', id="in-a-string"),
        pytest.param(b'{"a": "\\"' + b"[{" * 300 + b'"}', id="after-a-quoted-quote"),
    ],
)
def test_brackets_that_are_not_inside_each_other(content):
    assert len(loads(content).members) == 1


def test_many_members_take_no_ages():
    """A hostile host may answer with any JSON: 50,000 names were minutes when each was counted."""
    names = ",".join(f'"{n}": 1' for n in range(50_000))
    started = time.monotonic()
    document = loads(f'{{{names}, "x": {{{names}}}}}'.encode())
    assert document.duplicates == ()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("content", "blank"),
    [
        pytest.param(b"", False, id="no-file"),
        pytest.param(b" \n", True, id="space"),
        pytest.param(b"\xef\xbb\xbf", True, id="mark-alone"),
    ],
)
def test_a_blank_file_is_an_empty_object_where_it_may_be(content, blank):
    document = loads(content, empty_ok=True)
    assert (dict(document.settings), document.blank) == ({}, blank)
    assert merge(document, {"a": 1}) == b'{\n  "a": 1\n}\n'


# Changing ----------------------------------------------------------------------------------------

OPERATORS = (
    b"{\n"
    b'\t"runtimes": {"nvidia": {"path": "x", "runtimeArgs": []}},\n'
    b'\t"dns" : [ "10.0.0.1",   "10.0.0.2" ],\n'
    b"\n"
    b'\t"icc":true,\n'
    b'\t"log-opts": {\n'
    b'\t\t"max-size": "10m"\n'
    b"\t}\n"
    b"}"
)


@pytest.mark.parametrize(
    ("content", "wanted", "drop", "expected"),
    [
        pytest.param(b'{"a": 1}', {"a": 2}, (), b'{"a": 2}', id="replace-the-only-one"),
        pytest.param(b'{"a": 1}', {"a": 1}, (), b'{"a": 1}', id="same-value"),
        pytest.param(b'{"a":1,"b":2,"c":3}', {"a": 9}, (), b'{"a":9,"b":2,"c":3}', id="first"),
        pytest.param(b'{"a":1,"b":2,"c":3}', {"b": 9}, (), b'{"a":1,"b":9,"c":3}', id="middle"),
        pytest.param(b'{"a":1,"b":2,"c":3}', {"c": 9}, (), b'{"a":1,"b":2,"c":9}', id="last"),
        pytest.param(
            b'{"a": 1, "b": 2}', {"b": 8, "a": 9}, (), b'{"a": 9, "b": 8}', id="order-of-the-file"
        ),
        pytest.param(b'{"a": 1}', {"a": True}, (), b'{"a": true}', id="one-is-not-true"),
        pytest.param(b'{"a": 0}', {"a": False}, (), b'{"a": false}', id="nought-is-not-false"),
        pytest.param(
            b'{"a": {"b": 1}}',
            {"a": {"b": True}},
            (),
            b'{"a": {\n    "b": true\n  }}',
            id="one-is-not-true-inside",
        ),
        pytest.param(b'{"a": 1, "a": 2}', {"a": 3}, (), b'{"a": 3, "a": 3}', id="both-of-two"),
        pytest.param(b"{}", {"a": 1}, (), b'{\n  "a": 1\n}\n', id="add-to-none"),
        pytest.param(b"{ }\n\n", {"a": 1}, (), b'{\n  "a": 1\n}\n\n', id="add-to-none-with-space"),
        pytest.param(
            b'{"a": 1}\n', {"b": 2, "c": "é"}, (), b'{"a": 1,\n  "b": 2,\n  "c": "\xc3\xa9"\n}\n',
            id="add-to-one-line",
        ),
        pytest.param(
            b'{\n    "a": 1\n}\n',
            {"b": {"x": []}},
            (),
            b'{\n    "a": 1,\n    "b": {\n        "x": []\n    }\n}\n',
            id="add-with-its-indent",
        ),
        pytest.param(
            b'{\r\n\t"a": 1\r\n}\r\n',
            {"b": {"x": 1}},
            (),
            b'{\r\n\t"a": 1,\r\n\t"b": {\r\n\t\t"x": 1\r\n\t}\r\n}\r\n',
            id="add-with-crlf-and-tabs",
        ),
        pytest.param(b'{"a": 1}', {}, ("a",), b"{}", id="drop-the-only-one"),
        pytest.param(b'{"a": 1, "b": 2}', {}, ("a",), b'{"b": 2}', id="drop-the-first"),
        pytest.param(b'{"a":1,"b":2,"c":3}', {}, ("b",), b'{"a":1,"c":3}', id="drop-the-middle"),
        pytest.param(b'{"a": 1, "b": 2 }', {}, ("b",), b'{"a": 1 }', id="drop-the-last"),
        pytest.param(b'{"a":1,"b":2,"c":3}', {}, ("b", "c"), b'{"a":1}', id="drop-the-last-two"),
        pytest.param(b'{"a":1,"b":2,"c":3}', {}, ("a", "c"), b'{"b":2}', id="drop-the-outer-two"),
        pytest.param(b'{"a":1,"b":2}', {}, ("b", "a"), b"{}", id="drop-all"),
        pytest.param(b'{"a": 1, "a": 2}', {}, ("a",), b"{}", id="drop-both-of-two"),
        pytest.param(b'{"a": 1}', {}, ("x",), b'{"a": 1}', id="drop-what-is-not-there"),
        pytest.param(
            b'{\n  "a": 1,\n  "b": 2\n}\n', {}, ("b",), b'{\n  "a": 1\n}\n', id="drop-a-line"
        ),
        pytest.param(
            b'{\n  "a": 1\n}\n', {"b": 2}, ("a",), b'{\n  "b": 2\n}\n', id="drop-one-add-one"
        ),
        pytest.param(b"\xef\xbb\xbf{}", {}, (), b"{}", id="the-mark-goes"),
        pytest.param(
            b'{"a": "} , {"}', {"a": 1}, (), b'{"a": 1}', id="braces-in-a-string"
        ),
        pytest.param(
            OPERATORS,
            {"icc": False, "live-restore": True},
            (),
            OPERATORS.replace(b'"icc":true', b'"icc":false')[:-2]
            + b',\n\t"live-restore": true\n}\n',
            id="an-operators-file",
        ),
        pytest.param(
            OPERATORS,
            {},
            ("icc",),
            OPERATORS.replace(b'"icc":true,\n\t', b""),
            id="drop-from-an-operators-file",
        ),
        pytest.param(
            OPERATORS, {"icc": False}, (), OPERATORS.replace(b":true", b":false"), id="no-newline"
        ),
    ],
)  # fmt: skip
def test_merge(content, wanted, drop, expected):
    assert merge(loads(content), wanted, drop) == expected


# Properties --------------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.one_of(st.sampled_from(["icc", "dns", "a", "b"]), st.text(max_size=5))
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5)


def spelled(value: Any, chance: random.Random) -> str:
    """``value`` as JSON text with white space wherever JSON lets it be."""

    def space() -> str:
        return chance.choice(["", "", " ", "\n", "\t", "\r\n", "  \n  "])

    def glued(parts: list[str], opens: str, closes: str) -> str:
        inner = f"{space()},{space()}".join(parts)
        return f"{opens}{space()}{inner}{space()}{closes}"

    if isinstance(value, dict):
        pairs = [
            f"{json.dumps(key, ensure_ascii=chance.random() < 0.5)}{space()}:{space()}"
            f"{spelled(found, chance)}"
            for key, found in value.items()
        ]
        return glued(pairs, "{", "}")
    if isinstance(value, list):
        return glued([spelled(found, chance) for found in value], "[", "]")
    return json.dumps(value, ensure_ascii=chance.random() < 0.5)


@QUICK
@given(OBJECTS, OBJECTS, st.sets(NAMES, max_size=2), st.randoms(use_true_random=False))
def test_any_object_can_be_merged_into(before, wanted, drop, chance):
    """The values are the merged ones, a second merge changes no byte, and every member that was not
    named stands as it stood, in its order."""
    text = chance.choice(["", "\n"]) + spelled(before, chance) + chance.choice(["", "\n"])
    drop = drop - wanted.keys()
    document = loads(text.encode())
    merged = merge(document, wanted, sorted(drop))

    expected = {key: value for key, value in {**before, **wanted}.items() if key not in drop}
    assert same(dict(loads(merged).settings), expected)
    assert merge(loads(merged), wanted, sorted(drop)) == merged
    at = 0
    for member in document.members:
        untouched = member.key not in drop and same(
            wanted.get(member.key, member.value), member.value
        )
        if untouched:
            kept = document.text[member.start : member.end].encode()
            assert kept in merged[at:]
            at = merged.index(kept, at) + len(kept)


def outcome(read: Any, content: Any) -> Any:
    """What a reader makes of a text: its value, or what it complains of."""
    try:
        return read(content)
    except Malformed as error:
        return str(error)


@QUICK
@given(
    OBJECTS.map(json.dumps) | st.text(alphabet='{}[]",:\\ub10eE+-.ntf \n', max_size=30),
    st.sampled_from(["", " ", " x", "{}"]),
)
def test_plain_is_as_strict_as_loads(text, tail):
    """Host output goes through ``plain``, which takes no text behind the object."""
    content = text + tail
    quick = outcome(plain, content)
    whole = outcome(loads, content.encode())
    if isinstance(whole, str):
        assert isinstance(quick, str)
    elif whole.trailing:
        assert quick == "text after the object"
    else:
        assert same(quick, dict(whole.settings))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param('{"a": NaN}', id="nan"),
        pytest.param('{"a": 1e999}', id="huge-float"),
        pytest.param('{"a": ' + "9" * 5000 + "}", id="huge-integer"),
        pytest.param('{"a": "\\ud800"}', id="half-a-surrogate"),
        pytest.param('{"a": ' + "[" * 101, id="deep"),
        pytest.param("[]", id="list"),
        pytest.param("", id="nothing"),
    ],
)
def test_plain_refuses(content):
    with pytest.raises(Malformed):
        plain(content)


@QUICK
@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:\\ub10eE+-.ntf \n', max_size=40))
def test_any_bytes_are_read_or_malformed(content):
    """Nothing but Malformed comes out; what is read is what Python's own parser reads."""
    data = content.encode() if isinstance(content, str) else content
    try:
        document = loads(data)
    except Malformed:
        return
    if not document.trailing:
        assert same(dict(document.settings), json.loads(data.decode("utf-8-sig")))
