"""oakum makes fleets of Docker hosts safe to run in production."""

__version__ = "0.1.0"
