"""The settings of kopf."""

from typing import Any

import kopf


def settings() -> kopf.OperatorSettings:
    """Return the settings of kopf: no scanning, no peering, no posting, and short idle times."""
    configured = kopf.OperatorSettings()
    # By default kopf kills this process some time after it was stopped. But AgentWatch stops kopf to start it again.
    configured.process.ultimate_exiting_timeout = None
    configured.scanning.disabled = True
    configured.peering.standalone = True
    configured.posting.enabled = False
    configured.networking.request_timeout = 30
    configured.networking.connect_timeout = 5
    # After these delays, kopf lists again or ends with an error. Their sum is less than _LONGEST_DELAY.
    configured.networking.error_backoffs = (1, 2, 4, 8)
    configured.watching.server_timeout = 300
    configured.watching.client_timeout = 330
    # Bookmarks count as activity. The API server sends one per minute.
    configured.watching.inactivity_timeout = 90
    configured.watching.chunk_size = 100
    configured.queueing.idle_timeout = 0.5
    configured.persistence.diffbase_storage = _NoDifferences()
    return configured


class _NoDifferences(kopf.DiffBaseStorage):
    """Keeps no last-handled state. kopf would copy each object for it, and only change handlers need it."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        raise NotImplementedError("kopf writes nothing")
