"""How the Docker daemon is configured."""
