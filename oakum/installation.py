"""Which packages bring an engine to a host, from where, and what its package manager must be told
first. Pure: what is done with it is ``host/packages.sh``'s.

Docker's repository: docs.docker.com/engine/install. Names of the distributions' own packages:
packages.debian.org, packages.fedoraproject.org, docs.aws.amazon.com, software.opensuse.org,
archlinux.org/packages, pkgs.alpinelinux.org.
"""

from collections.abc import Mapping
from typing import Final

from oakum.engine import keys
from oakum.facts import HostFacts
from oakum.model import Installation, RepositoryFile
from oakum.policy_values import EngineSource

OFFICIAL: Final = "https://download.docker.com/linux"

APT_KEY: Final = "/etc/apt/keyrings/oakum-docker.asc"
APT_SOURCE: Final = "/etc/apt/sources.list.d/oakum-docker.sources"
RPM_KEY: Final = "/etc/pki/rpm-gpg/RPM-GPG-KEY-oakum-docker"
RPM_REPOSITORY: Final = "/etc/yum.repos.d/oakum-docker.repo"

DOCKERS_OWN: Final = (
    "docker-ce=",
    "docker-ce-cli=",
    "containerd.io",
    "docker-buildx-plugin?",
    "docker-compose-plugin?",
)
"""Of Docker's repository; what ends with ``=`` is of the release that is wanted, what ends with
``?`` is taken where it is there: a mirror may have the engine alone."""

OF_DISTRIBUTION: Final[Mapping[str, tuple[str, ...]]] = {
    # Since Debian 13 the client is a package of its own, which a recommendation brings.
    "apt": ("docker.io=", "docker-cli?"),
    "amzn": ("docker=",),
    "fedora": ("moby-engine=", "docker-cli?"),
    "zypper": ("docker=",),
    "pacman": ("docker",),
    # Its docker is an empty package that needs the others, of whatever release: an upgrade of the
    # whole machine would take newer ones, were they not named.
    "apk": ("docker=", "docker-engine=", "docker-cli="),
}
"""By package manager, or by distribution; what ends with ``?`` is taken where it is there."""

DEB_ARCHITECTURES: Final = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "armhf",
    "s390x": "s390x",
    "ppc64le": "ppc64el",
}
"""Debian's names for what ``uname -m`` says."""


class Unsupported(Exception):
    """No engine can be had here in that way; the message says why, and what to do."""


def installation(facts: HostFacts, wanted: EngineSource) -> Installation:
    """How the engine comes to a host.

    Raises:
        Unsupported: this distribution has none there.
        CannotTell: what the host is could not be read.
    """
    manager, release = facts.packages.value, facts.os.value
    if manager == "none":
        raise Unsupported("there is no package manager that oakum knows (apt, dnf, apk, …)")
    if manager == "pacman" and wanted.release:
        raise Unsupported("Arch has one release of Docker at a time; drop oakum_engine.release")
    files: tuple[RepositoryFile, ...] = ()
    if wanted.source == "distribution":
        names = _of_distribution(manager, release)
    else:
        names, files = DOCKERS_OWN, _repository(facts, wanted)
    return Installation(manager, names, wanted.release, wanted.hold, files)


def _of_distribution(manager: str, release: Mapping[str, str]) -> tuple[str, ...]:
    distribution = release.get("ID", "linux")
    for word in (distribution, manager):
        if names := OF_DISTRIBUTION.get(word):
            return names
    raise Unsupported(
        f"{distribution} has no package of Docker's engine; set oakum_engine: {{source: docker}}"
    )


def _repository(facts: HostFacts, wanted: EngineSource) -> tuple[RepositoryFile, ...]:
    manager, release = facts.packages.value, facts.os.value
    if manager == "apt":
        folder = _one_of(release, ("ubuntu", "debian", "raspbian"))
        base = f"{OFFICIAL}/{folder}" if wanted.source == "docker" else wanted.source
        # What Mint and LMDE call the release that they are made from.
        suite = release.get(f"{folder.upper()}_CODENAME") or release.get("VERSION_CODENAME")
        if not suite:
            raise Unsupported("os-release names no VERSION_CODENAME, so the suite is unknown")
        architecture = DEB_ARCHITECTURES.get(facts.arch.value)
        if architecture is None:
            raise Unsupported(f"Docker has no packages for {facts.arch.value}")
        lines = {
            "Types": "deb",
            "URIs": base,
            "Suites": suite,
            "Components": "stable",
            "Architectures": architecture,
            "Signed-By": APT_KEY,
        }
        text = "".join(f"{name}: {value}\n" for name, value in lines.items())
        return (
            RepositoryFile(APT_KEY, wanted.key or keys.key(keys.DEB)),
            RepositoryFile(APT_SOURCE, text),
        )
    if manager in ("dnf", "yum") and release.get("ID") != "amzn":
        folder = _one_of(release, ("rhel", "centos", "fedora"))
        base = f"{OFFICIAL}/{folder}" if wanted.source == "docker" else wanted.source
        # Docker has a folder for each major release; where a machine is set to a minor one,
        # $releasever names that.
        version = release.get("VERSION_ID", "").partition(".")[0]
        if not version.isdecimal():
            raise Unsupported("os-release names no VERSION_ID, so the repository is unknown")
        text = (
            "[oakum-docker]\nname=Docker\n"
            f"baseurl={base}/{version}/$basearch/stable\n"
            f"enabled=1\ngpgcheck=1\ngpgkey=file://{RPM_KEY}\n"
        )
        return (
            RepositoryFile(RPM_KEY, wanted.key or keys.key(keys.RPM)),
            RepositoryFile(RPM_REPOSITORY, text),
        )
    distribution = release.get("ID", "linux")
    raise Unsupported(
        f"Docker has no repository for {distribution}; set oakum_engine: {{source: distribution}}"
    )


def _one_of(release: Mapping[str, str], folders: tuple[str, ...]) -> str:
    """The folder of Docker's repository that is this distribution's, or its next relative's."""
    distribution = release.get("ID", "linux")
    relatives = release.get("ID_LIKE", "").split()
    if distribution == "ol":  # its only relative, by its own account, is fedora
        relatives = ["rhel"]
    for word in (distribution, *relatives):
        if word in folders:
            return word
    raise Unsupported(
        f"Docker has no repository for {distribution}; set oakum_engine: {{source: distribution}}"
    )
