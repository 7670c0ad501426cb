"""The lab: real, disposable Docker hosts on this machine, for tests and for `make demo`.

    tests/lab/setup.sh      # once, as root, on Debian or a relative
    pytest tests/lab        # or `make lab`: two files at a time, each with a session of its own

The first session builds the hosts' image (a minute); after that a host is up in about a second.

OAKUM_LAB_DIR       where engine, images and key are kept (default ~/.cache/oakum-lab)
OAKUM_LAB_KEEP=1    leave the engine running at the end, for the next session or for a look around
OAKUM_LAB_REQUIRED=1, or CI    fail, not skip, where the lab cannot run
OAKUM_LAB_MIRROR    Debian mirror for the hosts, where this machine's own apt does not name one
"""
