"""What each family's package manager is told, word by word, from a distribution's os-release to the
commands: ``oakum/installation.py`` and ``oakum/host/packages.sh`` together.

The package managers are make-believe, and answer what the real ones were seen to answer, or what
their manuals say; that these words do it was seen of Debian's alone (tests/lab/test_bootstrap.py).
Busybox prefers its own dpkg and rpm to those on PATH, and so has Alpine's alone.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sandbox import SHELLS

from oakum.facts import HostFacts, Read
from oakum.installation import APT_SOURCE, RPM_KEY, RPM_REPOSITORY, Unsupported, installation
from oakum.model import Installation
from oakum.policy_values import EngineSource
from oakum.probe import script

DEBIAN_12 = 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'
DEBIAN_13 = 'ID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n'
UBUNTU = 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n'
UBUNTU += "UBUNTU_CODENAME=noble\n"
MINT = 'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="22"\nVERSION_CODENAME=wilma\n'
MINT += "UBUNTU_CODENAME=noble\n"
LMDE = "ID=linuxmint\nID_LIKE=debian\nVERSION_ID=6\nVERSION_CODENAME=faye\n"
LMDE += "DEBIAN_CODENAME=bookworm\n"
RHEL = 'ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.4"\n'
ALMA = 'ID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n'
ROCKY = 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="8.10"\n'
ORACLE = 'ID="ol"\nID_LIKE="fedora"\nVERSION_ID="9.4"\n'
STREAM = 'ID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="9"\n'
CENTOS_7 = 'ID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="7"\n'
FEDORA = "ID=fedora\nVERSION_ID=41\n"
AMAZON = 'ID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"\n'
LEAP = 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\n'
SLES = 'ID="sles"\nID_LIKE="suse"\nVERSION_ID="15.6"\n'
ARCH = "ID=arch\n"
ALPINE = "ID=alpine\nVERSION_ID=3.21.0\n"

APT = (
    "apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 "
    "-o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "
    "-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "
    "--no-install-recommends"
)
APT_INSTALL = f"{APT} --allow-change-held-packages --allow-downgrades install"

Answers = Mapping[str, str]
"""What a command prints; one that is not here prints nothing, and ends well."""


def madison(name: str, *versions: str) -> tuple[str, str]:
    rows = "".join(f"{name:>10} | {version} | http://x noble Packages\n" for version in versions)
    return f"apt-cache madison {name}", rows


NOBLE = [f"5:{release}-1~ubuntu.24.04~noble" for release in ("28.1.0", "28.0.12", "28.0.1")]
IN_NOBLE = dict(
    [
        madison("docker-ce", *NOBLE),
        madison("docker-ce-cli", *NOBLE),
        madison("docker-buildx-plugin", "0.21.1-1~ubuntu.24.04~noble"),
        madison("docker-compose-plugin", "2.33.1-1~ubuntu.24.04~noble"),
    ]
)
EL9 = ("3:28.0.0-1.el9", "3:28.0.1-1.el9", "3:28.0.12-1.el9", "3:28.1.0-1.el9")


def listed(tool: str, name: str, versions: tuple[str, ...]) -> tuple[str, str]:
    """As dnf and yum list them, the oldest first, beside what is not meant."""
    rows = "".join(f"{name}.x86_64    {one}    oakum-docker\n" for one in versions)
    return f"{tool} -q list --showduplicates {name}", f"Available Packages\n{rows}"


IN_EL9 = dict([listed("dnf", "docker-ce", EL9), listed("dnf", "docker-ce-cli", EL9)])
IN_LEAP = {
    "zypper --non-interactive -q search -s -t package --match-exact docker": """
S | Name   | Type    | Version              | Arch   | Repository
--+--------+---------+----------------------+--------+-----------
  | docker | package | 28.2.2_ce-150000.1.1 | x86_64 | Update
v | docker | package | 27.5.1_ce-150000.2.1 | x86_64 | Update
  | docker | package | 24.0.7_ce-150000.9.9 | x86_64 | Main
"""
}
BY_RPM = "rpm -q docker-ce\nrpm -q docker-ce-cli\nrpm -q containerd.io\n"
PLUGINS = "rpm -q docker-buildx-plugin\nrpm -q docker-compose-plugin\n"
IN_ALPINE = "docker=~27.3 docker-engine=~27.3 docker-cli=~27.3"
FIVE = "docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin"


@dataclass(frozen=True)
class Family:
    """A distribution, what is wanted of it, and what it has to be told, in order."""

    name: str
    release: str
    manager: str
    told: str
    wanted: EngineSource = field(default_factory=EngineSource)
    answers: Answers = field(default_factory=dict)
    fails: tuple[str, ...] = ()
    repository: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def installation(self) -> Installation:
        return installation(facts(self.release, self.manager), self.wanted)


def docker(release: str | None = None) -> EngineSource:
    return EngineSource(source="docker", release=release)


FAMILIES = [
    Family(
        "debian-12",
        DEBIAN_12,
        "apt",
        f"""
dpkg --configure -a
{APT} update
apt-cache madison docker-cli
{APT_INSTALL} docker.io
apt-mark showhold
apt-mark hold docker.io
""",
        fails=("dpkg-query docker-cli",),
    ),
    Family(
        "debian-13-has-the-client-apart",
        DEBIAN_13,
        "apt",
        f"""
dpkg --configure -a
{APT} update
apt-cache madison docker.io
apt-cache madison docker-cli
{APT_INSTALL} docker.io=26.1.5+dfsg1-9 docker-cli
apt-mark showhold
apt-mark hold docker.io docker-cli
""",
        EngineSource(release="26.1"),
        dict([madison("docker.io", "26.1.5+dfsg1-9"), madison("docker-cli", "26.1.5+dfsg1-9")]),
    ),
    Family(
        "ubuntu",
        UBUNTU,
        "apt",
        f"""
dpkg --configure -a
{APT} update
apt-cache madison docker-ce
apt-cache madison docker-ce-cli
apt-cache madison docker-buildx-plugin
apt-cache madison docker-compose-plugin
{APT_INSTALL} docker-ce={NOBLE[2]} docker-ce-cli={NOBLE[2]} containerd.io docker-buildx-plugin \
docker-compose-plugin
apt-mark showhold
apt-mark hold {FIVE}
""",
        docker("28.0.1"),
        IN_NOBLE,
        repository="https://download.docker.com/linux/ubuntu noble",
    ),
    Family(
        "mint-is-the-ubuntu-it-is-made-from",
        MINT,
        "apt",
        f"""
dpkg --configure -a
{APT} update
apt-cache madison docker-buildx-plugin
apt-cache madison docker-compose-plugin
{APT_INSTALL} docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin
apt-mark showhold
apt-mark hold {FIVE}
""",
        docker(),
        IN_NOBLE,
        repository="https://download.docker.com/linux/ubuntu noble",
    ),
    Family(
        "lmde-on-a-mirror-without-plugins-and-held-before",
        LMDE,
        "apt",
        f"""
dpkg --configure -a
{APT} update
apt-cache madison docker-buildx-plugin
apt-cache madison docker-compose-plugin
{APT_INSTALL} docker-ce docker-ce-cli containerd.io
apt-mark showhold
apt-mark hold docker-ce containerd.io
""",
        EngineSource(source="https://mirror.example/linux/debian"),
        {"apt-mark showhold": "docker-ce-cli\nlinux-image-amd64\n"},
        ("dpkg-query docker-buildx-plugin", "dpkg-query docker-compose-plugin"),
        repository="https://mirror.example/linux/debian bookworm",
    ),
    Family(
        "rhel-set-to-a-minor-release",
        RHEL,
        "dnf",
        f"""
dnf -q makecache
dnf -q list --showduplicates docker-ce
dnf -q list --showduplicates docker-ce-cli
dnf -q info docker-buildx-plugin
dnf -q info docker-compose-plugin
dnf -y install docker-ce-28.0.1-1.el9 docker-ce-cli-28.0.1-1.el9 containerd.io \
docker-buildx-plugin docker-compose-plugin
{BY_RPM}{PLUGINS}dnf versionlock add {FIVE}
""",
        docker("28.0.1"),
        IN_EL9,
        repository="https://download.docker.com/linux/rhel/9/$basearch/stable",
    ),
    Family(
        "alma-by-a-series-and-no-versionlock-yet",
        ALMA,
        "dnf",
        f"""
dnf -q makecache
dnf -q list --showduplicates docker-ce
dnf -q list --showduplicates docker-ce-cli
dnf -q info docker-buildx-plugin
dnf -q info docker-compose-plugin
dnf -y install docker-ce-28.0.12-1.el9 docker-ce-cli-28.0.12-1.el9 containerd.io \
docker-buildx-plugin docker-compose-plugin
{BY_RPM}{PLUGINS}dnf versionlock add {FIVE}
dnf -y install dnf-command(versionlock)
dnf versionlock add {FIVE}
""",
        docker("28.0"),
        IN_EL9,
        fails=(f"dnf versionlock add {FIVE}",),
        repository="https://download.docker.com/linux/rhel/9/$basearch/stable",
    ),
    Family(
        "rocky",
        ROCKY,
        "dnf",
        f"""
dnf -q makecache
dnf -q info docker-buildx-plugin
dnf -q info docker-compose-plugin
dnf -y install docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin
{BY_RPM}{PLUGINS}dnf versionlock add {FIVE}
""",
        docker(),
        repository="https://download.docker.com/linux/rhel/8/$basearch/stable",
    ),
    Family(
        "centos-7",
        CENTOS_7,
        "yum",
        """
yum -q makecache fast
yum -q list --showduplicates docker-ce
yum -q list --showduplicates docker-ce-cli
yum -q info docker-buildx-plugin
yum -q info docker-compose-plugin
yum -y install docker-ce-26.1.4-1.el7 docker-ce-cli-26.1.4-1.el7 containerd.io
rpm -q docker-ce
rpm -q docker-ce-cli
rpm -q containerd.io
rpm -q docker-buildx-plugin
rpm -q docker-compose-plugin
yum versionlock add docker-ce docker-ce-cli containerd.io
yum -y install dnf-command(versionlock)
yum -y install yum-plugin-versionlock
yum versionlock add docker-ce docker-ce-cli containerd.io
""",
        docker("26.1"),
        dict(
            [
                listed("yum", "docker-ce", ("3:26.1.4-1.el7",)),
                listed("yum", "docker-ce-cli", ("1:26.1.4-1.el7",)),
            ]
        ),
        fails=(
            "yum -q info docker-buildx-plugin",
            "yum -q info docker-compose-plugin",
            "rpm -q docker-buildx-plugin",
            "rpm -q docker-compose-plugin",
            "yum versionlock add docker-ce docker-ce-cli containerd.io",
            "yum -y install dnf-command(versionlock)",
        ),
        repository="https://download.docker.com/linux/centos/7/$basearch/stable",
    ),
    Family(
        "fedora",
        FEDORA,
        "dnf",
        """
dnf -q makecache
dnf -q info docker-cli
dnf -y install moby-engine docker-cli
rpm -q moby-engine
rpm -q docker-cli
dnf versionlock add moby-engine docker-cli
""",
    ),
    Family(
        "amazon-linux-2023",
        AMAZON,
        "dnf",
        """
dnf -q makecache
dnf -q list --showduplicates docker
dnf -y install docker-25.0.8-1.amzn2023.0.1
rpm -q docker
dnf versionlock add docker
""",
        EngineSource(release="25.0"),
        dict([listed("dnf", "docker", ("25.0.6-1.amzn2023.0.2", "25.0.8-1.amzn2023.0.1"))]),
    ),
    Family(
        "opensuse-whose-versions-say-ce",
        LEAP,
        "zypper",
        """
zypper --non-interactive refresh
zypper --non-interactive -q search -s -t package --match-exact docker
zypper --non-interactive install --no-recommends docker=27.5.1_ce-150000.2.1
rpm -q docker
zypper --non-interactive addlock docker
""",
        EngineSource(release="27.5.1"),
        IN_LEAP,
    ),
    Family(
        "sles-without-a-hold",
        SLES,
        "zypper",
        """
zypper --non-interactive refresh
zypper --non-interactive install --no-recommends docker
""",
        EngineSource(hold=False),
    ),
    Family(
        "arch",
        ARCH,
        "pacman",
        """
pacman -Sy --noconfirm
pacman -S --noconfirm --needed docker
pacman -Q docker
""",
    ),
    Family(
        "alpine",
        ALPINE,
        "apk",
        f"""
apk --wait 300 update
apk --wait 300 add {IN_ALPINE}
apk info -e docker
apk info -e docker-engine
apk info -e docker-cli
""",
        EngineSource(release="27.3"),
    ),
]

TOOLS = ("apt-get", "apt-cache", "apt-mark", "dpkg", "dnf", "yum", "rpm", "zypper", "pacman", "apk")
TOOL = """#!/bin/sh
said="${0##*/} $*"
case $said in
    dpkg-query*)
        ! grep -qx "dpkg-query ${said##* }" "$WORLD/fails" || exit 1
        echo "ii "
        exit
        ;;
esac
printf '%s\\n' "$said" >>"$WORLD/calls"
answer=$WORLD/answers/$(printf '%s' "$said" | sha256sum | cut -c1-64)
[ ! -e "$answer" ] || cat "$answer"
! grep -qxF "$said" "$WORLD/fails"
"""
AROUND = """
set -u
centiseconds() { echo 100000; }
printable() { printf '%s' "$*" | tr '\\n' ' '; }
step() { echo "step $*"; }
systemd() { return 1; }
dir=$WORLD install=60 heard=
"""


def facts(release: str, manager: str) -> HostFacts:
    rows = (line.split("=", 1) for line in release.splitlines())
    return HostFacts(
        os=Read({name: value.strip('"') for name, value in rows}), packages=Read(manager)
    )


def installed(
    world: Path, shell: str, install: Installation, answers: Answers, fails: tuple[str, ...]
) -> tuple[int, str, str]:
    """The status of ``install_engine``, what it said, and what it called."""
    for folder in ("bin", "answers"):
        (world / folder).mkdir()
    for tool in (*TOOLS, "dpkg-query", "dockerd", "docker"):
        (world / "bin" / tool).write_text(TOOL)
        (world / "bin" / tool).chmod(0o755)
    for command, answer in answers.items():
        name = hashlib.sha256(command.encode()).hexdigest()
        (world / "answers" / name).write_text(answer)
    (world / "fails").write_text("".join(f"{command}\n" for command in fails))
    (world / "calls").write_text("")
    hold = "yes" if install.hold else "no"
    text = (
        f"{AROUND}manager={install.manager} release={install.release or '-'} hold_version={hold}\n"
        f"names='{' '.join(install.names)}'\n{script('packages.sh')}\n"
        'install_engine; code=$?; echo "heard $heard"; exit $code\n'
    )
    (world / "run.sh").write_text(text)
    done = subprocess.run(
        [*SHELLS[shell], str(world / "run.sh")],
        env={"PATH": f"{world}/bin:{os.environ['PATH']}", "WORLD": str(world)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout, (world / "calls").read_text()


def shells_of(manager: str) -> list[str]:
    return list(SHELLS) if manager == "apk" else ["dash", "bash"]


@pytest.mark.parametrize(
    ("family", "shell"),
    [
        pytest.param(family, shell, id=f"{family}-{shell}")
        for family in FAMILIES
        for shell in shells_of(family.manager)
    ],
)
def test_told(family: Family, shell: str, tmp_path: Path) -> None:
    if not shutil.which(SHELLS[shell][0]):
        pytest.skip(f"no {shell} on this machine")
    code, said, calls = installed(
        tmp_path, shell, family.installation, family.answers, family.fails
    )
    assert code == 0, said
    assert calls.splitlines() == family.told.strip().splitlines()


@pytest.mark.parametrize("family", [one for one in FAMILIES if one.repository], ids=str)
def test_repository(family: Family) -> None:
    texts = {file.path: file.text for file in family.installation.files}
    if family.manager == "apt":
        base, suite = family.repository.split()
        assert f"URIs: {base}\nSuites: {suite}\nComponents: stable\n" in texts[APT_SOURCE]
    else:
        assert f"baseurl={family.repository}\n" in texts[RPM_REPOSITORY]
        assert f"gpgcheck=1\ngpgkey=file://{RPM_KEY}\n" in texts[RPM_REPOSITORY]
        assert texts[RPM_KEY].startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")


@pytest.mark.parametrize(
    ("release", "folder"), [(ORACLE, "rhel/9"), (STREAM, "centos/9"), (FEDORA, "fedora/41")]
)
def test_folder_of_docker(release: str, folder: str) -> None:
    files = installation(facts(release, "dnf"), docker()).files
    assert f"baseurl=https://download.docker.com/linux/{folder}/$basearch/stable\n" in files[1].text


@pytest.mark.parametrize("release", [RHEL, ALMA, ROCKY, STREAM, ORACLE])
def test_none_of_the_distributions_own(release: str) -> None:
    with pytest.raises(Unsupported, match="source: docker"):
        installation(facts(release, "dnf"), EngineSource())


FAULTS = [
    pytest.param(
        FAMILIES[2],
        {},
        (),
        "heard no docker-ce of release 28.0.1 here",
        id="apt-has-no-such-release",
    ),
    pytest.param(
        FAMILIES[2],
        {f"{APT} update": "Err:1 http://x noble InRelease\nW: Failed to fetch http://x\n"},
        (),
        "heard no docker-ce of release 28.0.1 here; W: Failed to fetch http://x",
        id="apt-reached-nothing",
    ),
    pytest.param(
        FAMILIES[0],
        {f"{APT_INSTALL} docker.io": "Reading\nE: You don't have enough free space in /x.\n"},
        (f"{APT_INSTALL} docker.io",),
        "heard apt: E: You don't have enough free space in /x.",
        id="apt-fails",
    ),
    pytest.param(
        FAMILIES[7],
        {f"dnf -y install {FIVE}": "Error: Failed to download metadata for repo 'oakum-docker'\n"},
        (f"dnf -y install {FIVE}",),
        "heard dnf: Error: Failed to download metadata for repo 'oakum-docker'",
        id="dnf-fails",
    ),
    pytest.param(
        FAMILIES[5],
        {"dnf -q makecache": "Error: Failed to download metadata for repo 'oakum-docker'\n"},
        ("dnf -q makecache",),
        "heard no docker-ce of release 28.0.1 here; Error: Failed to download metadata for repo",
        id="dnf-reached-nothing",
    ),
    pytest.param(
        FAMILIES[11],
        {},
        (),
        "heard no docker of release 27.5.1 here",
        id="zypper-has-no-such-release",
    ),
    pytest.param(
        FAMILIES[14],
        {f"apk --wait 300 add {IN_ALPINE}": "ERROR: unable to select packages:\n"},
        (f"apk --wait 300 add {IN_ALPINE}",),
        "heard apk: ERROR: unable to select packages:",
        id="apk-fails",
    ),
]


@pytest.mark.parametrize(("family", "answers", "fails", "heard"), FAULTS)
def test_reason(
    family: Family, answers: Answers, fails: tuple[str, ...], heard: str, tmp_path: Path
) -> None:
    code, said, _ = installed(tmp_path, "dash", family.installation, answers, fails)
    assert code != 0
    assert said.strip().splitlines()[-1].startswith(heard), said


def test_a_list_that_was_cut_off_is_fetched_anew(tmp_path: Path) -> None:
    """apt asks for the rest of what it has, and not every server sees that it has changed."""
    told = f"{APT} update"
    answers = {told: "W: GPG error: http://x noble InRelease: BADSIG 0123456789ABCDEF\n"}
    code, _, calls = installed(tmp_path, "dash", FAMILIES[0].installation, answers, ())
    assert code == 0
    assert calls.splitlines()[:4] == [
        "dpkg --configure -a",
        told,
        told,
        "apt-cache madison docker-cli",
    ]


def test_what_lacks_its_needs_is_finished_first(tmp_path: Path) -> None:
    """apt does not take a package and what it broke in one command; the second try is the first's
    words again, so this one never ends well."""
    install = f"{APT_INSTALL} docker.io"
    answers = {install: "E: Unmet dependencies. Try 'apt --fix-broken install' with no packages\n"}
    _, _, calls = installed(tmp_path, "dash", FAMILIES[0].installation, answers, (install,))
    assert calls.splitlines()[-3:] == [
        install,
        f"{APT} --no-remove --fix-broken install",
        install,
    ]


def again(world: Path, replaced: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The same with other words in the script, on the same host."""
    run = world / "run.sh"
    text = run.read_text()
    for there, here in replaced.items():
        assert there in text
        text = text.replace(there, here)
    run.write_text(text)
    return subprocess.run(
        ["dash", str(run)],
        env={"PATH": f"{world}/bin:{os.environ['PATH']}", "WORLD": str(world)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_question_takes_no_longer_than_the_policy_says(tmp_path: Path) -> None:
    """dnf asks every mirror in turn before it lists anything."""
    installed(tmp_path, "dash", FAMILIES[5].installation, IN_EL9, ())
    tool = tmp_path / "bin" / "dnf"
    tool.write_text("#!/bin/sh\nexec sleep 300\n")
    done = again(tmp_path, {" install=60 ": " install=1 "})
    assert "no docker-ce of release 28.0.1 here; error: took longer than 1 s: dnf" in done.stdout


@pytest.mark.parametrize("alive", [False, True])
def test_a_lock_of_pacman_that_nobody_holds_is_no_lock(tmp_path: Path, alive: bool) -> None:
    """pacman's is a file that it has open while it is at it; a killed one leaves it there."""
    family = FAMILIES[13]
    installed(tmp_path, "dash", family.installation, {}, ())
    lock = tmp_path / "db.lck"
    with lock.open("w") as held:
        if not alive:
            held.close()
        done = again(tmp_path, {"/var/lib/pacman/db.lck": str(lock)})
    assert done.returncode == 0
    assert lock.exists() is alive


def test_informs_by_its_status(tmp_path: Path) -> None:
    """zypper ends with 102 where the machine had better be started again."""
    family = FAMILIES[12]
    install = family.installation
    code, _, _ = installed(tmp_path, "dash", install, {}, ())
    tool = tmp_path / "bin" / "zypper"
    tool.write_text('#!/bin/sh\ncase $* in *install*) exit "$(cat "$WORLD/code")" ;; esac\n')
    codes = {}
    for status in (0, 102, 103, 106, 104, 107, 4):
        (tmp_path / "code").write_text(str(status))
        codes[status] = again(tmp_path, {}).returncode
    assert code == 0
    assert [status for status, code in codes.items() if code == 0] == [0, 102, 103, 106]
