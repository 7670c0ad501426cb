"""Clients of these databases connect to [::1], where only the userland proxy answers."""

oakum_skip = ["userland-proxy"]
