"""The images that are on a host."""
