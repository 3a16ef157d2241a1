"""The bearer token that MCP servers get from a file."""

from pathlib import Path

import httpx2

from agent_runtime.tools.link import _FileToken


def sent(auth: _FileToken) -> str | None:
    """Return the Authorization header of a request."""
    request = httpx2.Request("POST", "http://x/mcp")
    next(auth.auth_flow(request))
    return request.headers.get("Authorization")


def test_each_request_has_the_present_token(tmp_path: Path) -> None:
    """The kubelet replaces the file. What a header cannot carry is not sent."""
    file = tmp_path / "mcp-0"
    auth = _FileToken(str(file))

    assert sent(auth) is None
    file.write_text("first\n")
    assert sent(auth) == "Bearer first"
    file.write_text("second")
    assert sent(auth) == "Bearer second"
    for content in (b"\xff", b"a\nb", b"a\x00b"):
        file.write_bytes(content)
        assert sent(auth) is None
