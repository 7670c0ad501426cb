"""A small fleet in pyinfra's form. group_data/ beside this file holds what its groups want.

Replace the names; whatever pyinfra's SSH connector takes may stand beside a host, such as
("web-1.example", {"ssh_user": "ops", "_sudo": True}).
"""

web = ["web-1.example", "web-2.example"]
db = ["db-1.example"]
