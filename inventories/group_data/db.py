oakum_skip = ["userland-proxy"]
