"""The lab: real, disposable Docker hosts on this machine, for tests and for `make demo`."""
