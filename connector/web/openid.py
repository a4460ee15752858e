"""Sign-in through an OpenID Connect provider: authorization code with PKCE, the role by a claim.

What judges signatures is an extra (`oidc`), imported when the first person comes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

from config.sections.web import OidcSettings
from connector.domain.errors import OutsideError, UsageError
from connector.domain.people import Role
from connector.tls import trusted
from connector.web.remembered import Remembered

if TYPE_CHECKING:
    import httpx

_PATH: Final = "/.well-known/openid-configuration"
_SECONDS: Final = 10.0
_REMEMBERED: Final = 3600.0
"""Seconds for which what a provider says of itself is believed."""
_LEEWAY: Final = 60
"""Seconds that the provider's clock may differ from ours."""
_LONGEST_NAME: Final = 64
_ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
"""Of signatures; never one with a shared secret, never none."""


class NotAdmittedError(Exception):
    """The provider knows the person, but may not, or cannot, be let in: `why` is unknown or no_role."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Begun:
    """What the browser keeps while its person is with the provider."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider has let in."""

    name: str
    subject: str  # who that is for good, as a digest: names can be changed
    role: Role


class Provider:
    """The provider of the settings."""

    def __init__(self, settings: OidcSettings) -> None:
        """Ask nobody yet."""
        self._settings = settings
        self._metadata = Remembered(_REMEMBERED, self._ask_metadata)

    def begin(self, redirect_uri: str) -> tuple[str, Begun]:
        """Return where to send the browser, and what it has to keep.

        Raises:
            OutsideError: the provider does not answer as one.
            UsageError: the library is not installed.
        """
        _see_library()
        begun = Begun(*(secrets.token_urlsafe(48) for _ in range(3)))
        digest = hashlib.sha256(begun.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self._settings.scopes),
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        address = str(self._metadata.get()["authorization_endpoint"])
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}", begun

    def finish(self, begun: Begun, *, code: str, redirect_uri: str) -> Identity:
        """Return who has come back with this code.

        Raises:
            NotAdmittedError: what came back proves nothing, or the person has no role here.
            OutsideError: the provider does not answer as one.
        """
        metadata = self._metadata.get()
        with self._asking() as client:
            tokens = self._redeemed(client, str(metadata["token_endpoint"]), begun, code, redirect_uri)
            claims = self._proven(tokens.get("id_token"), begun.nonce, _json(client.get(metadata["jwks_uri"])))
            if self._lacks(claims) and "userinfo_endpoint" in metadata:
                bearer = {"Authorization": f"Bearer {tokens.get('access_token')}"}
                more = _json(client.get(metadata["userinfo_endpoint"], headers=bearer))
                if more.get("sub") == claims["sub"]:
                    claims = {**more, **claims}
        return self._identity(claims)

    def _redeemed(
        self, client: httpx.Client, address: str, begun: Begun, code: str, redirect_uri: str
    ) -> Mapping[str, Any]:
        """Exchange a code, which is good once and for whoever has the verifier, for tokens."""
        import httpx

        ours, secret = self._settings.client_id, self._settings.secret()
        data = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": begun.verifier,
            **({} if secret else {"client_id": ours}),
        }
        auth = httpx.BasicAuth(quote(ours), quote(secret)) if secret else httpx.USE_CLIENT_DEFAULT
        answer = client.post(address, data=data, auth=auth)
        if answer.status_code in {400, 401}:
            raise NotAdmittedError("unknown")
        return _json(answer)

    def _ask_metadata(self) -> Mapping[str, Any]:
        issuer = self._settings.issuer.rstrip("/")
        with self._asking() as client:
            found = _json(client.get(issuer + _PATH))
        asked = {"authorization_endpoint", "token_endpoint", "jwks_uri", *({"userinfo_endpoint"} & found.keys())}
        same = str(found.get("issuer", "")).rstrip("/") == issuer
        if not same or not all(_may_be_asked(str(found.get(name, ""))) for name in asked):
            raise OutsideError(
                f"{issuer} does not describe itself as an OpenID Connect provider.", action="Correct oidc.issuer."
            )
        return found

    @contextmanager
    def _asking(self) -> Iterator[httpx.Client]:
        """Ask the provider; whatever goes wrong is one sentence."""
        import httpx

        try:
            with httpx.Client(timeout=_SECONDS, verify=trusted(), headers={"Accept": "application/json"}) as client:
                yield client
        except (httpx.HTTPError, ValueError) as error:
            raise OutsideError(
                f"The provider {self._settings.issuer} does not answer as it should ({type(error).__name__}).",
                action="See that it runs and can be reached from here, and oidc.issuer.",
            ) from None

    def _proven(self, id_token: Any, nonce: str, keys: Mapping[str, Any]) -> dict[str, Any]:
        """Return the claims of an id token that is the provider's, for us, for this sign-in, and not over."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        issuer = str(self._metadata.get()["issuer"])
        registry = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": self._settings.client_id},
            nonce={"essential": True, "value": nonce},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )
        try:
            claims = jwt.decode(str(id_token), KeySet.import_key_set(keys), algorithms=_ALGORITHMS).claims  # type: ignore[arg-type]
            registry.validate(claims)
        except (JoseError, ValueError, KeyError, TypeError):
            raise NotAdmittedError("unknown") from None
        if claims.get("azp", self._settings.client_id) != self._settings.client_id:
            raise NotAdmittedError("unknown")
        return dict(claims)

    def _lacks(self, claims: Mapping[str, Any]) -> bool:
        return not _claim(claims, self._settings.name_claim) or not _claim(claims, self._settings.role_claim)

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        name = " ".join("".join(_claim(claims, self._settings.name_claim)[:1]).split())[:_LONGEST_NAME]
        if not name or not name.isprintable():
            raise NotAdmittedError("unknown")
        values = set(_claim(claims, self._settings.role_claim))
        if values & set(self._settings.operators):
            role = Role.OPERATOR
        elif values & set(self._settings.viewers):
            role = Role.VIEWER
        else:
            raise NotAdmittedError("no_role")
        whole = f"{self._settings.issuer} {claims['sub']}"
        return Identity(name, hashlib.sha256(whole.encode()).hexdigest(), role)


def _claim(claims: Mapping[str, Any], path: str) -> Sequence[str]:
    """Return the values of a claim, by its name or by a path with dots such as `realm_access.roles`."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return [found]
    return [str(one) for one in found] if isinstance(found, list) else []


def _may_be_asked(address: str) -> bool:
    """Whether an address is one that nobody on the way can read or change; this machine's own may be http."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"})


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    answer.raise_for_status()
    found = answer.json()
    return found if isinstance(found, dict) else {}


def _see_library() -> None:
    if importlib.util.find_spec("joserfc") is None:
        raise UsageError(
            "oidc.issuer is set, but joserfc is not installed.",
            action="pip install 'b2brouter-connector[oidc]', or leave oidc.issuer empty.",
        )
