"""The command line where no host is needed: exit codes of wrong use, help, schema, explain."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import click
import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from oakum.__main__ import REACHES_HOSTS
from oakum.cli import oakum
from oakum.controls import controls
from oakum.options import layers_of

GROUPS = [name for name, command in oakum.commands.items() if isinstance(command, click.Group)]
COMMANDS = [*oakum.list_commands(click.Context(oakum)), *GROUPS]


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(oakum, args)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def fresh(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """In a process of its own: commands that load pyinfra patch the whole interpreter."""
    return subprocess.run(
        [sys.executable, "-m", "oakum", *args],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[1])},
    )


def test_bare_call_names_the_three_commands() -> None:
    code, out, _ = run()
    assert code == 0
    assert all(f"oakum {word} @local" in out for word in ("audit", "plan", "apply"))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_two_examples_that_parse(command: str) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    examples = [line.split() for line in out.splitlines() if line.strip().startswith("oakum ")]
    assert len(examples) == 2
    for _, name, *args in examples:
        words = args[: args.index(">")] if ">" in args else args
        oakum.commands[name].make_context(name, words)


@pytest.mark.parametrize("command", ["install", "run", "status", "remove"])
def test_help_of_reconcile_has_two_examples_that_parse(command: str) -> None:
    group = oakum.commands["reconcile"]
    assert isinstance(group, click.Group)
    code, out, _ = run("reconcile", command, "--help")
    assert code == 0
    examples = [line.split() for line in out.splitlines() if line.strip().startswith("oakum ")]
    assert len(examples) == 2
    for _, _, name, *args in examples:
        group.commands[name].make_context(name, args)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        pytest.param(["plan", "nosuch.py"], 2, "nosuch.py: no such inventory file", id="no-file"),
        pytest.param(["plan", "broken.py"], 2, "NameError", id="inventory-that-raises"),
        pytest.param(["plan", "empty.py"], 3, "no hosts", id="empty-inventory"),
        pytest.param(["plan", "@nosuch/x"], 2, "nosuch", id="no-such-connector"),
        pytest.param(
            ["plan", "fleet.py", "--limit", "web-9"],
            3,
            "means no host; nearest: web",
            id="empty-limit",
        ),
        pytest.param(
            ["plan", "fleet.py", "--only", "userland-prox"],
            2,
            "'userland-prox' is no control (command line); nearest: userland-proxy",
            id="no-such-control",
        ),
        pytest.param(
            ["plan", "fleet.py", "--policy", "wrong.yml"],
            2,
            "oakum_usernsremap: is no setting (file wrong.yml); nearest: oakum_userns_remap",
            id="wrong-key",
        ),
        pytest.param(
            ["plan", "group.py"], 2, "(group web); nearest: oakum_seccomp", id="wrong-group-key"
        ),
        pytest.param(
            ["plan", "fleet.py", "--policy", "nosuch.yml"], 2, "No such file", id="no-policy-file"
        ),
        pytest.param(["plan", "fleet.py", "-o", "no/such/x"], 2, "no/such", id="no-output-folder"),
        pytest.param(["apply", "fleet.py"], 2, "use --yes", id="nobody-to-ask"),
        pytest.param(["rollback", "fleet.py"], 2, "use --yes", id="nobody-to-ask-for-a-rollback"),
        pytest.param(
            ["rollback", "fleet.py", "-y", "--to", "yesterday"],
            2,
            "'yesterday' is no transaction; oakum history lists them",
            id="no-transaction",
        ),
        pytest.param(
            ["rollback", "fleet.py", "-y", "--all", "--to", "20260131T120000Z-1a2b3c4d"],
            2,
            "give one of them",
            id="to-and-all",
        ),
        pytest.param(["history", "nosuch.py"], 2, "no such inventory file", id="no-past"),
        pytest.param(["history", "fleet.py", "--limit", "x"], 3, "no host", id="nobodys-past"),
        pytest.param(["plan", "fleet.py", "--fail-on", "low", "--nope"], 2, "--nope", id="option"),
    ],
)
def test_wrong_use_is_said_before_any_host(
    tmp_path: Path, args: list[str], code: int, said: str
) -> None:
    """The hosts of these inventories would fail with exit code 3 if they were contacted."""
    (tmp_path / "fleet.py").write_text('web = ["web-1.invalid", "web-2.invalid"]\n')
    (tmp_path / "group.py").write_text('web = (["a.invalid"], {"oakum_secomp": "tight"})\n')
    (tmp_path / "broken.py").write_text("hosts = [nosuchname]\n")
    (tmp_path / "empty.py").write_text("hosts = []\n")
    (tmp_path / "wrong.yml").write_text("oakum_usernsremap: enforce\n")
    done = fresh(*args, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_unreachable_host_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "fleet.py").write_text(
        'hosts = [("gone", {"ssh_hostname": "127.0.0.1", "ssh_port": 1})]\n'
    )
    done = fresh("plan", "fleet.py", "--format", "json", cwd=tmp_path)
    assert done.returncode == 3
    row = json.loads(done.stdout)["hosts"][0]
    assert (row["name"], row["reached"]) == ("gone", False)
    assert "127.0.0.1" in row["error"]
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["rollback", "history"])
def test_no_past_is_told_of_an_unreachable_host(tmp_path: Path, command: str) -> None:
    (tmp_path / "fleet.py").write_text(
        'hosts = [("gone", {"ssh_hostname": "127.0.0.1", "ssh_port": 1})]\n'
    )
    yes = ["--yes"] if command == "rollback" else []
    done = fresh(command, "fleet.py", "--format", "json", *yes, cwd=tmp_path)
    assert done.returncode == 3
    document = json.loads(done.stdout)
    schema = json.loads(run("schema", "report" if command == "rollback" else "history")[1])
    jsonschema.validate(document, schema)
    (row,) = document["hosts"]
    assert (document["command"], row["name"], row["reached"]) == (command, "gone", False)


def test_explain_and_controls() -> None:
    for control in controls():
        code, out, _ = run("explain", control.id)
        assert code == 0
        assert control.why.split()[0] in out
    assert [row["id"] for row in json.loads(run("controls", "--format", "json")[1])] == [
        control.id for control in controls()
    ]
    code, _, err = run("explain", "userland")
    assert (code, "nearest: userland-proxy" in err) == (2, True)


def test_policy_schema_knows_what_the_policy_knows() -> None:
    schema = json.loads(run("schema", "policy")[1])
    jsonschema.Draft202012Validator.check_schema(schema)
    good = yaml.safe_load("oakum_profile: strict\noakum_userns_remap: 'off'\n")
    jsonschema.validate(good, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"oakum_usernsremap": "off"}, schema)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script(shell: str) -> None:
    code, out, _ = run("completion", shell)
    assert code == 0
    assert "_OAKUM_COMPLETE" in out


def test_commands_on_hosts_are_patched() -> None:
    """Without gevent's patches they would visit one host after the other, without time limits."""
    takes_hosts = {
        name
        for name, command in oakum.commands.items()
        if any(param.name == "inventory" for param in command.params)
    }
    assert takes_hosts | {"worker"} == REACHES_HOSTS


def test_version() -> None:
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("oakum 0.")


def test_ctrl_c_ends_with_130(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        (tmp_path / "fleet.py").write_text(
            f'hosts = [("silent", {{"ssh_hostname": "127.0.0.1", "ssh_port": {port}}})]\n'
        )
        running = subprocess.Popen(
            [sys.executable, "-m", "oakum", "plan", "fleet.py"],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        silent.settimeout(20)
        connection, _ = silent.accept()
        with connection:
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert out == ""


def test_the_release_of_an_upgrade_is_a_key_of_the_policy():
    below, above = layers_of({"for_engine": "29"})
    assert below == []
    assert [dict(layer.data) for layer in above] == [{"oakum_for_engine": "29"}]
