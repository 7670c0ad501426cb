"""User-data of a new host: its shape, and its shell, run for real as far as no host is needed."""

import datetime
import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from pyinfra.api import connectors
from sandbox import SHELLS

from oakum import bootstrap, cloud, cloud_config, manifest
from oakum.cli import oakum
from oakum.controls import controls
from oakum.controls.daemon.userns_remap import subordinate_ranges
from oakum.facts import HostFacts, Read
from oakum.installation import Unsupported, installation
from oakum.layers import Layer, resolve
from oakum.manifest import About
from oakum.model import Plan
from oakum.parts import FileState
from oakum.policy import Policy
from oakum.probe import script

TODAY = datetime.date(2026, 1, 31)
NASTY = "$(touch pwned) `touch pwned` ' \" \\ OAKUM\nOAKUM\ntouch pwned"

shells = pytest.mark.parametrize("shell", [*SHELLS])


def policy(**data: Any) -> Policy:
    said = {f"oakum_{key}": value for key, value in data.items()}
    return resolve([Layer("test", said)], [control.id for control in controls()])


TEXTS: dict[tuple[str, str], str] = {}


def made(wanted: Policy, head: str = "") -> str:
    return cloud.script(wanted, controls(), TODAY, script, head)


def text(wanted: Policy, head: str = "") -> str:
    """The script of a policy, made once: a fifth of a second for each of many tests."""
    key = (repr(wanted), head)
    if key not in TEXTS:
        TEXTS[key] = made(wanted, head)
    return TEXTS[key]


def small(name: str) -> str:
    return cloud_config.dense(script(name), policy())


def run(shell: str, code: str, cwd: Path) -> str:
    if not shutil.which(SHELLS[shell][0]):
        pytest.skip(f"no {shell} on this machine")
    done = subprocess.run(
        [*SHELLS[shell], "-c", code], cwd=cwd, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def functions(whole: str) -> str:
    """The script without what it does at last."""
    assert whole.endswith("\nfirst_boot\n")
    return whole.removesuffix("first_boot\n")


def calls(printed: str, tmp_path: Path) -> list[list[str]]:
    """The calls of a manifest as a shell reads them, each with its words."""
    names = "about|limits|preflight|file|load|shadow_files|bridge|reset|expect|engine|service"
    tell = "".join(
        f"{name}() {{ printf '%s\\036' {name} \"$@\"; printf '\\035'; }}\n"
        for name in names.split("|")
    )
    told = run("dash", tell + printed, tmp_path)
    return [call.split("\x1e")[:-1] for call in told.split("\x1d")[:-1]]


# What it looks like ------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["baseline", "strict"])
def test_cloud_config_has_the_script_byte_for_byte(profile: str) -> None:
    whole = text(policy(profile=profile), "words")
    data = cloud_config.user_data(whole, "words")
    assert data.startswith("#cloud-config\n# words\n")
    files = yaml.safe_load(data)["write_files"]
    assert [file["path"] for file in files] == [cloud_config.SCRIPT, cloud_config.HOOK]
    assert files[0]["content"] == whole
    assert files[0]["permissions"] == "0700"
    assert "content: |\n    #!/bin/sh\n" in data, "somebody will read it"
    assert gzip.decompress(cloud_config.packed(data)).decode() == data


def test_the_same_policy_gives_the_same_bytes() -> None:
    first, again = (made(policy(profile="strict")) for _ in range(2))
    assert first == again
    assert cloud_config.packed(first) == cloud_config.packed(again)
    assert text(policy(profile="strict", icc="off")) != first


def test_the_baseline_fits_where_user_data_is_shortest() -> None:
    whole = cloud.script(policy(), controls(), TODAY, small)
    data = cloud_config.user_data(whole, "for a host")
    assert len(cloud_config.packed(data)) <= cloud_config.LIMIT


def test_what_is_spared_is_whole_functions_that_a_first_start_does_not_call() -> None:
    head = re.compile(r"^(\w+)\(\) ", re.M)

    def gone(name: str, **data: Any) -> set[str]:
        left = cloud_config.spared(script(name), policy(**data))
        return {*head.findall(script(name))} - {*head.findall(left)}

    assert gone("transaction.sh") == {*cloud_config.SPARED}
    assert gone("packages.sh") == {*cloud_config.SPARED_UNPINNED}
    assert gone("packages.sh", engine={"release": "28.5"}) == set()


@pytest.mark.parametrize("name", ["launch.sh", "transaction.sh", "packages.sh", "first_boot.sh"])
def test_shell_means_the_same_without_its_indentation(name: str) -> None:
    """As bash understands both; here-documents are written without any."""

    def understood(code: str) -> list[str]:
        last = re.sub(r"\nfirst_boot\n\Z", "\n", code)
        body = f"all() {{\n{last}\n}}\ndeclare -f all\n"
        done = subprocess.run(["bash", "-c", body], capture_output=True, text=True, check=True)
        return [line.strip() for line in done.stdout.splitlines() if line.strip()]

    code = script(name)
    assert len(understood(code)) > 50
    wanted = policy()
    assert understood(cloud_config.dense(code, wanted)) == understood(
        cloud_config.spared(code, wanted)
    )
    assert not re.search(
        r"<<'?[A-Z]+'?[^\n]*\n(?:[^\n]*\n)*?[ \t]+\S[^\n]*\n[A-Z]+\n", _bodies(code)
    )


def _bodies(code: str) -> str:
    """The here-documents of a script."""
    found = re.findall(r"<<'?([A-Z]+)'?[^\n]*\n(.*?\n)?\1\n", code, re.DOTALL)
    return "".join(f"<<{mark}\n{body}{mark}\n" for mark, body in found)


def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    here = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    program = shutil.which("shellcheck", path=here)
    assert program, "shellcheck is missing: it comes with the group dev"
    path = tmp_path / "first-boot.sh"
    path.write_text(text(policy(profile="strict", engine={"source": "docker"})))
    said = subprocess.run(
        [program, "-S", "warning", path], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout


@shells
def test_whatever_is_in_it_is_data(shell: str, tmp_path: Path) -> None:
    whole = text(policy(profile="strict"), NASTY)
    run(shell, functions(whole), tmp_path)
    lines = cloud._cases('"$kind"', {("a",): [shlex.join(["file", NASTY])], ("b",): ["b"]})
    printed = run(shell, f"kind=a\n{lines}", tmp_path)
    assert shlex.split(printed) == ["file", NASTY]
    assert not (tmp_path / "pwned").exists()


# What is printed for which host ------------------------------------------------------------------


def kinds(whole: str) -> list[cloud.Key]:
    engines = re.search(r"^ENGINES='?([^'\n]*)", whole, re.MULTILINE)
    flags = re.search(r"^KNOWN='?([^'\n]*)", whole, re.MULTILINE)
    assert engines
    assert flags
    return [
        (engine, init, selinux, values, given)
        for engine in engines[1].split()
        for init in cloud.INITS
        for selinux in cloud.SELINUX
        for values in cloud.VALUES
        for given in flags[1].split()
    ]


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"profile": "strict"},
        {"profile": "strict", "selinux": "enforce", "resource_isolation": "off"},
        {"engine": {"release": "28.5"}, "profile": "strict"},
        {"only": ["host"]},
    ],
    ids=["baseline", "strict", "selinux", "pinned", "host"],
)
def test_every_kind_of_host_gets_its_own_plan(said: dict[str, Any], tmp_path: Path) -> None:
    wanted = policy(**said)
    whole = text(wanted)
    for kind in kinds(whole):
        own = f"ranges() {{ echo 'file RANGES'; }}\nkind={':'.join(kind)}\nhardening\n"
        code = functions(whole) + own
        found = calls(run("dash", code, tmp_path), tmp_path)
        facts = cloud.facts_of(kind)
        plan = bootstrap.build(facts, wanted, controls(), TODAY)
        expected = [
            [*call] for call in manifest.calls(plan, facts, wanted, About("i", "cloud-init"))
        ]
        ranges = [call for call in expected if call[1] in cloud.RANGES]
        assert (["file", "RANGES"] in found) == bool(ranges)
        assert found[0][4] == expected[0][4]
        assert re.fullmatch("[0-9a-f]{16}", found[0][3])
        rest = [call for call in found[1:] if call != ["file", "RANGES"]]
        for call in expected:
            if call[0] == "file":
                call[5] = "any"
        assert sorted(rest) == sorted(call for call in expected[1:] if call not in ranges)
        assert rest[-1] == ["service", "start", "no", "may-stop"]


def test_a_release_between_two_plans_has_the_plan_of_the_earlier() -> None:
    wanted = policy(profile="strict")
    _, engines = cloud._kinds(wanted, controls(), TODAY)
    for engine, known in (("20.10.25", "20.10.24"), ("23.0.6", "23.0.0"), ("29.7.2", "24.0.0")):
        assert known in engines

        def plan(release: str) -> Plan:
            facts = cloud.facts_of((release, "systemd-v2", "none", "set", "-"))
            return replace(bootstrap.build(facts, wanted, controls(), TODAY), findings=())

        assert plan(engine) == plan(known)


@pytest.mark.parametrize("source", ["distribution", "docker", "https://mirror.example/linux/x"])
def test_every_family_gets_its_packages(source: str, tmp_path: Path) -> None:
    wanted = policy(engine={"source": source, "hold": False})
    whole = text(wanted)
    for manager, distribution, release in (
        ("apt", "debian", {"ID": "debian", "VERSION_CODENAME": "trixie"}),
        ("apt", "ubuntu", {"ID": "ubuntu", "VERSION_CODENAME": "noble"}),
        ("dnf", "fedora", {"ID": "fedora", "VERSION_ID": "42"}),
        ("yum", "amzn", {"ID": "amzn"}),
        ("dnf", "rhel", {"ID": "rocky", "ID_LIKE": "rhel centos fedora", "VERSION_ID": "9.4"}),
        ("apk", "other", {"ID": "alpine"}),
        ("zypper", "other", {"ID": "opensuse-leap", "ID_LIKE": "suse"}),
    ):
        code = (
            f"{functions(whole)}manager={manager} distribution={distribution}"
            f" suite={release.get('VERSION_CODENAME', 'none')} architecture=arm64"
            f" major={release.get('VERSION_ID', '').partition('.')[0]}\nhere\n"
        )
        printed = run("dash", code, tmp_path)
        facts = HostFacts(packages=Read(manager), os=Read(release), arch=Read("aarch64"))
        try:
            install = installation(facts, wanted.engine)
        except Exception:
            assert "engine " not in printed
            continue
        found = calls(printed, tmp_path)
        files = {call[1]: call[6] for call in found if call[0] == "file"}
        assert files == {file.path: file.text for file in install.files}
        assert ["engine", manager, "-", "no", " ".join(install.names)] in found
        assert found[-1] == ["service", "install", "no", "may-stop"]


RELEASES = [
    ("apt", "ID=debian\nVERSION_CODENAME=trixie\n"),
    ("apt", "ID=debian\n"),
    ("apt", "ID=raspbian\nID_LIKE=debian\nVERSION_CODENAME=bookworm\n"),
    (
        "apt",
        'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_CODENAME=xia\nUBUNTU_CODENAME=noble\n',
    ),
    ("dnf", 'ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.4"\n'),
    ("dnf", 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="10.0"\n'),
    ("dnf", 'ID="ol"\nID_LIKE="fedora"\nVERSION_ID="9.4"\n'),
    ("dnf", 'ID="centos"\nID_LIKE="rhel fedora"\n'),
    ("dnf", 'ID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"\n'),
    ("dnf", "ID=fedora\nVERSION_ID=42\n"),
    ("zypper", 'ID="sles"\nID_LIKE="suse"\nVERSION_ID="15.6"\n'),
    ("apk", "ID=alpine\nVERSION_ID=3.22.1\n"),
    ("none", "ID=flatcar\nVERSION_ID=1\n"),
]


@pytest.mark.parametrize("machine", ["x86_64", "riscv64"])
@pytest.mark.parametrize("source", ["distribution", "docker"])
def test_a_host_that_looks_at_itself_gets_what_bootstrap_brings(
    source: str, machine: str, tmp_path: Path
) -> None:
    wanted = policy(engine={"source": source, "hold": False})
    whole = functions(text(wanted)).replace("/etc/os-release", f"{tmp_path}/os-release")
    for manager, release in RELEASES:
        (tmp_path / "os-release").write_text(release)
        end = whole.index("\nfirst_boot() {")
        code = (
            f"{whole[:end]}\nuname() {{ echo {machine}; }}\n"
            f"has() {{ [ $1 = {manager} ] || [ $1 = {manager}-get ]; }}\n"
            "find_distribution\narchitecture\nhere\n"
        )
        found = calls(run("dash", code, tmp_path), tmp_path)
        words = dict(line.replace('"', "").split("=", 1) for line in release.splitlines())
        facts = HostFacts(packages=Read(manager), os=Read(words), arch=Read(machine))
        try:
            install = installation(facts, wanted.engine)
        except Unsupported:
            open_ends = [word for call in found for word in call if re.search("@[a-z]+@", word)]
            assert open_ends or not [call for call in found if call[0] == "engine"], release
            continue
        files = {call[1]: call[6] for call in found if call[0] == "file"}
        assert files == {file.path: file.text for file in install.files}, release
        assert ["engine", manager, "-", "no", " ".join(install.names)] in found


def test_an_engine_that_nobody_has_is_refused_at_once() -> None:
    with pytest.raises(cloud.Impossible, match="Arch has one release"):
        cloud._installing(
            policy(engine={"release": "28.5"}),
            controls(),
            TODAY,
            families=[("pacman", "other")],
        )


# What is found out on the host -------------------------------------------------------------------

RANGES = [
    (b"", b""),
    (None, None),
    (b"ann:100000:65536\n", b"ann:100000:65536\n"),
    (b"ann:100000:65536\nbob:165536:1000", b"# nobody:4000000000:65536\nann:300000:65536"),
    (b"dockremap:100000:65536\n", b"ann:3000000000:65536\n"),
    (b"dockremap:100000:65536\n", b"dockremap:100000:65536\n"),
    (b"o'neil:100000:65536\n", b"\n"),
]


@shells
@pytest.mark.parametrize(("subuid", "subgid"), RANGES)
def test_ranges_are_those_of_the_control(
    shell: str, subuid: bytes | None, subgid: bytes | None, tmp_path: Path
) -> None:
    whole = functions(text(policy(profile="strict"))).replace("/etc/sub", f"{tmp_path}/sub")
    states = []
    for name, content in (("subuid", subuid), ("subgid", subgid)):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
            path.chmod(0o644)
        states.append(FileState(str(path), str(path), content))
    facts = replace(
        cloud.facts_of(("28.0", "systemd-v2", "none", "kept", "-")),
        subuid=Read(states[0]),
        subgid=Read(states[1]),
    )
    wanted = subordinate_ranges(facts, policy(profile="strict"))
    found = calls(run(shell, f"{whole}ranges\n", tmp_path), tmp_path)
    assert [(call[1], call[6].encode()) for call in found] == [
        (edit.path, edit.after) for edit in wanted
    ]
    assert all(call[2] == "644" and call[5] == "any" for call in found)


OS_RELEASES = [
    ("ID=debian\nVERSION_CODENAME=bookworm\n", "debian bookworm"),
    ("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\nUBUNTU_CODENAME=noble\n", "ubuntu noble"),
    (
        'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_CODENAME=xia\nUBUNTU_CODENAME=noble\n',
        "ubuntu noble",
    ),
    ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "rhel "),
    ('ID="amzn"\nID_LIKE="fedora"\n', "amzn "),
    ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "other "),
    ("ID=alpine\n", "other "),
    ('ID="ol"\nID_LIKE="fedora"\n', "rhel "),  # as oakum.installation has it
    ('ID=debian\nVERSION_CODENAME="a b$\\`/;x"\n', "debian a b;x".replace(";", "")),
]


@shells
@pytest.mark.parametrize(("release", "expected"), OS_RELEASES)
def test_distributions_are_told_apart(
    shell: str, release: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "os-release").write_text(release)
    whole = functions(text(policy())).replace("/etc/os-release", f"{tmp_path}/os-release")
    code = f'{whole}find_distribution\nprintf "%s %s" "$distribution" "$suite"\n'
    assert run(shell, code, tmp_path) == expected


@shells
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Docker version 20.10.24+dfsg1, build 297e128", "20.10.24"),
        ("Docker version 20.10.25, build 1", "20.10.24"),
        ("Docker version 28.5.1, build e180ab8", "24.0.0"),
        ("Docker version 23.0.0-rc.1, build 1", "23.0.0"),
    ],
)
def test_engines_are_told_apart(shell: str, said: str, expected: str, tmp_path: Path) -> None:
    whole = functions(text(policy(profile="strict")))
    code = f'{whole}dockerd() {{ echo {shlex.quote(said)}; }}\nfind_kind\nprintf %s "$engine"\n'
    assert run(shell, code, tmp_path) == expected


FEDORA = (
    'OPTIONS="--selinux-enabled \\\n  --log-driver=journald \\\n  --live-restore \\\n'
    '  --default-ulimit nofile=1024:1024 \\\n  --init-path /usr/libexec/docker/docker-init \\\n"'
)


@shells
@pytest.mark.parametrize(
    ("text_of", "told"),
    [
        ("ExecStart=/usr/bin/dockerd -H fd:// $OPTIONS", "-"),
        ('OPTIONS="--default-ulimit nofile=32768:65536"', "default-ulimit"),
        (FEDORA, "default-ulimit+live-restore+log-driver"),
        ("ExecStart=/usr/bin/dockerd --icc=false", "dockerd gets --icc as flags"),
        ('OPTIONS="--default-ulimit nofile=1 --icc"', "gets --default-ulimit+icc as flags"),
        ('# OPTIONS="--icc"', "-"),
        ("ExecStart=/usr/bin/dockerd --iccx", "-"),
    ],
)
def test_flags_beside_the_file_are_known_or_refused(
    shell: str, text_of: str, told: str, tmp_path: Path
) -> None:
    whole = functions(text(policy(profile="strict")))
    own = f"systemctl() {{ printf '%s\\n' {shlex.quote(text_of)}; }}\n"
    end = '(find_flags; echo "[$flags]") 2>&1 || echo refused\n'
    printed = run(shell, f"{whole}{own}{end}", tmp_path)
    refused = "as flags" in told
    assert (told if refused else f"[{told}]") in printed
    assert ("refused" in printed) == refused


@pytest.mark.parametrize("profile", ["baseline", "strict"])
@pytest.mark.parametrize("given", cloud.PACKAGED_FLAGS, ids=["amazon", "fedora"])
def test_what_is_known_of_flags_gives_the_plan_of_bootstrap(
    profile: str, given: dict[str, tuple[str, ...]]
) -> None:
    """With all that the package gives, and not only what would stand in the file."""
    wanted = policy(profile=profile)
    whole = text(wanted)
    flags = re.search(r"^FLAGS='(.*)'$", whole, re.MULTILINE)
    assert flags
    label = "+".join(flag for flag in flags[1].split() if flag in given)
    kind = ("24.0.0", "systemd-v2", "enforcing", "set", label)
    assert ("24.0.0" if profile == "strict" else "20.10.24", *kind[1:]) in kinds(whole)
    facts = replace(cloud.facts_of(kind), unit_flags=Read(given))
    for one in (facts, cloud.facts_of(kind)):
        plan = bootstrap.build(one, wanted, controls(), TODAY)
        (file,) = (row for row in plan.changes if row.path == cloud.DAEMON_JSON)
        written = json.loads(file.after or b"")
        assert not {"default-ulimits", *(given.keys() & {"live-restore"})} & written.keys()
        assert ("log-opts" in written) == ("log-driver" not in given and profile == "baseline")
        assert written["userland-proxy"] is False


@shells
@pytest.mark.parametrize(
    ("there", "told"),
    [
        ("", ""),
        ("mkdir -p running/7 && echo dockerd >running/7/comm", "Docker runs here already"),
        ("mkdir snap", "Docker is a snap here"),
        ("printf '#!/bin/sh\\nexec /usr/bin/podman\\n' >docker; chmod 755 docker", "podman-docker"),
        ("touch podman.sock && ln -s podman.sock docker.sock", "podman-docker"),
        ("mkdir containers", "Docker ran here before"),
        ("mkdir state containers && touch state/held", ""),
        ("touch daemon.json", "which would be lost"),
        ("ln -s nowhere daemon.json", "which would be lost"),
    ],
)
def test_what_is_no_new_host_is_refused(shell: str, there: str, told: str, tmp_path: Path) -> None:
    whole = functions(text(policy()))
    for path, own in {
        "/proc/[0-9]*/comm": "running/[0-9]*/comm",
        "/snap/docker/current": "snap",
        "/var/run/docker.sock": "docker.sock",
        "/var/lib/docker/containers": "containers",
        "/etc/docker/daemon.json": "daemon.json",
    }.items():
        assert path in whole
        whole = whole.replace(path, f"{tmp_path}/{own}")
    code = f"PATH={tmp_path}:$PATH\n{there}\n{whole}STATE={tmp_path}/state\n"
    code += "has() { [ $1 != dockerd ] && command -v $1 >/dev/null; }\n"
    printed = run(shell, f"{code}(look) 2>&1 || echo refused\n", tmp_path)
    assert (told in printed, "refused" in printed) == (True, bool(told)), printed


OURS, DESK = "bootstrap cloud-init WANTED c", "bootstrap ann@desk 0123 c"
LEDGERS = [
    ("T a begin OURS\nT a confirmed\n", True),
    ("T a begin OURS\nT a confirmed torn\nT a rolled-back cut off\n", False),
    (
        "T a begin OURS\nT a confirmed\nT b begin rollback x 1 c\nT b undoes a\nT b confirmed\n",
        False,
    ),
    ("T a begin OURS\nT a rolled-back no\nT b begin DESK\nT b confirmed\n", True),
    ("T b begin DESK\nT b confirmed\nheld", False),
    ("T a begin bootstrap cloud-init 4567 c\nT a confirmed\n", False),
    ("T a begin apply ann@desk 89ab c\nT a confirmed\n", False),
]


@shells
@pytest.mark.parametrize(("ledger", "done"), LEDGERS)
def test_a_ledger_tells_whether_it_is_done(
    shell: str, ledger: str, done: bool, tmp_path: Path
) -> None:
    whole = functions(text(policy()))
    wanted = re.search(r"^WANTED=(.*)$", whole, re.MULTILINE)
    assert wanted
    if ledger.endswith("held"):
        (tmp_path / "held").touch()
    ledger = ledger.removesuffix("held").replace("OURS", OURS).replace("DESK", DESK)
    (tmp_path / "ledger").write_text(ledger.replace("WANTED", wanted[1]))
    printed = run(shell, f"{whole}STATE={tmp_path}\nhardened && echo yes || echo no\n", tmp_path)
    assert printed == ("yes\n" if done else "no\n")


def test_the_hook_goes_with_the_script(tmp_path: Path) -> None:
    files = yaml.safe_load(cloud_config.user_data("echo run\n"))["write_files"]
    script, hook = tmp_path / "first-boot.sh", tmp_path / "hook"
    script.write_text(files[0]["content"])
    hook.write_text(files[1]["content"].replace(cloud_config.SCRIPT, str(script)))
    hook.chmod(0o755)

    def boot() -> str:
        done = subprocess.run([hook], capture_output=True, text=True, check=True)
        return done.stdout

    assert (boot(), hook.exists()) == ("run\n", True)
    script.unlink()
    assert (boot(), hook.exists()) == ("", False)


# The command -------------------------------------------------------------------------------------


def invoke(*args: str) -> tuple[int, bytes, str]:
    result = CliRunner().invoke(oakum, ["cloud-init", *args])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout_bytes, result.stderr


@pytest.fixture
def inventory(tmp_path: Path) -> str:
    path = tmp_path / "fleet.py"
    path.write_text(
        "web = (['web-1'], {'oakum_profile': 'strict', 'oakum_waivers': [\n"
        "    {'control': 'icc', 'reason': 'r', 'owner': 'ann', 'until': '2999-01-01'},\n"
        "    {'control': 'seccomp', 'reason': 'r', 'owner': 'bob', 'until': '2999-01-01',\n"
        "     'hosts': ['web-1']}]})\n"
        "db = ([('db-1', {'oakum_userns_remap': 'enforce'})], {'oakum_before': [\n"
        "    {'where': 'controller', 'run': ['true']}]})\n"
    )
    return str(path)


def test_a_host_and_a_group_have_their_policies(inventory: str) -> None:
    code, one, talk = invoke(inventory, "web-1", "--shell")
    assert code == 0
    assert b"host web-1, profile strict" in one
    assert b'"userns-remap": "default"' in one
    assert b"seccomp-profile" not in one.split(b"hardening()")[1].split(b"architecture()")[0]
    assert "not set: seccomp (bob)" in talk
    code, some, talk = invoke(inventory, "--group", "web", "--shell")
    assert code == 0
    assert b"oakum-seccomp.json" in some
    assert b'"icc"' not in some
    assert "the waiver of seccomp (bob) is for others, and not applied" in talk
    assert (
        "and Amazon EC2 takes 16,384 of user-data, others 32 to 256 kB; with --gzip it has" in talk
    )
    code, db, talk = invoke(inventory, "--group", "db", "--shell")
    assert code == 0
    assert b"userns-remap" not in db.split(b"hardening()")[1].split(b"architecture()")[0]
    assert "oakum_before: oakum on a control machine does that" in talk


@pytest.mark.parametrize(("file", "profile"), [("fleet", "strict"), ("db", "baseline")])
def test_a_new_host_is_in_the_group_of_the_file_as_every_other(
    file: str, profile: str, tmp_path: Path
) -> None:
    """But for a group that only happens to be called like the file."""
    path = tmp_path / f"{file}.py"
    path.write_text("web = ['web-1']\ndb = ['db-1']\n")
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data" / f"{file}.py").write_text("oakum_profile = 'strict'\n")
    for args in (["--group", "web"], ["web-1"]):
        code, out, _ = invoke(str(path), *args, "--shell")
        assert code == 0
        assert f", profile {profile}.".encode() in out


def test_a_group_of_an_ansible_inventory_has_those_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = EntryPoint("ansible", "oakum.inventory.connector:ANSIBLE", "pyinfra.connectors")
    others = [*connectors.entry_points(group="pyinfra.connectors")]
    monkeypatch.setattr(connectors, "entry_points", lambda group: [*others, door])
    (tmp_path / "hosts.yml").write_text(
        "prod: {children: {web: {hosts: {web-1: {oakum_userns_remap: 'off'}}}},"
        " vars: {oakum_profile: strict}}\n"
        "other: {hosts: {o-1: }}\n"
    )
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "web.yml").write_text("oakum_icc: 'off'\n")
    name = f"@ansible/{tmp_path}/hosts.yml"
    code, web, _ = invoke(name, "--group", "web", "--shell")
    assert code == 0
    assert b"group web, profile strict" in web
    assert b'"userns-remap": "default"' in web
    assert b'"icc"' not in web
    code, _, talk = invoke(name, "--group", "wen", "--shell")
    assert code == 2
    assert "there is no group wen" in talk


def test_it_goes_to_a_file_and_compressed(inventory: str, tmp_path: Path) -> None:
    path = tmp_path / "user-data.gz"
    code, out, talk = invoke(inventory, "db-1", "--gzip", "-o", str(path))
    assert (code, out) == (0, b"")
    assert gzip.decompress(path.read_bytes()).startswith(b"#cloud-config\n")
    assert "kB" not in talk


def test_a_waiver_that_has_ended_is_not_said_to_count(tmp_path: Path) -> None:
    path = tmp_path / "fleet.py"
    ended = {"control": "userland-proxy", "reason": "r", "owner": "ann", "until": "2020-01-31"}
    path.write_text(f"web = (['web-1'], {{'oakum_waivers': [{ended}]}})\n")
    code, out, talk = invoke(str(path), "web-1", "--shell")
    assert code == 0
    assert b'"userland-proxy": false' in out
    assert "the waiver of userland-proxy (ann) ended on 2020-01-31, and counts no more" in talk
    assert "so not set" not in talk


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "give a HOST of the inventory, or --group"),
        (["web-1", "--group", "web"], "give a HOST of the inventory, or --group"),
        (["web-2"], "is no host of"),
        (["--group", "wep"], "is no group; nearest: web"),
        (["web-1", "-o", "/nonexistent/x"], "No such file or directory"),
    ],
)
def test_wrong_use_is_told(inventory: str, args: list[str], words: str) -> None:
    code, out, talk = invoke(inventory, *args)
    assert (code, out) == (2, b"")
    assert words in talk
