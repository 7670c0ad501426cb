"""A newer engine: pyinfra INVENTORY deploys/upgrade.py --data upgrade_to=28"""

from oakum.deploy import upgrade

upgrade()
