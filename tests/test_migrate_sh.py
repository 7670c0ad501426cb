"""What the script of a migration works out for itself, in every shell that hosts have."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from oakum.survey import Held, Survey, survey
from oakum.wire import BadProbe

FILE = Path(__file__).parent.parent / "oakum" / "host" / "migrate.sh"
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
AVAILABLE = [name for name in SHELLS if name != "busybox" or shutil.which(name)]
RANGES = "100000:1000 300000:65536"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users")


@pytest.fixture(params=AVAILABLE)
def shell(request: pytest.FixtureRequest) -> list[str]:
    return SHELLS[request.param]


def said(shell: list[str], words: str, folder: Path, **known: str) -> str:
    """What a call prints where the script's functions are known and its folder is ``folder``."""
    text = re.sub(r"\ncase \$verb in\n.*", "\n", FILE.read_text("utf-8"), flags=re.DOTALL)
    given = "".join(f"{name}='{value}'\n" for name, value in known.items())
    done = subprocess.run(
        [*shell, "-c", f"set -- none x\n{text}\ndir='{folder}'\n{given}{words}\n"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("number", "shifted"),
    [(0, "100000"), (999, "100999"), (1000, "300000"), (66535, "365535"), (66536, "")],
)
def test_ids_are_shifted_into_the_ranges(
    shell: list[str], tmp_path: Path, number: int, shifted: str
) -> None:
    assert said(shell, f"shifted {number} '{RANGES}'", tmp_path).strip() == shifted
    assert said(shell, f"ids '{RANGES}'", tmp_path) == "66536\n"


@pytest.mark.parametrize("text", ["a=b", "two words='\"$(reboot)`\\", "line\nend\n", "ünïcode %s"])
def test_labels_come_back_from_hex(shell: list[str], tmp_path: Path, text: str) -> None:
    assert said(shell, f"unhex {text.encode().hex()}", tmp_path) == f"{text}."


def test_images_are_listed_by_name_or_else_by_id(shell: list[str], tmp_path: Path) -> None:
    listed = "sha256:1 a:1\nsha256:1 b:5000/x:2\nsha256:2 <none>:<none>\nsha256:1 a:<none>\n"
    (tmp_path / "told").write_text(listed)
    words = f"client() {{ cat {tmp_path}/told; }}\nlist_images"
    assert said(shell, words, tmp_path) == "sha256:1 a:1\nsha256:1 b:5000/x:2\nsha256:2 -\n"


def test_an_archive_without_an_image_is_found(shell: list[str], tmp_path: Path) -> None:
    one, two = "a" * 64, "b" * 64
    (tmp_path / "manifest.json").write_text(f'[{{"Config":"{one}.json"}}]')
    archive = tmp_path / "images.tar"
    subprocess.run(["tar", "-C", tmp_path, "-cf", archive, "manifest.json"], check=True)
    (tmp_path / "images").write_text(f"sha256:{one} a:1\n")
    words = 'whole_archive && echo whole || cat "$dir/said"'
    assert said(shell, words, tmp_path, archive=str(archive)) == "whole\n"
    (tmp_path / "images").write_text(f"sha256:{one} a:1\nsha256:{two} -\n")
    assert said(shell, words, tmp_path, archive=str(archive)) == f"the archive lacks sha256:{two}\n"
    archive.write_bytes(archive.read_bytes()[:700])
    assert "whole" not in said(shell, words, tmp_path, archive=str(archive))


@AS_ROOT
def test_a_copy_is_like_the_original_and_a_wrong_one_is_not(
    shell: list[str], tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "sub").mkdir(parents=True)
    (old / "tool").write_bytes(b"x")
    os.chown(old / "tool", 33, 999)
    (old / "tool").chmod(0o6755)
    (old / "sub" / "hard").hardlink_to(old / "tool")
    (old / "link").symlink_to("/etc/passwd")
    os.chown(old / "link", 7, 8, follow_symlinks=False)
    (old / "line\nend  x").touch()
    os.utime(old / "sub", (10**9, 10**9))
    known = {"users": RANGES, "groups": RANGES}
    before = Path("/etc/passwd").stat()
    assert said(shell, f"copy '{old}' '{new}'", tmp_path, **known) == ""
    assert Path("/etc/passwd").stat() == before

    tool, link = (new / "tool").stat(), (new / "link").lstat()
    assert (tool.st_uid, tool.st_gid, tool.st_mode & 0o7777) == (100033, 100999, 0o6755)
    assert (link.st_uid, link.st_gid) == (100007, 100008)
    assert (new / "sub" / "hard").stat().st_ino == tool.st_ino
    assert (new / "sub").stat().st_mtime == 10**9

    def same() -> bool:
        words = f"tree '{old}' '{RANGES}' '{RANGES}'; tree '{new}' '' ''"
        first, second = said(shell, words, tmp_path).splitlines()
        return first == second

    assert same()
    (new / "tool").chmod(0o755)
    assert not same()
    (new / "tool").chmod(0o6755)
    assert same()
    os.chown(new / "link", 100007, 8, follow_symlinks=False)
    assert not same()


def test_backups_may_have_hard_links_of_their_own(shell: list[str], tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        for name in "abc":
            (folder / name).write_text("same")
    (tmp_path / "backup").hardlink_to(old / "c")

    def same() -> bool:
        for path in (*old.iterdir(), *new.iterdir(), old, new):
            os.utime(path, (10**9, 10**9))
        first, second = said(shell, f"tree '{old}' '' ''; tree '{new}' '' ''", tmp_path).split(
            "\n"
        )[:2]
        return first == second

    assert same()
    (old / "b").unlink()
    (old / "b").hardlink_to(old / "a")
    assert not same(), "two of the original are one file"
    (new / "c").unlink()
    (new / "c").hardlink_to(new / "a")
    assert not same(), "and others of the copy"
    (new / "c").unlink()
    (new / "c").write_text("same")
    (new / "b").unlink()
    (new / "b").hardlink_to(new / "a")
    assert same()


def recorded(folder: Path, kind: str, name: str, *lines: tuple[str, str]) -> None:
    """A volume or network as it is written down: words as they are, texts in hex."""
    (folder / kind).mkdir(exist_ok=True)
    text = "".join(f"{word} {told.encode().hex()}\n" for word, told in lines)
    (folder / kind / name).write_text(text)


@pytest.mark.parametrize(
    ("options", "here"),
    [
        pytest.param([], True, id="none"),
        pytest.param(["size=10G"], True, id="a-quota"),
        pytest.param(["type=nfs", "o=addr=1.2.3.4"], False, id="nfs"),
        pytest.param(["device=/srv", "o=bind"], False, id="a-folder"),
    ],
)
def test_where_the_data_of_a_volume_is(
    shell: list[str], tmp_path: Path, options: list[str], here: bool
) -> None:
    recorded(tmp_path, "volumes", "one", *(("opt", option) for option in options))
    assert (said(shell, "has_data_here one && echo here", tmp_path) == "here\n") is here


@AS_ROOT
def test_an_owner_beyond_the_range_is_named(shell: list[str], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "x\n99999 99999 y").touch()
    (tmp_path / "volumes").mkdir()
    (tmp_path / "volumes" / "one").write_text(f"driver local\nat {data}\n")
    known = {"users": RANGES, "groups": "100000:50"}
    words = 'fail() { echo "$*"; }\nwithin_range'
    assert said(shell, words, tmp_path, **known) == ""
    os.chown(data / "x\n99999 99999 y", 0, 50)
    told = f"belongs to group 50, beyond the 50 of the range: find {data} -gid 50\n"
    assert said(shell, words, tmp_path, **known) == f"a file of the volume one {told}"

    # In a layer of an image as well, whatever the driver.
    former = tmp_path / "image" / "driver"
    for name, folder in {"a1": "driver/a1/diff", "b2": "driver/dir/b2"}.items():
        (former / "layerdb" / "sha256" / name).mkdir(parents=True)
        (former / "layerdb" / "sha256" / name / "cache-id").write_text(name)
        (tmp_path / folder).mkdir(parents=True)
        os.chown(tmp_path / folder, 70000 if name == "b2" else 0, 0)
    words = (
        'fail() { echo "$*"; }\n'
        "client() { [ \"$1\" = images ] && echo 1 || printf 'x:1 1 map[a1]\\ny:1 2 map[b2]\\n'; }\n"
        "layers_within_range"
    )
    assert said(shell, words, tmp_path, **known, former=str(former)) == (
        "a file of the image y:1 belongs to user 70000, beyond the 66536 of the range: "
        f"find {tmp_path}/driver/dir/b2 -uid 70000\n"
    )


def test_a_network_is_made_with_what_it_had(shell: list[str], tmp_path: Path) -> None:
    arguments = [
        *("--driver=bridge", "--subnet=10.1.0.0/16", "--gateway=10.1.0.1", "--ip-range="),
        *("--aux-address=router=10.1.0.9", "--subnet=fd00::/64", "--gateway=fd00::1/64"),
        *("--ip-range=invalid Prefix", "--gateway=invalid IP", "--label=two=1 = 2\n"),
    ]
    recorded(tmp_path, "networks", "f00", ("name", "-my net"), *(("a", one) for one in arguments))
    client = 'client() { [ "$2" != create ] || printf "%s|" "$@" >"$dir/call"; }\n'
    assert said(shell, f"{client}network=f00 make_network", tmp_path) == ""
    assert (tmp_path / "call").read_text() == (
        "network|create|--driver=bridge|--subnet=10.1.0.0/16|--gateway=10.1.0.1|"
        "--aux-address=router=10.1.0.9|--subnet=fd00::/64|--gateway=fd00::1|--label=two=1 = 2\n|"
        "--|-my net|"
    )
    (tmp_path / "call").unlink()
    there = 'client() { [ "$2" = ls ] && echo \'-my net\' || touch "$dir/call"; }\n'
    assert said(shell, f"{there}network=f00 make_network", tmp_path) == ""
    assert not (tmp_path / "call").exists(), "it is there already"


DOCKER = """
client() {
    case $1 in
        inspect) [ -e "$dir/running.$4" ] && echo true || echo false ;;
        version | info | images) ;;
    esac
}
within() { # start ID: what `needs.ID` names has to run
    needs=$(cat "$dir/needs.$3" 2>/dev/null)
    if [ -n "$needs" ] && [ ! -e "$dir/running.$needs" ]; then
        echo "no $needs" >&2
        return 1
    fi
    touch "$dir/running.$3"
}
nap() { :; }
step() { echo "step $*"; }
"""


def test_containers_that_need_each_other_start(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "ran").write_text("1 sidecar\n2 web\n3 broken\n4 db\n")
    (tmp_path / "needs.1").write_text("2")
    assert said(shell, f"{DOCKER}start_again && echo well", tmp_path) == (
        "step start 4 containers\nwell\n"
    )
    for mark in tmp_path.glob("running.*"):
        mark.unlink()
    (tmp_path / "ran").write_text("1 sidecar\n2 web\n3 broken\n4 db\n")
    (tmp_path / "needs.3").write_text("5")
    assert said(shell, f"{DOCKER}start_again || echo ill", tmp_path) == "ill\n"
    assert {mark.suffix for mark in tmp_path.glob("running.*")} == {".1", ".2", ".4"}
    assert "failed broken does not start: no 5" in (tmp_path / "journal").read_text()
    assert (tmp_path / "ran").exists()


def test_a_change_that_left_no_dockerd_is_no_success(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "state").write_text("saved\n")
    (tmp_path / "ran").write_text("1 web\n")
    words = (
        f"{DOCKER}await_docker() {{ return 1; }}\nswitch_outcome() {{ outcome=broken; }}\n"
        "is_switched() { return 1; }\nswitch; echo went on"
    )
    assert said(shell, words, tmp_path, transaction="x") == ""
    assert (tmp_path / "journal").read_text().endswith(" verdict broken\n")


@AS_ROOT
def test_one_migration_at_a_time(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "migrations" / "x" / "next").mkdir(parents=True)
    (tmp_path / "migrations" / "lock").write_text("y\n")
    words = (
        "dir=$STATE/migrations/x\nis_free() { return 1; }\nfollow() { echo follows; }\nlaunch 2>&1"
    )
    assert said(shell, words, tmp_path, STATE=str(tmp_path)) == (
        "refused: the migration y is on its way here; wait for its end\nverdict refused x\n"
    )
    assert not (tmp_path / "migrations" / "x").exists()
    said(shell, f"{words.partition('is_free')[0]}lock", tmp_path, STATE=str(tmp_path))
    assert (tmp_path / "migrations" / "lock").read_text() == "x\n"
    assert said(shell, words, tmp_path, STATE=str(tmp_path)) == "follows\n"


SAVES = """
list_images() { cat "$dir/now"; }
within() { # save -o ARCHIVE NAMES: an archive with an image of each id that is there
    [ ! -e "$dir/full" ] || { echo "no space left" >&2; return 1; }
    sed 's/ .*//; s/sha256:\\(.*\\)/{"Config":"\\1.json"}/' "$dir/now" >"$dir/manifest.json"
    tar -C "$dir" -cf "$4" manifest.json
}
step() { :; }
reached() { :; }
fail() { echo "failed: $*"; exit; }
id=x
"""


def test_an_archive_is_that_of_now_and_where_it_is_wanted(shell: list[str], tmp_path: Path) -> None:
    one, two = (tmp_path / name / "oakum-x" for name in ("one", "two"))
    (tmp_path / "now").write_text(f"sha256:{'a' * 64} a:1\n")
    assert said(shell, f"{SAVES}save", tmp_path, scratch=str(one)) == ""
    first = (one / "images.tar").stat().st_ino
    assert said(shell, f"{SAVES}save", tmp_path, scratch=str(one)) == ""
    assert (one / "images.tar").stat().st_ino == first, "it was there, and whole"

    assert said(shell, f"{SAVES}save", tmp_path, scratch=str(two)) == ""
    assert str(two) in (tmp_path / "archive.sha256").read_text()
    assert (two / "images.tar").exists()
    assert not one.exists()

    # Saved again, for a second name came, and there is no room: the former archive will not do.
    (tmp_path / "archive.sha256").unlink()
    (two / ".docker_temp_1").touch()
    (tmp_path / "now").write_text(f"sha256:{'a' * 64} a:1\nsha256:{'a' * 64} a:2\n")
    (tmp_path / "full").touch()
    full = said(shell, f"{SAVES}save", tmp_path, scratch=str(two))
    assert full == "failed: docker save: no space left\n"
    assert list(two.iterdir()) == []


def test_an_undo_is_not_held_up_by_an_image_that_somebody_removed(
    shell: list[str], tmp_path: Path
) -> None:
    (tmp_path / "images").write_text("sha256:1 a:1\nsha256:2 b:1\n")
    (tmp_path / "before").touch()
    words = (
        "list_images() { echo sha256:1 a:1; }\nfiles_now() { :; }\n"
        'fail() { echo failed; exit; }\nstep() { echo "$*"; }\ncompare_former'
    )
    assert said(shell, words, tmp_path) == (
        "verify an image is not there any more: sha256:2 b:1\nverify files are as before\n"
    )


def test_there_is_no_undo_to_data_that_was_removed(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "state").write_text("done\n")
    (tmp_path / "wanted").touch()
    (tmp_path / "former").write_text(str(tmp_path / "image" / "overlay2"))
    words = "lock() { :; }\nawait_docker() { :; }\nundo"
    assert said(shell, words, tmp_path) == ""
    journal = (tmp_path / "journal").read_text()
    assert "failed the former data was removed" in journal
    assert journal.endswith(" verdict unfinished\n")
    assert (tmp_path / "state").read_text() == "done\n"


def test_dockerd_may_understand_ranges_in_another_way(shell: list[str], tmp_path: Path) -> None:
    words = 'fail() { echo "$*"; }\nclient() { echo /mnt/docker/300000.100000; }\nexpected_root'
    known = {"users": RANGES, "target": "/var/lib/docker/100000.100000"}
    assert "was expected; undo this" in said(shell, words, tmp_path, **known)
    assert said(shell, words.replace("/300000", "/100000"), tmp_path, **known) == ""
    assert said(shell, words, tmp_path, users="") == ""


@pytest.mark.parametrize("name", ["migrate.sh", "survey.sh"])
def test_no_template_has_a_line_end_within_braces(name: str) -> None:
    """Debian 11's client, built with Go 1.15: "template: :1: unclosed action"."""
    for line in FILE.with_name(name).read_text("utf-8").splitlines():
        assert line.count("{{") == line.count("}}"), line


DOCKER_OF_SURVEYS = """\
#!/bin/sh
shift 2
case "$*" in
    "info "*) echo /var/lib/docker ;;
    "system df "*) printf 'Images 1.5GB\\nContainers 0B\\n' ;;
    "volume ls -q") printf '%s\\n' plain quota share odd; [ -e "$GONE" ] || echo gone ;;
    "volume inspect "*" gone") touch "$GONE"; exit 1 ;;
    "volume inspect "*" odd") [ ! -e "$ODD" ] || exit 1; printf 'odd\\tvendor/x\\t\\t\\n' ;;
    "volume inspect "*" plain") printf 'plain\\tlocal\\t%s\\t\\n' "$DATA" ;;
    "volume inspect "*" quota") printf 'quota\\tlocal\\t%s\\t"size"="10G",\\n' "$DATA" ;;
    "volume inspect "*" share") printf 'share\\tlocal\\t/x\\t"device"="/srv",\\n' ;;
    "ps "*) echo 1 ;;
    "inspect "*) printf '/web\\trunning\\tfalse\\t-\\tmy net\\t-\\tfalse\\ttask\\n' ;;
    "network ls "*) printf '%s\\t%s\\tlocal\\n' bridge bridge 'my net' bridge host host ;;
esac
"""


def test_a_survey_leaves_nothing_out(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_bytes(b"x" * 100_000)
    (tmp_path / "linked").symlink_to("data")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").write_text(DOCKER_OF_SURVEYS)
    (tmp_path / "bin" / "docker").chmod(0o755)
    text = FILE.with_name("survey.sh").read_text("utf-8")

    def surveyed() -> Survey:
        done = subprocess.run(
            [*shell, "-c", f"{text}\nsurvey /tmp -\n"],
            capture_output=True,
            text=True,
            timeout=60,
            env={
                "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
                "DATA": str(tmp_path / "linked"),
                **{name: str(tmp_path / name.lower()) for name in ("GONE", "ODD")},
            },
        )
        return survey(done.stdout.splitlines())

    found = surveyed()
    assert found.layers == 1_500_000_000
    assert [(one.name, one.options) for one in found.volumes] == [
        ("plain", ""),
        ("quota", ""),
        ("share", '"device"="/srv",'),
        ("odd", ""),
    ]
    assert all((one.kilobytes or 0) >= 100 for one in found.volumes[:2]), "behind a link, too"
    assert [one.kilobytes for one in found.volumes[2:]] == [None, None]
    assert found.networks == (("my net", "bridge", "local"),)
    assert found.containers == (Held("web", "running", False, False, task=True),)
    (tmp_path / "odd").touch()
    with pytest.raises(BadProbe, match="odd cannot be inspected"):
        surveyed()
