"""DNS names of Services are replaced by addresses; other text is unchanged."""

import pytest

from localkube.node.service_names import rewrite

LISTENS = {("shop", "web", 80): ("127.96.0.7", 80), ("shop", "odd", 80): ("127.0.0.1", 41234)}


def ports(namespace: str, service: str) -> list[int]:
    return [port for where, name, port in LISTENS if (where, name) == (namespace, service)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://web.shop.svc", "http://127.96.0.7:80"),
        ("http://web.shop.svc:80/mcp?x=1", "http://127.96.0.7:80/mcp?x=1"),
        ("http://web.shop.svc.cluster.local/", "http://127.96.0.7:80/"),
        ("http://odd.shop.svc", "http://127.0.0.1:41234"),
        ('host = "web.shop.svc.cluster.local"', 'host = "127.96.0.7"'),
        ("web.shop.svc:81", "127.96.0.7:81"),
        ("a=web.shop.svc:80,b=odd.shop.svc:80", "a=127.96.0.7:80,b=127.0.0.1:41234"),
        ("http://none.shop.svc", "http://none.shop.svc"),
        ("http://web.shop.svcs.example", "http://web.shop.svcs.example"),
        ("http://web.shop.svc.example.com", "http://web.shop.svc.example.com"),
        ("my.web.shop.svc", "my.web.shop.svc"),
        ("https://example.com/web.shop", "https://example.com/web.shop"),
    ],
)
def test_names_of_services_are_replaced(text: str, expected: str) -> None:
    assert rewrite(text, lambda *key: LISTENS.get(key), ports) == expected
