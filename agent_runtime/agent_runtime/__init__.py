"""The agent that runs in every pod: an aiohttp service in front of a model."""

__version__ = "0.1.0"
