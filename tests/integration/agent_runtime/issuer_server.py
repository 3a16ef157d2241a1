"""An issuer of tokens in this process: its keys, its discovery document, and the tokens that it signs."""

import base64
import json
import ssl
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

DISCOVERY = "/.well-known/openid-configuration"
AUDIENCE = "agent"


def encoded(fields: object) -> str:
    """Return a segment of a token."""
    text = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


class In(float):
    """A time as seconds from now."""


class IssuerServer:
    """Serves keys at /keys. A test may replace the documents, and reads the paths that were requested."""

    def __init__(self, certificate: str = "", keys_path: str = "/keys") -> None:
        self.private: dict[str, Any] = {}
        self.documents: dict[str, bytes | int] = {}
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self._keys_path = keys_path
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Answer with a document."""
                issuer.requests.append((self.path, dict(self.headers)))
                found = issuer.documents.get(self.path, 404)
                self.send_response(found if isinstance(found, int) else 200)
                body = b"{}" if isinstance(found, int) else found
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self.documents[DISCOVERY] = json.dumps({"issuer": self.url, "jwks_uri": self.url + keys_path}).encode()
        self.set_keys("one")
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def set_keys(self, *key_ids: str) -> None:
        """Publish these keys only. An id that begins with ec is a key of an elliptic curve."""
        for key_id in key_ids:
            if key_id not in self.private:
                self.private[key_id] = (
                    ec.generate_private_key(ec.SECP256R1())
                    if key_id.startswith("ec")
                    else rsa.generate_private_key(65537, 2048)
                )
        self.documents[self._keys_path] = json.dumps({"keys": [self.public(key_id) for key_id in key_ids]}).encode()

    def public(self, key_id: str) -> dict[str, Any]:
        """Return a key as its issuer publishes it."""
        key = self.private[key_id].public_key()
        kind = ECAlgorithm if key_id.startswith("ec") else RSAAlgorithm
        return {**kind.to_jwk(key, as_dict=True), "kid": key_id, "use": "sig"}

    def claims(self, **claims: Any) -> dict[str, Any]:
        """Return the claims of a good token; None removes one."""
        good = {"iss": self.url, "sub": "alice", "aud": AUDIENCE, "exp": In(600), "iat": In(0)} | claims
        now = int(time.time())
        resolved = {name: now + float(value) if isinstance(value, In) else value for name, value in good.items()}
        return {name: value for name, value in resolved.items() if value is not None}

    def token(self, key_id: str = "one", headers: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Return a token that this issuer has signed."""
        algorithm = "ES256" if key_id.startswith("ec") else "RS256"
        fields = {"kid": key_id} | dict(headers or {})
        return jwt.encode(self.claims(**claims), self.private[key_id], algorithm, headers=fields)

    def signed(self, header: object, payload: object, key_id: str = "one") -> str:
        """Return a token with any header and payload, whose signature is valid."""
        text = f"{encoded(header)}.{encoded(payload)}"
        signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(text.encode(), self.private[key_id])
        return f"{text}.{encoded(signature)}"

    def fetches(self) -> int:
        """Return how often the keys were requested."""
        return sum(path == self._keys_path for path, _ in self.requests)

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
