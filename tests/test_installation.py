"""Which packages bring an engine to which distribution, and what its package manager is told."""

from typing import Any

import pytest
from conftest import plain_host, policy_of

from oakum.engine import keys
from oakum.facts import Unread
from oakum.installation import Unsupported, installation
from oakum.policy import PolicyError
from oakum.policy_values import EngineSource

DEBIAN = {"ID": "debian", "VERSION_ID": "12", "VERSION_CODENAME": "bookworm"}
UBUNTU = {"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_CODENAME": "noble"}
MINT = {
    "ID": "linuxmint",
    "ID_LIKE": "ubuntu debian",
    "VERSION_CODENAME": "wilma",
    "UBUNTU_CODENAME": "noble",
}
LMDE = {
    "ID": "linuxmint",
    "ID_LIKE": "debian",
    "VERSION_CODENAME": "faye",
    "DEBIAN_CODENAME": "bookworm",
}
ALMA = {"ID": "almalinux", "ID_LIKE": "rhel centos fedora", "VERSION_ID": "9.4"}
AMAZON = {"ID": "amzn", "ID_LIKE": "fedora", "VERSION_ID": "2023"}
FEDORA = {"ID": "fedora", "VERSION_ID": "42"}
LEAP = {"ID": "opensuse-leap", "ID_LIKE": "suse opensuse", "VERSION_ID": "15.6"}


def found(os: Any, packages: str = "apt", arch: str = "x86_64", **wanted: Any) -> Any:
    facts = plain_host(engine=None, os=os, packages=packages, arch=arch)
    return installation(facts, EngineSource(**wanted))


@pytest.mark.parametrize(
    ("os", "packages", "names"),
    [
        pytest.param(DEBIAN, "apt", ("docker.io", "docker-cli"), id="debian"),
        pytest.param(UBUNTU, "apt", ("docker.io", "docker-cli"), id="ubuntu"),
        pytest.param(FEDORA, "dnf", ("moby-engine", "docker-cli"), id="fedora"),
        pytest.param(AMAZON, "dnf", ("docker",), id="amazon"),
        pytest.param(LEAP, "zypper", ("docker",), id="leap"),
        pytest.param({"ID": "arch"}, "pacman", ("docker",), id="arch"),
        pytest.param(
            {"ID": "alpine"}, "apk", ("docker", "docker-engine", "docker-cli"), id="alpine"
        ),
    ],
)
def test_a_distributions_own(os, packages, names):
    install = found(os, packages)
    assert (install.packages, install.files, install.hold) == (names, (), True)


@pytest.mark.parametrize(
    ("os", "folder", "suite"),
    [
        pytest.param(DEBIAN, "debian", "bookworm", id="debian"),
        pytest.param(UBUNTU, "ubuntu", "noble", id="ubuntu"),
        pytest.param(MINT, "ubuntu", "noble", id="mint"),
        pytest.param(LMDE, "debian", "bookworm", id="lmde"),
    ],
)
def test_dockers_repository_for_apt(os, folder, suite):
    install = found(os, source="docker", release="28.5.2")
    assert install.packages[:3] == ("docker-ce", "docker-ce-cli", "containerd.io")
    key, source = install.files
    assert key.text == keys.key(keys.DEB)
    assert source.text.splitlines() == [
        "Types: deb",
        f"URIs: https://download.docker.com/linux/{folder}",
        f"Suites: {suite}",
        "Components: stable",
        "Architectures: amd64",
        f"Signed-By: {key.path}",
    ]


def test_dockers_repository_for_dnf():
    key, repository = found(ALMA, "dnf", source="docker").files
    assert key.text == keys.key(keys.RPM)
    assert "baseurl=https://download.docker.com/linux/rhel/9/$basearch/stable\n" in repository.text
    assert f"gpgcheck=1\ngpgkey=file://{key.path}\n" in repository.text


def test_a_mirror_by_its_url():
    _, source = found(DEBIAN, source="http://127.0.0.1:8000/linux/debian").files
    assert "URIs: http://127.0.0.1:8000/linux/debian\n" in source.text


def test_a_mirror_that_signs_for_itself():
    own = {"key": keys.key(keys.RPM), "fingerprint": keys.RPM.lower()}
    key, _ = found(DEBIAN, source="https://mirror.example/debian", **own).files
    assert key.text == keys.key(keys.RPM)


@pytest.mark.parametrize(
    ("os", "packages", "wanted", "why"),
    [
        pytest.param(ALMA, "dnf", {}, "set oakum_engine: {source: docker}", id="rhel-has-none"),
        pytest.param(AMAZON, "dnf", {"source": "docker"}, "source: distribution", id="amazon"),
        pytest.param(LEAP, "zypper", {"source": "docker"}, "source: distribution", id="suse"),
        pytest.param({}, "none", {}, "no package manager", id="none"),
        pytest.param({"ID": "arch"}, "pacman", {"release": "28.5.2"}, "drop", id="arch-release"),
        pytest.param({"ID": "void"}, "apt", {"source": "docker"}, "repository for void", id="else"),
        pytest.param({"ID": "debian"}, "apt", {"source": "docker"}, "CODENAME", id="sid"),
    ],
)
def test_what_cannot_be_had(os, packages, wanted, why):
    with pytest.raises(Unsupported, match=why):
        found(os, packages, **wanted)


def test_docker_has_no_packages_for_every_machine():
    with pytest.raises(Unsupported, match="no packages for riscv64"):
        found(DEBIAN, arch="riscv64", source="docker")


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        pytest.param({"source": "dockre"}, "nor the URL of a mirror", id="word"),
        pytest.param({"source": "https://a.example/$(id)"}, "nor the URL", id="url"),
        pytest.param({"source": "https://a.example/x\nTypes: deb"}, "nor the URL", id="newline"),
        pytest.param({"source": "docker", "fingerprint": keys.DEB}, "a mirror's", id="dockers"),
        pytest.param(
            {"source": "https://a.example", "key": keys.key(keys.DEB)}, "together", id="no-pin"
        ),
        pytest.param(
            {
                "source": "https://a.example",
                "key": keys.key(keys.DEB),
                "fingerprint": keys.RPM,
            },
            f"fingerprint {keys.DEB}, and {keys.RPM} was wanted",
            id="wrong-fingerprint",
        ),
        pytest.param(
            {"source": "https://a.example", "key": "x", "fingerprint": keys.RPM},
            "no armored OpenPGP",
            id="no-key",
        ),
        pytest.param({"release": "28;id"}, "release", id="release"),
    ],
)
def test_a_wrong_source_is_refused_before_any_host(wanted, why):
    with pytest.raises(PolicyError, match=why):
        policy_of(engine=wanted)


def test_what_was_not_read_is_not_guessed():
    facts = plain_host(engine=None, os=Unread("no os-release"))
    with pytest.raises(Exception, match="no os-release"):
        installation(facts, EngineSource())
