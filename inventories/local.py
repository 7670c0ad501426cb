"""This very machine, without SSH: oakum plan inventories/local.py"""

local = ["@local"]
