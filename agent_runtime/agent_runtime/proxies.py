"""The proxy for a URL, from the environment variables."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_of(url: str, *, for_all: bool = True) -> str | None:
    """Return the proxy for a URL; None to connect directly.

    Args:
        url: an http or https URL.
        for_all: whether ALL_PROXY counts, too. aiohttp ignores it.
    """
    parts = urlsplit(url)
    found = getproxies()
    proxy = found.get(parts.scheme) or (found.get("all") if for_all else None)
    if not proxy or proxy_bypass(parts.hostname or ""):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
