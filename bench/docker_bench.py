"""What docker-bench-security says of a lab host before and after oakum: never a test, a figure.

    python -m bench.docker_bench CHECKOUT [baseline|strict …]

CHECKOUT is a copy of docker-bench-security 1.6.0, which is not ours and not part of this
repository. It runs on a fresh host of the lab, for which root is needed, as it stands and after
`oakum apply` with each profile. Printed are its verdicts by section, and every WARN that stays.
"""

from __future__ import annotations

import io
import re
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

from tests.lab.desk import Operator
from tests.lab.hosts import Lab, LabHost

SECTIONS = "1 2 3"
CHECKS = (
    "host_configuration,docker_daemon_configuration,docker_daemon_files,"
    "linux_hosts_specific_configuration"
)
RUN = f"cd /opt/docker-bench && sh docker-bench-security.sh -b -c {CHECKS} 2>/dev/null"


def bring(host: LabHost, checkout: Path) -> None:
    """Copy the checkout to the host."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(checkout, "docker-bench")
    host.run("mkdir -p /opt && tar -C /opt -x", stdin=packed.getvalue())


def verdicts(host: LabHost) -> dict[str, str]:
    """``2.9`` to ``WARN``, as printed."""
    said = host.run(RUN, check=False, timeout=300).stdout
    found = re.findall(r"^\[(PASS|WARN|INFO|NOTE)\] (\d+(?:\.\d+)+) +-? *(.*)", said, re.M)
    return {number: f"{verdict} {title}" for verdict, number, title in found}


def tell(what: str, found: dict[str, str]) -> None:
    """The numbers of each section, and what is left to warn of."""
    print(f"\n{what}")
    for section in SECTIONS.split():
        rows = {one: text for one, text in found.items() if one.startswith(f"{section}.")}
        counted = Counter(text.split()[0] for text in rows.values())
        print(f"  section {section}:", ", ".join(f"{n} {word}" for word, n in counted.items()))
        for number, text in rows.items():
            if text.startswith("WARN"):
                print(f"    {number}  {text}")


def main() -> None:
    checkout, *profiles = sys.argv[1:]
    with Lab() as lab, tempfile.TemporaryDirectory() as folder:
        host = lab.host()
        bring(host, Path(checkout))
        tell("before", verdicts(host))
        for profile in profiles or ["baseline", "strict"]:
            operator = Operator(Path(folder), [host], oakum_profile=profile)
            ran = operator.apply("--max-disruption", "outage")
            row = ran.host()
            print(f"\napply {profile}: exit {ran.code}, {row['outcome']} {row['error'] or ''}")
            tell(f"after {profile}", verdicts(host))
            held = [one for one in row["findings"] if one["status"] not in ("ok", "not-applicable")]
            for one in held:
                print(f"    oakum: {one['status']} {one['control']}: {one['reason']}")


if __name__ == "__main__":
    main()
