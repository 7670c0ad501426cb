"""What dockerd accepts: its options by release, and its configuration file as text."""
