"""Take a fleet's last change back: pyinfra INVENTORY deploys/rollback.py --dry --diff"""

from oakum.deploy import rollback

rollback()
