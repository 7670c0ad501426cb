"""Harden a fleet natively: pyinfra INVENTORY deploys/harden.py --dry --diff"""

from oakum.deploy import harden

harden()
