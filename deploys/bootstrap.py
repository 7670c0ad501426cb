"""Docker on new hosts, hardened before its first start: pyinfra INVENTORY deploys/bootstrap.py"""

from oakum.deploy import bootstrap

bootstrap()
