"""Audit a fleet natively: pyinfra INVENTORY deploys/audit.py --dry"""

from oakum.deploy import audit

audit()
