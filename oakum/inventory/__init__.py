"""Ansible inventories as pyinfra's inventory: ``@ansible/PATH`` and ``@ansible-inventory/PATH``.

``sources`` reads files into a ``tree``, which knows whose variable wins; ``keys`` says the same in
pyinfra's words; ``connector`` hands it over. What Ansible does was read in ansible-core 2.19,
``inventory/``, ``plugins/inventory/`` and ``vars/``, and is compared with it in the tests.
"""

from typing import Final

PLACES: Final = "_oakum_places"
"""Key of a host's data: where each ``oakum_*`` key of that host was said, by key."""
