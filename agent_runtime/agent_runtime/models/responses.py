"""Bodies of the responses of a model's server, read within bounds."""

import aiohttp

MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024


async def read(response: aiohttp.ClientResponse) -> bytes:
    """Return the body of a response.

    Raises:
        aiohttp.ClientPayloadError: it is longer than MAX_ANSWER_BYTES, or incomplete.
    """
    answer = bytearray()
    content = response.content
    while not content.at_eof():
        answer += await content.readany()
        if len(answer) > MAX_ANSWER_BYTES:
            # The error keeps this frame alive until the last attempt ends.
            answer.clear()
            raise aiohttp.ClientPayloadError("too long")
    return bytes(answer)


async def read_error(response: aiohttp.ClientResponse) -> bytes:
    """Return the first MAX_ERROR_BYTES of the body of an error. More could only be discarded."""
    return await read_first(response, MAX_ERROR_BYTES)


async def read_first(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return the first bytes of a body, up to a limit.

    Raises:
        aiohttp.ClientPayloadError: the body is incomplete.
    """
    answer = bytearray()
    async for chunk in response.content.iter_any():
        answer += chunk
        if len(answer) >= limit:
            break
    return bytes(answer[:limit])
