"""Web servers hold many connections; where a host cannot grant as much, oakum holds back."""

oakum_default_ulimits = {
    "nofile": {"soft": 65536, "hard": 131072},
    "core": {"soft": 0, "hard": 0},
}
