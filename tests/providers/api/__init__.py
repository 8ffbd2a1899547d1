"""What the control plane serves: a module a group of services, each operation a function of this table."""

from tests.providers.api import containers, listings, managed, network, objects, secrets, systems
from tests.providers.api.table import HANDLERS

__all__ = ["HANDLERS", "containers", "listings", "managed", "network", "objects", "secrets", "systems"]
