"""A small OpenID Connect provider on a real port, which can be told to lie."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "connector", "provider-secret"


class OpenIdProvider:
    """Lets one person in, as `claims` says; `lies` replaces claims of the id token, `elsewhere` its addresses."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.signs_with = self.key
        self.claims: dict[str, Any] = {"sub": "007", "preferred_username": "james", "groups": ["erp-operators"]}
        self.lies: dict[str, Any] = {}
        self.at_userinfo: dict[str, Any] = {}
        self.elsewhere: dict[str, str] = {}
        self._codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider._get(self)

            def do_POST(self) -> None:
                provider._post(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _get(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        if parts.path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            code = f"code-{len(self._codes)}"
            self._codes[code] = asked
            request.send_response(302)
            back = urlencode({"code": code, "state": asked["state"]})
            request.send_header("Location", f"{asked['redirect_uri']}?{back}")
            request.end_headers()
        elif parts.path == "/.well-known/openid-configuration":
            ends = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
            addresses = {f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in ends.items()}
            whole = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **addresses, **self.elsewhere}
            self._answer(request, 200, whole)
        elif parts.path == "/keys":
            self._answer(request, 200, {"keys": [self.key.as_dict(private=False)]})
        else:
            assert request.headers["Authorization"] == "Bearer access"
            self._answer(request, 200, self.at_userinfo)

    def _post(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"])).decode()
        given = {name: values[0] for name, values in parse_qs(body).items()}
        asked = self._codes.pop(given.get("code", ""), None)  # a code is good once
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        proof = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        proven = (
            asked is not None and asked["code_challenge"] == base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
        )
        same = asked is not None and asked["redirect_uri"] == given.get("redirect_uri")
        if asked is None or not proven or not same or request.headers["Authorization"] != f"Basic {basic}":
            self._answer(request, 400, {"error": "invalid_grant"})
            return
        assert asked["code_challenge_method"] == "S256"
        now = int(time.time())
        ours = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        token = jwt.encode({"alg": "RS256", "kid": "one"}, {**ours, **self.claims, **self.lies}, self.signs_with)
        self._answer(request, 200, {"access_token": "access", "token_type": "Bearer", "id_token": token})

    def _answer(self, request: BaseHTTPRequestHandler, status: int, body: dict[str, Any]) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.end_headers()
        request.wfile.write(json.dumps(body).encode())
