"""The containers that run on a host."""
