"""A second reading of the API reference, so that our tests do not hang on the simulator's.

It knows nothing of the product but its requests. Where the reference leaves a choice, it takes the other one
than the simulator: bare objects instead of wrapped ones, flat paging fields, `number` as a prefix, 204 on
send, thin rows without `file_reference`, states that jump to `sent`, answers in floats, text timestamps.
"""

from __future__ import annotations

import json
import math
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

KEY = "test_key"
Json = dict[str, Any]


class RefusalError(Exception):
    def __init__(self, status: int, code: str, message: str, param: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message, "param": param, "type": "invalid_request_error"}}


def cents(amount: float) -> float:
    """Round half away from zero at two decimals, in floats."""
    return math.copysign(math.floor(abs(amount) * 100 + 0.5 + 1e-6) / 100, amount) + 0.0


class MinimalB2Brouter:
    """The accounts 1 (Spain) and 2 (France), their contacts and invoices."""

    def __init__(self) -> None:
        self.accounts: dict[int, Json] = {
            1: {"id": 1, "identifier": "one", "name": "Uno", "country": "es", "tin_value": "ESB76543214"},
            2: {"id": 2, "identifier": "two", "name": "Deux", "country": "fr", "tin_value": "FR44732829320"},
        }
        self.contacts: dict[int, Json] = {}
        self.invoices: dict[int, Json] = {}
        self.calls: list[tuple[str, str]] = []
        self.lock = threading.Lock()
        self._last = 7_000_000_000  # ids beyond 32 bits
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, answer = outer.answer(self.command, self.path, self.headers.get("X-B2B-API-Key"), body)
                content = b"" if answer is None else json.dumps(answer, ensure_ascii=False).encode()
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815  # http.server's own names

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, target: str, key: str | None, body: bytes) -> tuple[int, Json | None]:
        url = urlsplit(target)
        query = dict(parse_qsl(url.query))
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        with self.lock:
            self.calls.append((method, url.path))
            try:
                if key != KEY:
                    raise RefusalError(401, "invalid_api_key", "Invalid API Key provided")
                return self._route(method, parts, query, json.loads(body) if body else {})
            except RefusalError as refusal:
                return refusal.status, refusal.body

    def _route(self, method: str, parts: list[str], query: Json, body: Json) -> tuple[int, Json | None]:
        match method, parts:
            case "GET", ["accounts", name]:
                return 200, self._account(name)
            case "GET", ["accounts", name, "contacts"]:
                return 200, self._page("contacts", self._find_contacts(self._account(name)["id"], query), query)
            case "POST", ["accounts", name, "contacts"]:
                return 201, self._save_contact({"account": self._account(name)["id"]}, body["contact"])
            case "PUT", ["contacts", key]:
                return 200, self._save_contact(self._one(self.contacts, key), body["contact"])
            case "GET", ["accounts", name, "invoices"]:
                return 200, self._page("invoices", self._find_invoices(self._account(name)["id"], query), query)
            case "POST", ["accounts", name, "invoices"]:
                return 201, self._shown(self._create(self._account(name), body["invoice"]))
            case "GET", ["invoices", key]:
                return 200, self._shown(self._one(self.invoices, key))
            case "DELETE", ["invoices", key]:
                return 200, {"id": self.invoices.pop(self._one(self.invoices, key)["id"])["id"], "deleted": True}
            case "POST", ["invoices", "send_invoice", key]:
                invoice = self._one(self.invoices, key)
                if invoice["state"] != "new":
                    raise RefusalError(422, "invalid", f"Cannot re-send invoices in state {invoice['state']}")
                invoice["state"] = "sent"
                invoice["sent"] += 1
                return 204, None
        raise RefusalError(404, "resource_missing", "Not found")

    def _account(self, name: str) -> Json:
        for account in self.accounts.values():
            if name in {str(account["id"]), account["identifier"]}:
                return account
        raise RefusalError(404, "resource_missing", "Account not found")

    def _one(self, rows: dict[int, Json], key: str) -> Json:
        if key.isdigit() and int(key) in rows:
            return rows[int(key)]
        raise RefusalError(404, "resource_missing", "Not found")

    def _page(self, name: str, rows: list[Json], query: Json) -> Json:
        offset, limit = int(query.get("offset", 0)), min(int(query.get("limit", 25)), 100)
        return {name: rows[offset : offset + limit], "total_count": len(rows), "offset": offset, "limit": limit}

    def _find_contacts(self, account: int, query: Json) -> list[Json]:
        code, text = query.get("integration_code"), query.get("name", "").lower()
        return [
            contact
            for contact in self.contacts.values()
            if contact["account"] == account
            and (code is None or contact.get("integration_code") == code)
            and any(text in str(contact.get(field) or "").lower() for field in ("name", "address", "tin_value"))
        ]

    def _save_contact(self, known: Json, values: Json) -> Json:
        parent = self.contacts.get(values.get("parent_id") or known.get("parent_id") or 0)
        if parent is not None:  # a unit inherits its body's numbers
            numbers = ("tin_scheme", "tin_value", "cin_scheme", "cin_value")
            values = {name: parent[name] for name in numbers if name in parent} | values
        merged = known | values
        if not (merged.get("tin_value") or merged.get("cin_value")):
            raise RefusalError(422, "parameter_blank", "Contact tin_value or cin_value can't be blank")
        for scheme in ("tin_scheme", "cin_scheme", "cin1_scheme", "pin_scheme"):
            if scheme in values and not re.fullmatch(r"\d{4}", str(values[scheme])):
                raise RefusalError(422, "parameter_inclusion", f"{scheme} is not included in the list", scheme)
        for other in self.contacts.values():
            same = other.get("tin_value") == values.get("tin_value") and values.get("tin_value")
            alone = parent is None and not other.get("parent_id")
            if same and alone and other["account"] == known["account"] and other["id"] != known.get("id"):
                raise RefusalError(422, "parameter_taken", "Tin value has already been taken", "tin_value")
        known.update(values)
        known.setdefault("id", self._next())
        self.contacts[known["id"]] = known
        return known

    def _find_invoices(self, account: int, query: Json) -> list[Json]:
        thin = ("id", "type", "number", "series_code", "state", "date", "currency", "total")
        return [
            {name: invoice.get(name) for name in thin}
            for invoice in reversed(self.invoices.values())
            if invoice["account"] == account
            and invoice["type"] == query.get("type", "IssuedInvoice")
            and invoice["number"].startswith(query.get("number", ""))
            and query.get("date_from", "") <= invoice["date"] <= query.get("date_to", "9")
        ]

    def _create(self, account: Json, values: Json) -> Json:
        contact = self.contacts.get(int(values["contact_id"]))
        if contact is None or contact["account"] != account["id"]:
            raise RefusalError(422, "parameter_blank", "Contact can't be blank", "contact")
        name = (account["id"], values["number"], values.get("series_code"), values["date"][:4])
        for other in self.invoices.values():
            if name == (other["account"], other["number"], other.get("series_code"), other["date"][:4]):
                raise RefusalError(422, "parameter_taken", "Number has already been taken", "number")
        lines = values.get("invoice_lines_attributes")
        if not lines or "send_after_import" in values:
            raise RefusalError(422, "parameter_empty", "Lines can't be empty", "invoice_lines")
        invoice = {**values, "account": account["id"], "id": self._next(), "state": "new", "sent": 0}
        invoice["nets"] = [self._net(line) for line in lines]
        bases: dict[tuple[str, str, float], float] = {}
        for line, net in zip(lines, invoice["nets"], strict=True):
            for tax in line.get("taxes_attributes", ()):
                if not re.fullmatch(r"[^\W\d_]+", tax.get("name") or "-"):
                    continue  # dropped in silence, reference 2.1
                family = (tax["name"], tax["category"], float(tax["percent"]))
                bases[family] = bases.get(family, 0.0) + net
        invoice["taxes"] = [
            {"name": f"{name} {rate:.2f}%", "percent": rate, "base": cents(base), "amount": cents(base * rate / 100)}
            for (name, _, rate), base in bases.items()
        ]
        invoice["subtotal"] = cents(sum(invoice["nets"]))
        invoice["total"] = cents(invoice["subtotal"] + sum(tax["amount"] for tax in invoice["taxes"]))
        self.invoices[invoice["id"]] = invoice
        return invoice

    def _net(self, line: Json) -> float:
        base = float(line["quantity"]) * float(line["price"]) / float(line.get("base_quantity", 1))
        for entry in line.get("allowance_charges_attributes", ()):
            size = float(entry.get("amount") or abs(base) * entry.get("percentage", 0) / 100)
            raises = (entry["allowance_charge_indicator"] == "charge") == (base >= 0)
            base += size if raises else -size
        return cents(base)

    def _shown(self, invoice: Json) -> Json:
        contact = self.contacts[int(invoice["contact_id"])]
        hidden = {"nets", "sent", "account", "contact_id", "invoice_lines_attributes"}
        shown = {name: value for name, value in invoice.items() if name not in hidden}
        return shown | {
            "contact": {"id": contact["id"], "name": contact["name"]},
            "errors": [],
            "account_id": invoice["account"],
        }

    def _next(self) -> int:
        self._last += 1
        return self._last
