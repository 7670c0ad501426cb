"""What runs on a host: POSIX shell, read as text by oakum.probe and oakum.operations."""
