"""Images: their names as Docker reads them, what the probe says of them, when distributions end."""

import datetime
import json
from types import SimpleNamespace

import pytest

from oakum import deploy, probe
from oakum.controls.image_names import Name, Used, enumerated, parse_name, short
from oakum.engine.distributions import last_day
from oakum.facts import Read, Unread
from oakum.parse_images import content_trust, images, releases, setuid_files
from oakum.parts import Image, SetuidFiles
from oakum.policy import PolicyError
from oakum.reading import Source
from oakum.wire import Raw

ID = "sha256:" + "0123456789abcdef" * 4
DIGEST = f"sha256:{'ab' * 32}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("nginx", Name("docker.io/library/nginx"), id="one-word"),
        pytest.param("nginx:1.27", Name("docker.io/library/nginx", "1.27"), id="tag"),
        pytest.param("acme/app", Name("docker.io/acme/app"), id="two-words"),
        pytest.param("a/b/c:1", Name("docker.io/a/b/c", "1"), id="three-words"),
        pytest.param("docker.io/nginx:1", Name("docker.io/library/nginx", "1"), id="hub"),
        pytest.param("index.docker.io/nginx", Name("docker.io/library/nginx"), id="its-old-name"),
        pytest.param("reg:5000/x", Name("reg:5000/x"), id="port-and-no-tag"),
        pytest.param("reg:5000/x/y:2", Name("reg:5000/x/y", "2"), id="port-and-tag"),
        pytest.param("ghcr.io/x", Name("ghcr.io/x"), id="dot"),
        pytest.param("localhost/x:1", Name("localhost/x", "1"), id="localhost"),
        pytest.param("Reg/x", Name("Reg/x"), id="capitals-are-no-user"),
        pytest.param(f"nginx@{DIGEST}", Name("docker.io/library/nginx", None, DIGEST), id="digest"),
        pytest.param(
            f"reg:5000/x:1@{DIGEST}", Name("reg:5000/x", "1", DIGEST), id="tag-and-digest"
        ),
    ],
)
def test_names(text, name):
    assert parse_name(text) == name


@pytest.mark.parametrize(
    ("text", "by_id"),
    [
        pytest.param(ID, True, id="whole"),
        pytest.param("f" * 64, True, id="whole-of-what-was-not-read"),
        pytest.param("0123456789ab", True, id="short"),
        pytest.param("sha256:0123", True, id="shorter"),
        pytest.param("012", False, id="too-short"),
        pytest.param("cafe", False, id="a-name-of-hexadecimal-digits"),
        pytest.param("nginx", False, id="a-name"),
        pytest.param("", True, id="no-name"),
    ],
)
def test_named_by_its_id(text, by_id):
    assert Used(text, ID, None, ("web",)).by_id is by_id


def test_short_words():
    assert short(f"nginx@{DIGEST}") == "nginx@sha256:abababababab"
    assert short(ID) == "sha256:0123456789ab"
    assert short("nginx:1.27") == "nginx:1.27"
    assert enumerated(("a", "b", "c")) == "a, b, c"
    assert enumerated(("a", "b", "c", "d", "e")) == "a, b, c and 2 more"


@pytest.mark.parametrize(
    ("release", "day"),
    [
        pytest.param("debian 12", datetime.date(2028, 6, 30), id="debian"),
        pytest.param("ubuntu 22.04", datetime.date(2027, 4, 1), id="ubuntu"),
        pytest.param("alpine 3.18.4", datetime.date(2025, 5, 9), id="point-release"),
        pytest.param("rhel 8.10", datetime.date(2029, 5, 31), id="minor-release"),
        pytest.param("sles 15.5", datetime.date(2024, 12, 31), id="service-pack"),
        pytest.param("sles 15.9", None, id="a-service-pack-to-come"),
        pytest.param("ubuntu 99.04", None, id="to-come"),
        pytest.param("arch ", None, id="rolling"),
        pytest.param("debian ", None, id="no-version"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_the_last_day_of_a_release(release, day):
    assert last_day(release) == day


def rows(name, *lines):
    return Source({name: Raw(lines=lines)})


def said(**known):
    return json.dumps({"id": ID, "size": 5, **known})


def test_images():
    row = said(
        created="2026-01-31T12:00:00.123456789Z",
        tags=["nginx:1"],
        digests=["<none>@<none>"],
        layers=3,
        user="1000",
        health=True,
        platform="linux/arm64",
        driver="overlay2",
    )
    made = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)
    found = images(rows("images.list", row, said(tags=None, digests=None, driver="")))
    known = Image(
        id=ID,
        tags=("nginx:1",),
        created=made,
        size=5,
        layers=3,
        user="1000",
        health=True,
        platform="linux/arm64",
    )
    assert found == Read((known, Image(id=ID, size=5, platform="", driver="")))


@pytest.mark.parametrize("date", [None, "", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"])
def test_dates_that_are_none(date):
    assert images(rows("images.list", said(created=date))).value[0].created is None


@pytest.mark.parametrize(
    "row",
    [
        pytest.param("{}", id="empty"),
        pytest.param('{"id":"x","size":1}', id="no-id"),
        pytest.param(said(size=None), id="no-size"),
        pytest.param(said(created="yesterday"), id="no-date"),
        pytest.param(said(tags=7), id="no-tags"),
        pytest.param("[]", id="no-object"),
    ],
)
def test_what_is_no_image(row):
    assert isinstance(images(rows("images.list", row)), Unread)


def test_what_lies_in_them():
    found = releases(rows("images.releases", f"{ID} debian 12", f"{DIGEST} arch "))
    assert found == Read({ID: "debian 12", DIGEST: "arch"})
    found = setuid_files(rows("images.setuid", f"{ID} 2 /bin/su /bin/mount", f"{DIGEST} 0"))
    assert found == Read({ID: SetuidFiles(2, ("/bin/su", "/bin/mount")), DIGEST: SetuidFiles(0)})
    assert isinstance(setuid_files(rows("images.setuid", f"{ID} many")), Unread)


def test_content_trust():
    source = rows("client.trust", "/etc/a b '1'", "/etc/environment server", "/x ")
    found = (("/etc/a b", "1"), ("/etc/environment", "server"), ("/x", ""))
    assert content_trust(source) == Read(found)
    absent = Source({"engine.cli": Raw(text="absent"), **source.raw})
    assert content_trust(absent) == Read(())


@pytest.mark.parametrize("wanted", [False, True])
def test_the_wish_for_setuid_files_reaches_the_host(host, policy, monkeypatch, wanted):
    """The policy asks for them, and the script is told so in front of it."""
    sent = []

    def ask(_, text, understand):
        sent.append(text)
        return host()

    monkeypatch.setattr(probe, "ask", ask)
    deploy.HARDEN.look(SimpleNamespace(connector=None), policy(image_setuid=wanted))
    (text,) = sent
    assert text.startswith("OAKUM_PROBE_SETUID=yes\n#!/bin/sh\n" if wanted else "#!/bin/sh\n")


@pytest.mark.parametrize("place", ["https://x", "x/", "", "X/y", "docker.io/library/nginx:1"])
def test_a_registry_that_is_none(policy, place):
    with pytest.raises(PolicyError, match=r"oakum_registries\.0"):
        policy(registries=[place])
