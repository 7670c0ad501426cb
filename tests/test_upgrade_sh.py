"""What package managers are told in an upgrade, by ``oakum/host/upgrade.sh`` in every shell.

@fake: the managers write down what they are told, and say what their manuals say that they say.
That apt does it is seen on real hosts (tests/lab/test_upgrade.py). Of the others, dnf 4.14 and
zypper 1.14 of Debian were seen by hand to do it, there and back, with packages made for that.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from sandbox import HOST, SHELLS

STUB = """#!/bin/sh
printf '%%s\n' "${0##*/} $*" >>"$WORLD/calls"
case "${0##*/} $*" in
%s
esac
exit 0
"""

HARNESS = """
set -u
export LC_ALL=C
dir=$WORLD/txn RUN=$WORLD/run containers=may-stop answer=60
RC_POLICY=$WORLD/policy-rc.d wanted=%(wanted)s install=60
manager=%(manager)s release=%(release)s names='%(names)s' hold_version=no
printable() { printf '%%s' "$*"; }
step() { echo "step $*"; }
without() { echo "without $*"; }
centiseconds() { echo 0; }
point() { :; }
systemd() { [ -d "$WORLD/systemd" ]; }
client() { docker "$@"; }
within() { shift; docker "$@"; }
await() { shift; "$@"; }
running() { docker ps; }
journal() { echo "journal $*"; }
dockerd_pid() { echo 1; }
each_file() { path=/etc/docker/daemon.json; "$@"; }
. %(host)s/packages.sh
. %(host)s/upgrade.sh
APK=$WORLD/apk
"""

DNF = """
*SHA256HEADER*) echo d1 ;;
"rpm -q --qf"*) case $* in
    *containerd.io) echo 1.7.27-3.1.el9 ;;
    *docker-ce*) cat "$WORLD/version" ;;
    esac ;;
"rpm -q docker-ce-rootless-extras") exit 1 ;;
*list*available*docker-ce) echo 'docker-ce.x86_64  3:26.1.3-1.el9  docker-ce-stable'
    echo 'docker-ce.x86_64  3:28.5.1-1.el9  docker-ce-stable'
    echo 'docker-ce.x86_64  3:28.5.0-1.el9  docker-ce-stable' ;;
*list*available*docker-ce-cli) echo 'docker-ce-cli.x86_64  1:28.5.1-1.el9  docker-ce-stable' ;;
*list*available*containerd.io) echo 'containerd.io.x86_64  1.7.28-1.el9  docker-ce-stable' ;;
*versionlock\\ list) echo 'docker-ce-3:26.1.3-1.el9.*' ;;
"dnf -y download --destdir"*)
    to=$4; shift 4; for one; do : >"$to/$one.rpm"; done ;;
"dnf -y install"*) echo 28.5.1-1.el9 >"$WORLD/version" ;;
*downgrade*) echo 26.1.3-1.el9 >"$WORLD/version" ;;
"""

ZYPPER = """
*SHA256HEADER*) echo d1 ;;
"rpm -q --qf"*) cat "$WORLD/version" ;;
*search*) echo 'S | Name   | Type    | Version              | Arch   | Repository'
    echo 'v | docker | package | 28.3.3_ce-150000.1 | x86_64 | Update Repo'
    echo 'i | docker | package | 24.0.7_ce-150000.1 | x86_64 | Main' ;;
*locks) echo '1 | docker | package | (any) |' ;;
*kept*install*) mkdir -p "$3/Main"; : >"$3/Main/docker-24.0.7_ce-150000.1.x86_64.rpm" ;;
*incoming\\ install\\ docker=*) echo 28.3.3_ce-150000.1 >"$WORLD/version" ;;
*--oldpackage*--force*/*docker-24*) echo 24.0.7_ce-150000.1 >"$WORLD/version" ;;
"""

APK = """
"apk info -e -v"*) echo "$4-$(cat "$WORLD/version")" ;;
"apk info -e docker-cli") ;;
"apk info -e docker") exit 1 ;;
"apk policy"*) echo "$2 policy:"; echo '  26.1.5-r0:'; echo '    lib/apk/db/installed'
    echo '  28.3.3-r1:'; echo '    https://mirror.example/community' ;;
"apk --wait 300 fetch --output "*=*) echo "ERROR: $6: unable to select package"; exit 1 ;;
"apk --wait 300 fetch --output "*incoming*) : >"$5/$6-28.3.3-r1.apk" ;;
"apk --wait 300 fetch --output "*) : >"$5/$6-$(cat "$WORLD/fetched").apk" ;;
"apk --wait 300 add docker"*) echo 28.3.3-r1 >"$WORLD/version"
    printf '%s\\n' docker-engine=28.3.3-r1 docker-cli=28.3.3-r1 openssh >"$WORLD/apk/world" ;;
"apk --wait 300 --no-network add /"*) echo 26.1.5-r0 >"$WORLD/version"
    printf '%s\\n' 'docker-engine><Q1=' 'docker-cli><Q1=' openssh >"$WORLD/apk/world" ;;
"apk verify"*) exit 1 ;;
"""


APT = """
"dpkg-query -W -f "*Version*) case $4 in
    docker-ce) echo 5:28.5.1-1 ;;
    docker-ce-cli) echo 5:28.5.2-1 ;;
    containerd.io) echo 2.1.5-1 ;;
    libc6:i386) echo 2.36-9 ;;
    libc6) echo 2.36-9; echo 2.36-9 ;;
    esac ;;
"dpkg-query -W -f "*Status*) case $4 in
    docker-ce | docker-ce-cli | containerd.io | libc6*) echo 'ii ' ;;
    *) exit 1 ;;
    esac ;;
"apt-cache madison docker-cli") echo 'docker-cli | 29.0.1-1 | http://deb/debian sid/main Sources' ;;
"apt-cache madison docker-ce"*) echo "$2 | 5:29.0.1-1 | http://docker b/stable amd64 Packages"
    echo "$2 | 5:28.5.1-1 | http://docker b/stable amd64 Packages" ;;
"apt-cache madison "*.io) echo "$2 | 1.7.28-1 | http://docker b/stable amd64 Packages" ;;
*" -s "*install*) echo 'Inst docker-ce [5:28.5.1-1] (5:29.0.1-1 Docker CE [amd64])'
    echo 'Inst libc6:i386 [2.36-9] (2.36-10 Debian:12 [i386])' ;;
*" download libc6:i386=2.36-9") : >libc6_2.36-9_i386.deb ;;
*" download docker-ce=5:28.5.1-1") : >docker-ce_5%3a28.5.1-1_amd64.deb ;;
"""


@dataclass
class Managed:
    """A host with a make-believe package manager."""

    root: Path
    manager: str
    names: str
    release: str
    shell: str = "dash"

    def say(self, version: str, answers: str, *tools: str) -> None:
        (self.root / "txn").mkdir()
        (self.root / "bin").mkdir()
        (self.root / "systemd").mkdir()
        (self.root / "version").write_text(f"{version}\n")
        (self.root / "fetched").write_text(f"{version}\n")
        (self.root / "apk").mkdir()
        (self.root / "apk" / "world").write_text("docker-cli~26\nopenssh\n")
        for name in (*tools, "systemctl", "dockerd", "docker", "invoke-rc.d"):
            (self.root / "bin" / name).write_text(STUB % answers.strip("\n"))
            (self.root / "bin" / name).chmod(0o755)

    def run(self, text: str, wanted: str = "available") -> tuple[list[str], list[str]]:
        """What was printed, and what the tools were told."""
        known = {"manager": self.manager, "release": self.release, "names": self.names}
        head = HARNESS % {**known, "host": HOST, "wanted": wanted}
        (self.root / "calls").write_text("")
        done = subprocess.run(
            [*SHELLS[self.shell], "-c", head + text],
            env={"WORLD": str(self.root), "PATH": f"{self.root}/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stderr == ""
        calls = (self.root / "calls").read_text().replace(str(self.root), "WORLD").splitlines()
        return done.stdout.splitlines(), [call for call in calls if "dockerd" not in call]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if not shutil.which(SHELLS[name][0]):
        pytest.skip(f"no {name} on this machine")
    return name


@pytest.fixture(params=["dash", "bash"])
def shell_of_rpm(request: pytest.FixtureRequest) -> str:
    """Busybox has an rpm of its own, and no such distribution has its shell."""
    name: str = request.param
    if not shutil.which(SHELLS[name][0]):
        pytest.skip(f"no {name} on this machine")
    return name


THERE_AND_BACK = """
prepare_upgrade || echo "failed: $heard"
cat "$dir/packages"
manage %s $wanted_list && as_before && echo 'nothing came'
hold_those
packages_back && echo 'as before'
"""


def changing(calls: list[str]) -> list[str]:
    """Calls that change something, or fetch it."""
    asking = ("list", "info", "policy", "search", "rpm -q", "locks", "verify")
    told = [call for call in calls if not call.startswith("docker ")]
    return [call for call in told if not any(word in call for word in asking)]


def test_dnf(tmp_path, shell_of_rpm):
    host = Managed(
        tmp_path,
        "dnf",
        "docker-ce= docker-ce-cli= docker-ce-rootless-extras=@ containerd.io",
        "28",
        shell_of_rpm,
    )
    host.say("26.1.3-1.el9", DNF, "dnf", "rpm")
    said, _ = host.run("offer")
    assert said == [
        "package docker-ce 26.1.3-1.el9 28.5.1-1.el9 docker-ce-stable yes",
        "package docker-ce-cli 26.1.3-1.el9 28.5.1-1.el9 docker-ce-stable no",
        "package containerd.io 1.7.27-3.1.el9 1.7.28-1.el9 docker-ce-stable no",
        "end",
    ]
    said, calls = host.run(THERE_AND_BACK % "install")
    new = "docker-ce-28.5.1-1.el9 docker-ce-cli-28.5.1-1.el9 containerd.io-1.7.28-1.el9"
    assert said == [
        f"step fetch {new}",
        "docker-ce 26.1.3-1.el9",
        "docker-ce-cli 26.1.3-1.el9",
        "containerd.io 1.7.27-3.1.el9",
        "as before",
    ]
    kept, lock = "dnf -y download --destdir WORLD/txn/kept", "dnf -y --disablerepo=* versionlock"
    files = (
        "WORLD/txn/kept/containerd.io-1.7.27-3.1.el9.rpm WORLD/txn/kept/docker-ce-26.1.3-1.el9.rpm"
    )
    assert changing(calls) == [
        "dnf -q makecache",
        f"{lock} delete docker-ce",
        f"{kept} docker-ce-26.1.3-1.el9",
        f"{kept} docker-ce-cli-26.1.3-1.el9",
        f"{kept} containerd.io-1.7.27-3.1.el9",
        f"dnf -y --downloadonly install {new}",
        f"dnf -y download --destdir WORLD/txn/incoming {new}",
        f"dnf -y install {new}",
        f"{lock} delete docker-ce",
        f"{lock} add docker-ce",
        f"{lock} delete docker-ce",
        "dnf -y --disablerepo=* --setopt=localpkg_gpgcheck=0 downgrade "
        f"{files} WORLD/txn/kept/docker-ce-cli-26.1.3-1.el9.rpm",
        f"{lock} delete docker-ce",
        f"{lock} add docker-ce",
    ]


def test_what_is_put_back_is_what_was_installed(tmp_path):
    """Nobody checks a signature then, which a local mirror's packages may lack."""
    host = Managed(tmp_path, "dnf", "docker-ce=", "28")
    other = DNF.replace("*SHA256HEADER*)", "*-qp*SHA256HEADER*) echo d2 ;;\n*SHA256HEADER*)", 1)
    host.say("26.1.3-1.el9", other, "dnf", "rpm")
    said, _ = host.run("prepare_upgrade")
    assert said[0].startswith("without way back dnf does not give docker-ce 26.1.3-1.el9 again")


def test_zypper(tmp_path, shell_of_rpm):
    host = Managed(tmp_path, "zypper", "docker=", "28", shell_of_rpm)
    host.say("24.0.7_ce-150000.1", ZYPPER, "zypper", "rpm")
    said, _ = host.run("offer")
    assert said == ["package docker 24.0.7_ce-150000.1 28.3.3_ce-150000.1 Update_Repo yes", "end"]
    said, calls = host.run(THERE_AND_BACK % "install")
    assert said == [
        "step fetch docker=28.3.3_ce-150000.1",
        "docker 24.0.7_ce-150000.1",
        "as before",
    ]
    cache = "zypper --non-interactive --pkg-cache-dir WORLD/txn"
    assert changing(calls) == [
        "zypper --non-interactive refresh",
        "zypper --non-interactive removelock docker",
        f"{cache}/kept install --download-only --force --oldpackage docker=24.0.7_ce-150000.1",
        f"{cache}/incoming install --download-only docker=28.3.3_ce-150000.1",
        f"{cache}/incoming install docker=28.3.3_ce-150000.1",
        "zypper --non-interactive addlock docker",
        "zypper --non-interactive removelock docker",
        "zypper --non-interactive --no-refresh install --allow-unsigned-rpm --oldpackage --force "
        "WORLD/txn/kept/Main/docker-24.0.7_ce-150000.1.x86_64.rpm",
        "zypper --non-interactive addlock docker",
    ]


@pytest.mark.parametrize("code", [102, 103, 106])
def test_what_zypper_ends_with_may_be_advice(tmp_path, code):
    """That something had better be started again, or that another repository failed."""
    host = Managed(tmp_path, "zypper", "docker=", "28")
    well = ZYPPER.replace('>"$WORLD/version" ;;', f'>"$WORLD/version"; exit {code} ;;')
    host.say("24.0.7_ce-150000.1", well, "zypper", "rpm")
    said, _ = host.run(
        "prepare_upgrade && manage install $wanted_list && echo came; packages_back && echo back"
    )
    assert said[-2:] == ["came", "back"]


def test_apk(tmp_path, shell):
    host = Managed(tmp_path, "apk", "docker-engine= docker-cli=@ docker=@", "28.3", shell)
    host.say("26.1.5-r0", APK, "apk")
    said, _ = host.run("offer")
    assert said == [
        "package docker-engine 26.1.5-r0 28.3.3-r1 https://mirror.example/community no",
        "package docker-cli 26.1.5-r0 28.3.3-r1 https://mirror.example/community yes",
        "end",
    ]
    said, calls = host.run(THERE_AND_BACK % "add")
    new = "docker-engine=28.3.3-r1 docker-cli=28.3.3-r1"
    assert said == [
        f"step fetch {new}",
        "docker-engine 26.1.5-r0",
        "docker-cli 26.1.5-r0",
        "as before",
    ]
    kept, incoming = (
        f"apk --wait 300 fetch --output WORLD/txn/{each}" for each in ("kept", "incoming")
    )
    assert changing(calls) == [
        "apk --wait 300 update",
        f"{kept} docker-engine=26.1.5-r0",
        f"{kept} docker-engine",
        f"{kept} docker-cli=26.1.5-r0",
        f"{kept} docker-cli",
        f"{incoming} docker-engine=28.3.3-r1",
        f"{incoming} docker-engine",
        f"{incoming} docker-cli=28.3.3-r1",
        f"{incoming} docker-cli",
        f"apk --wait 300 add {new}",
        "apk --wait 300 --no-network add WORLD/txn/kept/docker-cli-26.1.5-r0.apk"
        " WORLD/txn/kept/docker-engine-26.1.5-r0.apk",
    ]
    assert (tmp_path / "apk" / "world").read_text() == "docker-cli~26\nopenssh\n"


def test_what_was_asked_of_apk_in_words_stays(tmp_path, shell):
    """What it is told by version it holds to from then on; what was held gets the new release."""
    host = Managed(tmp_path, "apk", "docker-engine= docker-cli=@ docker=@", "28.3", shell)
    host.say("26.1.5-r0", APK, "apk")
    said, _ = host.run("prepare_upgrade && manage add $wanted_list && worldly && echo worldly")
    assert said[-1] == "worldly"
    assert (tmp_path / "apk" / "world").read_text() == "docker-cli=~28.3\nopenssh\n"


CE = "docker-ce= docker-ce-cli= docker-ce-rootless-extras=@ containerd.io"


@pytest.mark.parametrize(
    ("release", "chosen"),
    [
        pytest.param("29", "docker-ce=5:29.0.1-1 docker-ce-cli=5:29.0.1-1", id="containerd-stays"),
        pytest.param("28.5.1", "", id="and-so-does-a-newer-client"),
    ],
)
def test_nothing_is_made_older(tmp_path, shell, release, chosen):
    """containerd.io is newer than the repository's, and docker-ce-cli than that of 28.5.1."""
    host = Managed(tmp_path, "apt", CE, release, shell)
    host.say("-", APT, "apt-cache", "dpkg-query", "apt-get")
    said, _ = host.run("choose_packages && echo $wanted_list")
    assert said == [chosen]


def test_what_a_package_could_be_built_from_is_no_package(tmp_path, shell):
    host = Managed(tmp_path, "apt", "docker-ce= docker-cli=?", "29", shell)
    host.say("-", APT, "apt-cache", "dpkg-query", "apt-get")
    said, _ = host.run("choose_packages && echo $wanted_list; is_available docker-cli || echo none")
    assert said == ["docker-ce=5:29.0.1-1", "none"]


def test_packages_of_another_architecture_have_a_way_back(tmp_path, shell):
    host = Managed(tmp_path, "apt", CE, "29", shell)
    host.say("-", APT, "apt-cache", "dpkg-query", "apt-get")
    said, _ = host.run('prepare_upgrade || echo "failed: $heard"; cat "$dir/packages"; as_before')
    assert said == [
        "step fetch docker-ce=5:29.0.1-1 docker-ce-cli=5:29.0.1-1",
        "docker-ce 5:28.5.1-1",
        "libc6:i386 2.36-9",
    ]
    said, _ = host.run("as_before && echo 'as before'; installed libc6; ls $dir/kept")
    assert said == [
        "as before",
        "2.36-9",
        "docker-ce_5%3a28.5.1-1_amd64.deb",
        "libc6_2.36-9_i386.deb",
    ]


def test_without_a_way_back_the_policy_says_whether_to_go_on(tmp_path):
    host = Managed(tmp_path, "apk", "docker-engine=", "28.3")
    host.say("26.1.5-r0", APK, "apk")
    (tmp_path / "fetched").write_text("28.3.3-r1\n")
    said, _ = host.run('prepare_upgrade || echo "failed: $heard"; ls "$dir"')
    assert said[0].startswith("without way back apk does not give docker-engine 26.1.5-r0 again: ")
    assert "kept" not in said
    shutil.rmtree(tmp_path / "txn")
    (tmp_path / "txn").mkdir()
    said, calls = host.run('prepare_upgrade || echo "failed: $heard"', wanted="required")
    assert len(said) == 1
    assert said[0].startswith(
        "failed: preflight: no way back, for apk does not give docker-engine 26.1.5-r0 again: "
    )
    assert not [call for call in calls if "incoming" in call]


def test_a_release_that_is_not_there_is_said_before_anything_is_fetched(tmp_path):
    host = Managed(tmp_path, "apk", "docker-engine=", "29")
    host.say("26.1.5-r0", APK, "apk")
    said, calls = host.run('prepare_upgrade || echo "failed: $heard"')
    assert said == ["failed: apk has no docker-engine of release 29 here"]
    assert not [call for call in calls if "fetch" in call or "add" in call]


def test_nobody_restarts_dockerd_meanwhile(tmp_path, shell):
    """By systemd for everybody; and Debian's scripts are told so before, for some fail on that."""
    host = Managed(tmp_path, "apt", "docker.io=", "26", shell)
    host.say("1", "", "nothing")
    said, calls = host.run(
        'guard && cat "$RUN"/systemd/system/*.d/*; ls "$RUN/systemd/system";'
        "for one in docker docker.service docker.socket containerd.service ssh; do"
        ' sh "$RC_POLICY" $one restart; echo $?; done;'
        'unguard; ls "$RUN/systemd/system" "$RC_POLICY" 2>&1 | grep -c oakum'
    )
    assert said == [
        *["[Unit]", "RefuseManualStart=yes", "RefuseManualStop=yes"] * 3,
        *["containerd.service.d", "docker.service.d", "docker.socket.d"],
        *["101"] * 4,
        "0",
        "0",
    ]
    assert calls == ["systemctl daemon-reload"] * 2
    assert not (tmp_path / "policy-rc.d").exists()


@pytest.mark.parametrize("systemd", [True, False])
def test_somebody_s_own_policy_of_services_still_counts(tmp_path, shell, systemd):
    """Without systemd it would let the packages' scripts restart dockerd."""
    host = Managed(tmp_path, "apt", "docker.io=", "26", shell)
    host.say("1", "", "nothing")
    if not systemd:
        (tmp_path / "systemd").rmdir()
    theirs = tmp_path / "policy-rc.d"
    theirs.write_text('#!/bin/sh\n[ "$1" != nginx ] || exit 101\n')
    theirs.chmod(0o755)
    ask = 'for one in docker nginx ssh; do "$RC_POLICY" $one restart; echo $?; done;'
    said, _ = host.run(f"guard; guard; {ask} unguard; unguard; {ask}")
    assert said == ["101", "101", "0", "0", "101", "0"]
    assert theirs.read_text() == '#!/bin/sh\n[ "$1" != nginx ] || exit 101\n'


def test_without_the_former_packages_the_file_is_the_new_engine_s(tmp_path, shell):
    """It starts either engine; the former one may be what the new engine, which stays, refuses."""
    host = Managed(tmp_path, "apt", "docker.io=", "26", shell)
    host.say("1", "", "nothing")
    (tmp_path / "txn" / "kept").mkdir()
    (tmp_path / "txn" / "touched").write_text("restarted")
    (tmp_path / "txn" / "was-held").write_text("")
    said, _ = host.run(
        "packages_back() { heard='dpkg is locked'; return 1; }; put_again() { echo put again; }\n"
        "forward=no outcome=rolled-back; back_from_upgrade; echo $forward $outcome $was_touched"
    )
    assert said == [
        "journal failed the packages are not as they were: dpkg is locked",
        "put again",
        "yes broken restarted",
    ]


DOCKER = """
"docker inspect --format {{.ID}}"*) echo 'web false '; echo 'job true '; echo 'task false swarm' ;;
"docker inspect --format {{.State.Running}}"*) for one in sidecar web db task; do
    [ -e "$WORLD/$one.up" ] || case $one in
        task) echo "false $one swarm" ;;
        *) echo "false $one " ;;
    esac; done ;;
"docker inspect --format {{.Config.StopTimeout}}"*) echo '<nil>'; echo 90; echo -1; echo 20 ;;
"docker start sidecar") [ -e "$WORLD/db.up" ] && : >"$WORLD/sidecar.up" ;;
"docker start"*) : >"$WORLD/$2.up" ;;
"docker ps -aq"*) cat "$WORLD/there" ;;
"docker info"*) cat "$WORLD/images" ;;
"docker ps") echo web ;;
"""


def test_what_ran_is_started_oldest_first(tmp_path, shell):
    """A container may be in the network of an older one, without which it does not start."""
    host = Managed(tmp_path, "apt", "docker.io=", "26", shell)
    host.say("1", DOCKER, "docker")
    (tmp_path / "txn" / "running").write_text("sidecar\nweb\ndb\ntask\n")
    said, calls = host.run("bring_back; all_back && echo back")
    assert said == ["back"]
    assert [call for call in calls if "start" in call] == [
        "docker start db",
        "docker start web",
        "docker start sidecar",
    ]


@pytest.mark.parametrize(
    ("there", "images", "well"),
    [("web\nnew", "3", True), ("web", "0", False), ("db", "3", False), ("", "3", False)],
)
def test_an_engine_that_sees_nothing_of_what_there_was_is_not_well(
    tmp_path, shell, there, images, well
):
    """Another data root, storage driver or image store: nothing is down, for nothing is there."""
    host = Managed(tmp_path, "apt", "docker.io=", "26", shell)
    host.say("1", DOCKER, "docker")
    (tmp_path / "txn" / "running").write_text("web\njob\ntask\n")
    (tmp_path / "images").write_text("4\n")
    assert host.run("note_what_stays || echo not noted")[0] == []
    assert (tmp_path / "txn" / "lasting").read_text() == "web\n"
    (tmp_path / "images").write_text(f"{images}\n")
    (tmp_path / "there").write_text(f"{there}\n")
    assert host.run("nothing_hidden && echo well")[0] == (["well"] if well else [])


CALM = """
printf '#!/bin/sh\\necho "API version 1.41 is not supported by this client" >&2; exit 1\\n' \\
    >"$WORLD/bin/docker"
client() { docker "$@" 2>/dev/null; }
live_restore_is() { [ "$(client info --format live-restore)" = "$1" ]; }
put_spare() { echo "put $1"; }
hang_up() { echo false >"$WORLD/images"; }
echo /etc/docker/daemon.json >"$dir/calm.path"
"""


def test_a_client_that_the_former_engine_is_too_old_for_keeps_nothing_from_being_calmed(
    tmp_path, shell
):
    """That of Docker 29 has come by then, and does not speak to 20.10; the former one does."""
    host = Managed(tmp_path, "apt", "docker.io=", "29", shell)
    host.say("1", DOCKER, "docker")
    (tmp_path / "images").write_text("true\n")
    said, _ = host.run(
        f"note_what_stays || echo not noted\n{CALM}\n"
        '(PATH=$dir/former:$PATH && calm_down calm) && echo calm || echo "failed"\n'
        "calm_down calm || echo it would not be silent"
    )
    assert said == ["put calm", "calm", "put calm", "it would not be silent"]


def test_containers_that_take_their_time_to_end_get_it(tmp_path, shell):
    host = Managed(tmp_path, "apt", "docker.io=", "26", shell)
    host.say("1", DOCKER, "docker")
    assert host.run("be_patient; be_patient; echo $answer")[0] == ["150"]
    assert host.run("running() { :; }; be_patient; echo $answer")[0] == ["150"]


@pytest.mark.parametrize(
    ("release", "version", "is_it"),
    [
        ("26", "26.1.5+dfsg1", True),
        ("26.1.5", "26.1.5", True),
        ("26.1", "26.10.0", False),
        ("2", "26.1.5", False),
        ("26", "20.10.26", False),
        ("26", "", False),
    ],
)
def test_what_is_of_a_release(tmp_path, release, version, is_it):
    host = Managed(tmp_path, "apt", "docker.io=", release)
    said, _ = host.run(f"is_release '{version}' && echo yes") if host.root.exists() else ([], [])
    assert (said == ["yes"]) is is_it
