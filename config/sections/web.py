"""What answers over HTTP, and who is let in."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator

from config.sections.section import Command, Section


class WebSettings(Section):
    """What answers over HTTP: health, webhooks, the console and its API."""

    host: str = Field("127.0.0.1", description="Address to bind; only this machine reaches 127.0.0.1.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="Address under which people reach it from elsewhere; links in notifications begin with it. With "
        "https:// the cookies of the console travel by https alone.",
    )
    port: int = Field(8080, ge=0, lt=65536, description="Port to bind; 0: one that is free, the log says which.")
    stalled_after: float = Field(
        900, gt=0, description="Seconds for which due work may be left lying until /health/ready fails."
    )
    webhook_tolerance: float = Field(
        300, gt=0, description="Seconds that the time of a webhook's signature may differ from ours."
    )
    webhook_bytes: int = Field(1_000_000, ge=1000, description="Largest body of a webhook.")
    proxy: str | None = Field(
        None,
        description="Address of the proxy in front, or the network that it is in (10.42.0.0/16), whose word about "
        "where requests come from is believed. Without it, all who come through a proxy are one address to us, and "
        "twenty wrong passwords of one keep all of them out for a quarter of an hour.",
    )
    session_hours: float = Field(12, gt=0, le=168, description="Hours after which people sign in again.")

    @field_validator("proxy")
    @classmethod
    def _network(cls, value: str | None) -> str | None:
        if value:
            ip_network(value, strict=False)
        return value

    def is_proxy(self, address: str) -> bool:
        """Whether a request that comes from an address comes through the proxy in front."""
        if not self.proxy:
            return False
        try:
            peer = ip_address(address)
        except ValueError:  # not from a network at all
            return False
        return (getattr(peer, "ipv4_mapped", None) or peer) in ip_network(self.proxy, strict=False)


class OidcSettings(Section):
    """Sign-in to the console through an OpenID Connect provider, beside the local users."""

    issuer: str = Field(
        "",
        pattern=r"^(https://\S+|http://(127\.0\.0\.1|localhost)(:\d+)?(/\S*)?)?$",
        description="Address of the provider, as it calls itself (pip install 'b2brouter-connector[oidc]'); empty: "
        "local users alone. It sends people back to web.public_url and /sign-in/callback.",
    )
    client_id: str = Field("", description="Our name at the provider.")
    client_secret: SecretStr | None = Field(
        None, description="Our secret there, if it has given one; better in client_secret_file or the environment."
    )
    client_secret_file: Path | None = Field(None, description="File that holds the secret.")
    client_secret_command: Command | None = Field(None, description="Command that prints the secret.")
    label: str = Field("OpenID Connect", description="What people know the provider by.")
    scopes: list[str] = Field(["openid", "profile", "email"], description="What is asked for; openid always.")
    name_claim: str = Field("preferred_username", description="Claim that is the person's name here.")
    role_claim: str = Field(
        "groups", description="Claim that the role comes from; with dots where it lies deeper: realm_access.roles."
    )
    operators: list[str] = Field([], description="Its values that make an operator.")
    viewers: list[str] = Field([], description="Its values that make a viewer; nobody else is let in.")

    @property
    def on(self) -> bool:
        """Whether there is a provider."""
        return bool(self.issuer)

    def secret(self) -> str:
        """Return the client secret; empty where there is none.

        Raises:
            UsageError: it cannot be read.
        """
        return self._secret("client_secret")

    @model_validator(mode="after")
    def _complete(self) -> OidcSettings:
        if self.on and not self.client_id:
            raise ValueError("oidc.issuer is set, but client_id is missing")
        if self.on and not (self.operators or self.viewers):
            raise ValueError("oidc.operators or oidc.viewers must name values of role_claim, or nobody could come in")
        if self.on and "openid" not in self.scopes:
            raise ValueError("oidc.scopes: openid is missing")
        return self
