"""OpenAI's clients without retries. They verify no certificates, because the agents of the tests serve plain HTTP.

To verify them, a client reads the authorities of the system, which takes 30 ms of CPU for each client.
"""

import openai


def sync_client(url: str, key: str = "x", *, max_retries: int = 0) -> openai.OpenAI:
    """Return the synchronous client for a server."""
    http = openai.DefaultHttpxClient(verify=False)
    return openai.OpenAI(base_url=url, api_key=key, max_retries=max_retries, http_client=http)


def async_client(url: str) -> openai.AsyncOpenAI:
    """Return the asynchronous client for a server."""
    http = openai.DefaultAsyncHttpxClient(verify=False)
    return openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0, http_client=http)
