"""Where B2Brouter is, and how much may be asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from config.sections.section import Section

Environment = Literal["simulator", "sandbox", "staging", "production"]

HOSTS: Mapping[str, str] = {
    "sandbox": "https://api.b2brouter.net",
    "staging": "https://api-staging.b2brouter.net",
    "production": "https://api.b2brouter.net",
}
"""Fixed hosts; sandbox and production share one and are told apart by the key (API reference 1.1)."""

_DOMAIN = ".b2brouter.net"

_REQUESTS_PER_MINUTE = {"simulator": 540, "sandbox": 540, "staging": 540, "production": 900}


class B2BrouterSettings(Section):
    """How B2Brouter is reached."""

    environment: Environment = Field("simulator", description="simulator, sandbox, staging or production.")
    base_url: str | None = Field(
        None, description="Address of the simulator; the other environments have fixed hosts."
    )
    api_version: str = Field(
        "2026-03-02", pattern=r"^\d{4}-\d{2}-\d{2}$", description="X-B2B-API-Version, always sent."
    )
    timeout: float = Field(30, gt=0, le=300, description="Longest whole call, in seconds.")
    quiet_time: float = Field(
        180, gt=0, description='Seconds until "not found" is believed after an unknown outcome; > timeout.'
    )
    requests_per_minute: int | None = Field(
        None, gt=0, description="Request budget of one API key over all workers; default by environment."
    )

    @property
    def host(self) -> str:
        """The base URL in force."""
        return HOSTS.get(self.environment) or (self.base_url or "http://127.0.0.1:8790").rstrip("/")

    @property
    def budget(self) -> int:
        """Requests a minute: 90 % of what B2Brouter allows (1,000 in production, 600 elsewhere)."""
        return self.requests_per_minute or _REQUESTS_PER_MINUTE[self.environment]

    @model_validator(mode="after")
    def _consistent(self) -> B2BrouterSettings:
        if self.quiet_time <= self.timeout:
            raise ValueError(
                f"quiet_time ({self.quiet_time:g}) must be greater than timeout ({self.timeout:g}): "
                "a request may still be running when we have given up"
            )
        if self.base_url and self.environment != "simulator":
            raise ValueError(f"base_url is for the simulator only; {self.environment} has a fixed host")
        if host := _b2brouters_own(self.base_url):
            raise ValueError(
                f"base_url is for the simulator only, and {host} is B2Brouter itself, where invoices may be real; "
                "set environment to sandbox, staging or production instead"
            )
        return self


def _b2brouters_own(address: str | None) -> str | None:
    """Return the host of an address if it is B2Brouter's own: what is issued there is no exercise."""
    host = urlsplit(address or "").hostname or ""
    return host if f".{host}".rstrip(".").endswith(_DOMAIN) else None
