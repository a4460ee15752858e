"""A client that talks to the simulator as any client would, in the words of the tests."""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx

HEADERS = {"X-B2B-API-Key": "test_key", "X-B2B-API-Version": "2026-03-02"}


_CONTEXT = ssl.create_default_context()  # loading it anew for each client would take most of the time


def connect(url: httpx.URL | str, timeout: float = 5, headers: Mapping[str, str] = HEADERS) -> httpx.Client:
    """A client of its own, with its own connection."""
    return httpx.Client(base_url=url, headers=headers, timeout=timeout, verify=_CONTEXT)


class Api:
    """Requests in the words of the tests; `account` is the one that they are about."""

    def __init__(self, http: httpx.Client, account: int = 1) -> None:
        self.http = http
        self.account = account

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.http.get(path, params=query)

    def post(self, path: str, body: object = None, **options: Any) -> httpx.Response:
        return self.http.post(path, json=body, **options)

    def put(self, path: str, body: object) -> httpx.Response:
        return self.http.put(path, json=body)

    def delete(self, path: str) -> httpx.Response:
        return self.http.delete(path)

    def add_contact(self, **fields: Any) -> httpx.Response:
        values = {"name": "Example Customer", "country": "es", "tin_value": "ESB00000000"} | fields
        return self.post(f"/accounts/{self.account}/contacts", {"contact": values})

    def contact(self, **fields: Any) -> Any:
        answer = self.add_contact(**fields)
        assert answer.is_success, answer.text
        return answer.json()["contact"]

    def add_invoice(
        self, number: str | None = "F-1", *, beside: dict[str, Any] | None = None, **fields: Any
    ) -> httpx.Response:
        """Post an invoice of 100 plus 21 %; `fields` replace, `beside` stands next to `invoice`."""
        values: dict[str, Any] = {"date": "2026-01-10", "currency": "EUR"} | fields
        if number is not None:
            values["number"] = number
        values.setdefault("invoice_lines_attributes", [line()])
        if "contact_id" not in values and "contact" not in values:
            values["contact_id"] = self.customer()
        path = f"/accounts/{self.account}/invoices"
        return self.post(path, {"invoice": values, **(beside or {})})

    def invoice(self, number: str | None = "F-1", **fields: Any) -> Any:
        answer = self.add_invoice(number, **fields)
        assert answer.is_success, answer.text
        return answer.json()["invoice"]

    def customer(self) -> int:
        """The id of a contact, made at the first call."""
        found = self.get(f"/accounts/{self.account}/contacts", limit=1).json()["contacts"]
        return int(found[0]["id"]) if found else int(self.contact()["id"])

    def numbers(self, **query: Any) -> list[str]:
        answer = self.get(f"/accounts/{self.account}/invoices", **query)
        assert answer.is_success, answer.text
        return [invoice["number"] for invoice in answer.json()["invoices"]]

    def send(self, invoice_id: int) -> httpx.Response:
        return self.post(f"/invoices/send_invoice/{invoice_id}")

    def state(self, invoice_id: int) -> str:
        return str(self.get(f"/invoices/{invoice_id}").json()["invoice"]["state"])

    def version(self, version: str) -> "Api":
        """The same client, asking for another version of the API."""
        headers = HEADERS | {"X-B2B-API-Version": version}
        return Api(connect(self.http.base_url, headers=headers), self.account)

    def of(self, account: int) -> "Api":
        return Api(self.http, account)


def line(quantity: object = 1, price: object = 100, *taxes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    chosen = taxes or ({"name": "IVA", "category": "S", "percent": 21},)
    return {"description": "Work", "quantity": quantity, "price": price, "taxes_attributes": chosen} | fields


def code(answer: httpx.Response) -> tuple[int, str | None]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["error"].get("code")
