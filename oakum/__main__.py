"""The console script: patch what must be patched first, then run the command line."""

import gc
import sys

REACHES_HOSTS = frozenset(
    {"audit", "plan", "apply", "bootstrap", "cloud-init", "upgrade", "migrate"}
    | {"rollback", "history", "waivers", "worker"}
)
"""The commands that load an inventory, and `worker`, whose inventory another process loaded."""


def main() -> None:
    """Run ``oakum``. gevent is patched here and nowhere else, and only for commands that reach
    hosts: it costs more time than ``--help`` may take."""
    # What is imported stays, so looking for garbage among it is a tenth of a start for nothing.
    gc.set_threshold(50_000)
    words = set(sys.argv[1:])
    if words & REACHES_HOSTS and not words & {"--help", "-h"}:
        from gevent import monkey

        monkey.patch_all()
    from oakum.cli import oakum

    oakum(prog_name="oakum")


if __name__ == "__main__":
    main()
