"""The APIs of Odoo and Dolibarr on a real port, over the databases that these ERPs made themselves.

What they answer, and what they write besides our fields, is taken from their documentation and source.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from tests.adapters.databases import execute, query

KEY = "0b67f1c2-the-key"


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Erp(Protocol):
    def answer(self, request: Request) -> tuple[int, Any]: ...


@dataclass
class OdooApi:
    """JSON-2 and JSON-RPC for `account.move`, with the errors of Odoo's own models."""

    database: str
    uid: int = 7
    requests: list[Request] = field(default_factory=list)
    error: tuple[int, Any] | None = None  # answered in place of anything else

    def answer(self, request: Request) -> tuple[int, Any]:
        self.requests.append(request)
        if self.error:
            return self.error
        if request.path == "/jsonrpc":
            return 200, self._rpc(request.body["params"])
        if not request.path.startswith("/json/2/account.move/"):
            return 404, {"name": "werkzeug.exceptions.NotFound", "message": "404 Not Found"}
        if request.headers.get("Authorization") != f"bearer {KEY}":
            return 401, _exception("werkzeug.exceptions.Unauthorized", "Invalid apikey")
        return self._call(request.path.rpartition("/")[2], request.body.pop("ids", []), request.body)

    def _rpc(self, call: dict[str, Any]) -> dict[str, Any]:
        if call["service"] == "common":
            _, user, key, _ = call["args"]
            return {"jsonrpc": "2.0", "result": self.uid if (user, key) == ("bot", KEY) else False}
        _, uid, key, model, method, positional, named = call["args"]
        assert (uid, key, model) == (self.uid, KEY, "account.move")
        status, result = self._call(method, positional[0] if positional else [], named)
        if status == 200:
            return {"jsonrpc": "2.0", "result": result}
        return {"jsonrpc": "2.0", "error": {"code": 200, "message": "Odoo Server Error", "data": result}}

    def _call(self, method: str, ids: list[int], arguments: dict[str, Any]) -> tuple[int, Any]:
        if method == "search_read":
            ids = [arguments["domain"][0][2]]
        known = set(query(self.database, "SELECT * FROM account_move LIMIT 1")[0])
        named = arguments["fields"] if method == "search_read" else arguments["vals"]
        for name in named:
            if name not in known:
                return 500, _exception("builtins.ValueError", f"Invalid field '{name}' on model 'account.move'")
        rows = query(self.database, "SELECT * FROM account_move WHERE id = ANY(:ids)", ids=ids)
        if method == "search_read":
            return 200, [{"id": row["id"], **{name: row[name] or False for name in named}} for row in rows]
        if not rows:
            return 404, _exception("odoo.exceptions.MissingError", "Record does not exist or has been deleted.")
        changes = ", ".join(f"{name} = :{name}" for name in named)
        execute(
            self.database,
            f"UPDATE account_move SET {changes}, write_uid = {self.uid},"
            " write_date = (now() AT TIME ZONE 'UTC') WHERE id = ANY(:ids)",
            ids=ids,
            **{name: value or None for name, value in named.items()},
        )
        return 200, True


@dataclass
class DolibarrApi:
    """`/invoices/{id}` and `/status`, as version 16 has them: a PUT replaces all extra fields."""

    database: str
    requests: list[Request] = field(default_factory=list)
    error: tuple[int, Any] | None = None

    def answer(self, request: Request) -> tuple[int, Any]:
        self.requests.append(request)
        if self.error:
            return self.error
        if request.headers.get("DOLAPIKEY") != KEY:
            return 401, {"error": {"code": 401, "message": "Unauthorized: Failed to login to API. Bad key"}}
        if request.path.endswith("/status"):
            return 200, {"success": {"code": 200, "dolibarr_version": "16.0.3", "access_locked": "0"}}
        number = int(request.path.rpartition("/")[2])
        entity = request.headers.get("DOLAPIENTITY", "1")  # else that of the key's user
        document = "SELECT 1 FROM llx_facture WHERE rowid = :key AND entity = :entity"
        if not query(self.database, document, key=number, entity=entity):
            return 404, {"error": {"code": 404, "message": "Not Found: Invoice not found"}}
        if request.method == "PUT":
            self._replace(number, request.body["array_options"])
        return 200, {"id": str(number), "array_options": self._fields(number)}

    def _fields(self, number: int) -> dict[str, Any] | list[Any]:
        rows = query(self.database, "SELECT * FROM llx_facture_extrafields WHERE fk_object = :key", key=number)
        own = {"rowid", "tms", "fk_object", "import_key"}
        return {f"options_{name}": value for name, value in rows[0].items() if name not in own} if rows else []

    def _replace(self, number: int, options: dict[str, Any]) -> None:
        values = {name.removeprefix("options_"): value or None for name, value in options.items()}
        execute(self.database, "DELETE FROM llx_facture_extrafields WHERE fk_object = :key", key=number)
        columns, binds = ", ".join(values), ", ".join(f":{name}" for name in values)
        execute(
            self.database,
            f"INSERT INTO llx_facture_extrafields (fk_object, {columns}) VALUES (:key, {binds})",
            key=number,
            **values,
        )


def _exception(name: str, message: str) -> dict[str, Any]:
    return {"name": name, "message": message, "arguments": [message], "context": {}, "debug": "Traceback …"}


@contextmanager
def serving(erp: Erp, *, certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Serve an ERP's API, over TLS with a certificate and its key; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, said = erp.answer(Request(self.command, self.path, dict(self.headers), body))
            told = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(told)))
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(told)

        do_GET = _serve  # noqa: N815
        do_POST = _serve  # noqa: N815
        do_PUT = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
