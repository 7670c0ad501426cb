"""What kind of Docker a host has."""
