"""What the host itself gives to Docker."""
