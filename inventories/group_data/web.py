oakum_default_ulimits = {"nofile": {"soft": 65536, "hard": 65536}, "core": {"soft": 0, "hard": 0}}
