"""Ansible inventories as pyinfra's: keys, connectors, what is refused and how it is said."""

import sys
import time
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import connectors
from pyinfra.api.exceptions import ConnectError, InventoryError
from pyinfra.api.state import State
from pyinfra.connectors.docker import DockerConnector, PodmanConnector
from pyinfra.connectors.local import LocalConnector

from oakum.deploy import policy_for
from oakum.fleet import Fleet
from oakum.inventory import programs, sources, values
from oakum.inventory.connector import NoConnector, ProxiedSSHConnector
from oakum.inventory.keys import CONNECTION, PROXY_COMMAND, host_data
from oakum.inventory.values import Said
from oakum.policy import PolicyError
from oakum.selection import EmptySelection, SelectionError, load_inventory

ROOT = Path(__file__).parents[1]
GROUP = "pyinfra.connectors"


@pytest.fixture(autouse=True)
def entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of pyproject.toml beside the installed ones: it counts, whatever is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    ours = [EntryPoint(*row, GROUP) for row in project["entry-points"][GROUP].items()]
    installed = list(connectors.entry_points(group=GROUP))
    monkeypatch.setattr(connectors, "entry_points", lambda group: [*installed, *ours])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def data_of(**variables: Any) -> dict[str, Any]:
    return host_data("h", {key: Said(value, "hosts:1") for key, value in variables.items()})


# Keys --------------------------------------------------------------------------------------------

PROXY = "ssh -o BatchMode=yes {}-W '[%h]:%p' -- {}"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({"x": [1, {"y": None}]}, {"x": [1, {"y": None}]}, id="own-data-as-it-is"),
        pytest.param({"ansible_python_interpreter": "auto"}, {}, id="ansible-data-left-out"),
        pytest.param(
            {"ansible_host": "a", "ansible_ssh_host": "b"}, {"ssh_hostname": "b"}, id="last-wins"
        ),
        pytest.param({"ansible_host": "a", "ansible_ssh_host": None}, {"ssh_hostname": "a"}),
        pytest.param({"ansible_host": "a", "ssh_hostname": "b"}, {"ssh_hostname": "b"}, id="own"),
        pytest.param({"ansible_port": "22"}, {"ssh_port": 22}, id="port-is-a-number"),
        pytest.param({"ansible_user": 1000}, {"ssh_user": "1000"}, id="user-is-text"),
        pytest.param({"ansible_user": ""}, {}, id="empty-is-not-said"),
        pytest.param({"ansible_password": "p"}, {"ssh_password": "p"}, id="password"),
        pytest.param({"ansible_ssh_private_key_file": "~/k"}, {"ssh_key": "~/k"}, id="key"),
        pytest.param(
            {"ansible_host_key_checking": "no"},
            {"ssh_strict_host_key_checking": "no"},
            id="host-key-checking",
        ),
        pytest.param({"ansible_shell_executable": "bash"}, {"_shell_executable": "bash"}, id="sh"),
        pytest.param({"ansible_become": "yes"}, {"_sudo": True}, id="become"),
        pytest.param({"ansible_become": False}, {"_sudo": False}, id="never-become"),
        pytest.param(
            {"ansible_become_user": "u", "ansible_become_pass": "p", "ansible_sudo_pass": "q"},
            {"_sudo_user": "u", "_sudo_password": "q"},
            id="sudo-when-asked-for",
        ),
        pytest.param(
            {"ansible_become": 1, "ansible_become_flags": "-H -E -i"},
            {"_sudo": True, "_preserve_sudo_env": True, "_use_sudo_login": True},
            id="sudo-flags",
        ),
        pytest.param(
            {"ansible_become": 1, "ansible_become_method": "su", "ansible_become_password": "p"},
            {"_su_user": "root", "_su_password": "p"},
            id="su",
        ),
        pytest.param({"ansible_become_method": "su"}, {}, id="su-only-when-told"),
        pytest.param(
            {
                "ansible_become": 1,
                "ansible_become_method": "community.general.doas",
                "ansible_become_user": "u",
            },
            {"_doas": True, "_doas_user": "u"},
            id="doas",
        ),
        pytest.param(
            {"ansible_connection": "ansible.builtin.local", "ansible_host": "x"},
            {CONNECTION: "local"},
            id="local",
        ),
        pytest.param(
            {"ansible_connection": "community.docker.docker"},
            {CONNECTION: "docker", "docker_identifier": "h"},
            id="docker",
        ),
        pytest.param(
            {"ansible_connection": "podman", "ansible_host": "box"},
            {CONNECTION: "podman", "docker_identifier": "box"},
            id="podman",
        ),
        pytest.param({"ansible_connection": "paramiko"}, {}, id="paramiko-is-ssh"),
        pytest.param(
            {"ansible_connection": "winrm", "ansible_become": 1, "ansible_become_method": "runas"},
            {CONNECTION: "winrm"},
            id="other-connection",
        ),
        pytest.param(
            {"ansible_ssh_common_args": "-J jump"}, {PROXY_COMMAND: PROXY.format("", "jump")}
        ),
        pytest.param(
            {"ansible_ssh_common_args": "-o ProxyJump=a,b@c:2222"},
            {PROXY_COMMAND: PROXY.format("-J a ", "ssh://b@c:2222")},
            id="proxy-jump-in-two-hops",
        ),
        pytest.param(
            {"ansible_ssh_common_args": "-o ProxyCommand='ssh -W %h:%p -q jump' -C"},
            {PROXY_COMMAND: "ssh -W %h:%p -q jump"},
            id="proxy-command",
        ),
        pytest.param({"ansible_ssh_common_args": "-oProxyJump=none"}, {}, id="no-proxy"),
        pytest.param(
            {
                "ansible_ssh_args": "-C -o ControlPersist=60s -o 'StrictHostKeyChecking yes'",
                "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -A -p 23",
                "ansible_ssh_extra_args": "-o UserKnownHostsFile=/dev/null -F conf",
                "ansible_port": 24,
            },
            {
                "ssh_strict_host_key_checking": "yes",
                "ssh_forward_agent": True,
                "ssh_port": 24,
                "ssh_known_hosts_file": "/dev/null",
                "ssh_config_file": "conf",
            },
            id="first-option-wins",
        ),
        pytest.param(
            {"greeting": "{{ name }}", "x": "$ANSIBLE_VAULT;1.1"}, {"greeting": "{{ name }}"}
        ),
        pytest.param({"oakum_x": values.Unsafe("{{")}, {"oakum_x": "{{"}, id="unsafe-is-plain"),
    ],
)
def test_keys(variables: dict[str, Any], expected: dict[str, Any]) -> None:
    found = data_of(**variables)
    found.pop("_oakum_places", None)
    assert found == expected


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"ansible_host": "{{ ip }}"}, "hosts:1: ansible_host is a template; write the value out"),
        ({"oakum_skip": ["{% x %}"]}, "oakum_skip is a template"),
        ({"oakum_waivers": [{"reason": values.Vaulted("x")}]}, "oakum_waivers is vaulted"),
        ({"_sudo_password": "$ANSIBLE_VAULT;1.1;AES256\n61"}, "_sudo_password is vaulted"),
        ({"ssh_user": "{{ me }}"}, "ssh_user is a template"),
        ({"ansible_port": "ssh"}, "ansible_port: expected a port, found 'ssh'"),
        ({"ansible_port": 70000}, "expected a port, found 70000"),
        ({"ansible_user": ["a"]}, "ansible_user: expected text, found a list"),
        ({"ansible_become": "maybe"}, "ansible_become: expected yes or no, found 'maybe'"),
        (
            {"ansible_become": 1, "ansible_become_method": "pbrun"},
            "ansible_become_method: expected sudo, su, doas or dzdo, found 'pbrun'",
        ),
        ({"ansible_become_flags": "-g x"}, "expected some of -H -S -n -E -i"),
        (
            {"ansible_become": 1, "ansible_become_method": "su", "ansible_become_flags": "-l"},
            "expected none for su",
        ),
        (
            {"ansible_become": 1, "ansible_become_method": "doas", "ansible_become_pass": "p"},
            "pyinfra's doas takes no password",
        ),
        ({"ansible_ssh_common_args": "-o HostKeyAlias=x"}, "no key for '-o HostKeyAlias=x'"),
        ({"ansible_ssh_common_args": "-L 1:h:1"}, "no key for '-L 1:h:1'"),
        ({"ansible_ssh_common_args": "-Z"}, "no arguments of ssh"),
        ({"ansible_ssh_common_args": "-C jump"}, "'jump' is no option of ssh"),
        ({"ansible_ssh_common_args": "'"}, "no arguments of ssh: No closing quotation"),
        (
            {"ansible_ssh_common_args": "-o ProxyCommand='nc %h %p 2>/dev/null'"},
            "expected a ProxyCommand that needs no shell",
        ),
    ],
)
def test_keys_that_are_refused(variables: dict[str, Any], said: str) -> None:
    with pytest.raises(InventoryError, match=r"^hosts:1: ") as caught:
        data_of(**variables)
    assert said in str(caught.value)


def test_a_vaulted_value_that_nobody_reads_is_left_out() -> None:
    assert data_of(db_password=values.Vaulted("x"), a=["{{ b }}", values.Vaulted("x")]) == {}


# Sources -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("h.yml", "a: [", "h.yml: is no YAML"),
        ("h.yml", "a: {hosts: {b: !odd x}}", "h.yml: is no YAML: could not determine"),
        ("h.yml", "[a, b]", "h.yml: expected groups by name, found a list"),
        ("h.yml", "", "h.yml: expected groups by name, found nothing"),
        ("h.yml", "a: b", "h.yml, group a: expected a mapping, found text"),
        ("h.yml", "a: {hosts: [b]}", "h.yml, group a, hosts: expected a mapping, found a list"),
        ("h.yml", "a: {host: {b: }}", "h.yml, group a: 'host' is none of hosts, children and vars"),
        ("h.yml", "a: {hosts: {1: }}", "h.yml, host 1: 1 is no name of a host; quote it"),
        ("h.yml", "1: ", "h.yml: 1 is no name of a group; quote it"),
        ("h.yml", "a: {vars: {1: 2}}", "h.yml, group a: 1 is no name of a variable"),
        ("h.yml", "a: {hosts: {b: x}}", "h.yml, host b: expected variables by name, found text"),
        ("h.yml", "a: {hosts: {'b[1:': }}", "host b[1:: b[1:: a range looks like"),
        ("h.yml", "a: {hosts: {'b[3:1]': }}", "its end comes before its beginning"),
        ("h.yml", "a: {hosts: {'b[1:3:0]': }}", "is no range"),
        ("h.yml", "a: {hosts: {'b[01:100]': }}", "as many digits"),
        ("h.yml", "a: {hosts: {'b[1:9999][1:9999]': }}", "means more than 100000 hosts"),
        ("h.yml", "a: {children: {b: {children: {a: }}}}", "group a: group b in group a would"),
        ("h.yml", "a: {vars: {ansible_group_priority: x}}", "group a: expected a number"),
        ("aws.yml", "plugin: amazon.aws.aws_ec2", "aws_ec2', which only Ansible can run; let"),
        ("h.toml", "[a.hosts]", "h.toml: is TOML; let Ansible read it"),
        ("h", "[a]\nb c", "h:2: expected name=value after a host, found 'c'"),
        ("h", "[a:vars]\nb=1", "h:1: there is no group a; add a line [a]"),
        ("h", "[a:children]\nb", "h:2: there is no group b"),
        ("h", "[a:hots]\nb", "h:2: [a:hots] is none of"),
        ("h", "[a b]", "h:1: [a b] is no section"),
        ("h", "[a]\n[a:vars]\nb", "h:3: expected name=value, found 'b'"),
        ("h", "[a]\nb:", "h:2: b: lacks a port after its colon"),
        ("h", "[a]\nb 'c", "h:2: No closing quotation"),
        ("h.ini", "--- x", "h.ini:1: --- begins YAML"),
        ("h", "$ANSIBLE_VAULT;1.1;AES256\n61", "h: is a vaulted file"),
        ("h.json", '{"_meta": {"hostvars": {"a": 1}}, "w": ["a"]}', "host a: expected variables"),
        ("h.json", '{"_meta": {}, "w": ["a"]}', "expected variables by name, found nothing"),
        ("h.json", '{"_meta": {"hostvars": {}}, "w": {"hosts": {}}}', "hosts: expected a list"),
    ],
)
def test_a_wrong_source_is_told_by_file_and_place(
    folder: Path, file: str, text: str, said: str
) -> None:
    (folder / file).write_text(text, "utf-8")
    with pytest.raises(InventoryError) as caught:
        sources.read(file)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("file", "raw", "said"),
    [
        ("group_vars/all/vault.yml", b"$ANSIBLE_VAULT;1.1;AES256\n61", "vault.yml: is a vaulted"),
        ("group_vars/web.yml", b"- a", "group_vars/web.yml: expected variables by name"),
        ("host_vars/a.json", b"{", "host_vars/a.json: is no YAML"),
        ("host_vars/a", b"x: \xff", "host_vars/a: is not UTF-8"),
    ],
)
def test_a_wrong_file_beside_is_told(folder: Path, file: str, raw: bytes, said: str) -> None:
    (folder / "hosts").write_text("[web]\na")
    (folder / file).parent.mkdir(parents=True)
    (folder / file).write_bytes(raw)
    with pytest.raises(InventoryError) as caught:
        sources.read("hosts")
    assert said in str(caught.value)


def test_the_output_of_ansible_inventory_is_an_inventory(folder: Path) -> None:
    (folder / "fleet.json").write_text(
        '{"_meta": {"hostvars": {"a": {"v": 1, "s": {"__ansible_vault": "x"}}}},'
        ' "all": {"children": ["ungrouped", "web"]}, "web": {"hosts": ["a"]}}'
    )
    (host,) = sources.read("fleet.json")
    assert (host.name, host.groups) == ("a", ("web",))
    assert host_data(host.name, host.said) == {"v": 1}


# Programs ----------------------------------------------------------------------------------------


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo no >&2; echo 'why \033[1m' >&2; exit 3", r"ended with 3 and said: why \x1b[1m"),
        ("echo {", "hosts --list: printed no JSON"),
        ("echo '[]'", "hosts: expected groups by name, found a list"),
        ("printf '\\377'", "printed what is not UTF-8"),
        ("sleep 30 & sleep 30", "is not done after 120 s"),
        ("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", "printed more than 4000 bytes"),
    ],
)
def test_a_program_that_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setattr(sources, "PATIENCE", 1)
    monkeypatch.setattr(programs, "LARGEST", 4000)
    program(folder / "hosts", text)
    began = time.monotonic()
    with pytest.raises(InventoryError) as caught:
        sources.read("hosts")
    assert said in str(caught.value)
    assert time.monotonic() - began < 10


def test_a_program_whose_interpreter_is_missing(folder: Path) -> None:
    (folder / "hosts").write_text("#!/nowhere/python\n")
    (folder / "hosts").chmod(0o755)
    with pytest.raises(InventoryError, match="cannot be started: No such file"):
        sources.read("hosts")


def test_ansible_inventory_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a; b").write_text("")
    told = program(
        folder / "ansible-inventory",
        'echo "$#:$*" > args; echo \'{"_meta": {"hostvars": {"h": {"ansible_port": 5}}}, '
        '"w": {"hosts": ["h"]}}\'',
    )
    monkeypatch.setenv("PATH", f"{told.parent}:/bin")
    (host,) = load_inventory("@ansible-inventory/a; b", {})
    assert (host.name, host.groups, host.data.ssh_port) == ("h", ["w"], 5)
    assert (folder / "args").read_text() == "3:--list --inventory a; b\n"


def test_ansible_inventory_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "hosts").write_text("a")
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(SelectionError, match="not installed here; write @ansible/PATH"):
        load_inventory("@ansible-inventory/hosts", {})


# Through pyinfra ---------------------------------------------------------------------------------

MIXED = """
all:
  hosts:
    near: {ansible_connection: local, ansible_become: false}
    box: {ansible_connection: docker, ansible_host: box-1}
    pod: {ansible_connection: podman}
    switch: {ansible_connection: ansible.netcommon.network_cli}
    far: {ansible_host: 192.0.2.1, ansible_ssh_common_args: -J jump}
"""


def test_every_host_gets_the_connector_that_it_means(folder: Path) -> None:
    (folder / "hosts.yml").write_text(MIXED)
    inventory = load_inventory("@ansible/hosts.yml", {})
    State(inventory)
    found = {host.name: type(host.connector) for host in inventory}
    assert found == {
        "near": LocalConnector,
        "box": DockerConnector,
        "pod": PodmanConnector,
        "switch": NoConnector,
        "far": ProxiedSSHConnector,
    }
    assert inventory.get_host("box").connector.data["docker_identifier"] == "box-1"
    with pytest.raises(ConnectError, match="'network_cli' is not supported"):
        inventory.get_host("switch").connector.connect()


def test_a_local_host_answers(folder: Path) -> None:
    (folder / "hosts.yml").write_text(MIXED)
    inventory = load_inventory("@ansible/hosts.yml", {})
    State(inventory)
    near = inventory.get_host("near")
    near.connect()
    done, output = near.run_shell_command("echo here")
    assert done
    assert output.stdout == "here"


def test_a_proxy_is_the_socket_of_the_connection(folder: Path) -> None:
    (folder / "config").write_text("Host h\n HostName real.example\n Port 2200\n User ann\n")
    proxy = f"{sys.executable} -c 'import sys; print(sys.argv[1:])' %h %p %r"
    (folder / "hosts.yml").write_text(
        f'all: {{hosts: {{h: {{ssh_config_file: config, ssh_proxy_command: "{proxy}"}}}}}}'
    )
    inventory = load_inventory("@ansible/hosts.yml", {})
    State(inventory)
    connector = inventory.get_host("h").connector
    with connector.make_paramiko_kwargs()["sock"] as near:
        near.settimeout(20)  # what ends with the command, and not with this
        with near.makefile("rb") as told:
            assert told.read() == b"['real.example', '2200', 'ann']\n"
    connector.disconnect()
    assert connector.proxy.returncode is not None


def test_groups_and_data(folder: Path) -> None:
    (folder / "hosts").write_text("lone\n[site:children]\nweb\n[web]\na v=1\n[site:vars]\nw=[2]\n")
    inventory = load_inventory("@ansible/hosts", {})
    assert {host.name: host.groups for host in inventory} == {
        "lone": ["ungrouped"],
        "a": ["site", "web"],
    }
    assert [host.name for host in inventory.groups["site"]] == ["a"]
    assert inventory.get_host("a").data.w == [2]
    assert not inventory.get_host("lone").data.get("w")


def test_a_wrong_setting_is_told_by_its_file(folder: Path) -> None:
    (folder / "hosts").write_text("[web]\na\nb\n")
    (folder / "group_vars").mkdir()
    (folder / "group_vars/web.yml").write_text("oakum_usernsremap: audit\noakum_skip: [nosuch]\n")
    with pytest.raises(PolicyError) as caught:
        Fleet("@ansible/hosts")
    (problem,) = caught.value.problems
    assert problem.startswith("oakum_usernsremap: is no setting (group_vars/web.yml); nearest")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("@ansible/nosuch", "@ansible/nosuch: nosuch: no such file or folder"),
        ("@ansible", "@ansible: @ansible: no such file or folder"),
        (f"@ansible{ROOT}/README.md", f"has two slashes: @ansible/{ROOT}/README.md"),
        ("hosts.yml", "hosts.yml: for an Ansible inventory write @ansible/hosts.yml"),
        ("x/hosts.ini", "x/hosts.ini: for an Ansible inventory write @ansible/x/hosts.ini"),
    ],
)
def test_a_wrong_name_is_told(folder: Path, name: str, said: str) -> None:
    with pytest.raises(SelectionError) as caught:
        load_inventory(name, {})
    assert said in str(caught.value)


def test_an_empty_inventory_is_an_empty_selection(folder: Path) -> None:
    (folder / "hosts").write_text("# nobody yet\n")
    with pytest.raises(EmptySelection):
        load_inventory("@ansible/hosts", {})


def test_ten_thousand_hosts_are_read_in_time(folder: Path) -> None:
    lines = [f"[g{group}]\nh{group}-[1:100] v={group}\n" for group in range(100)]
    (folder / "hosts").write_text("".join(lines))
    (folder / "group_vars").mkdir()
    (folder / "group_vars/all.yml").write_text("w: 1\n")
    began = time.process_time()
    assert len(sources.read("hosts")) == 10_000
    assert time.process_time() - began < 10


def test_the_example_fleet_is_the_one_in_pyinfra_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both examples want the same of the same hosts."""
    monkeypatch.chdir(ROOT)
    fleets = [
        {host: policy_for(target.host) for host, target in Fleet(name).targets.items()}
        for name in ("@ansible/inventories/ansible/hosts.yml", "inventories/example.py")
    ]
    assert fleets[0] == fleets[1]
    assert len(fleets[0]) == 3


def test_other_connectors_are_as_they_were(folder: Path) -> None:
    assert [host.name for host in load_inventory("@local", {})] == ["@local"]
    assert [host.name for host in load_inventory("@docker/a,b", {})] == ["@docker/a", "b"]
