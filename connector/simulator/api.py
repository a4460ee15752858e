"""The routes of the API: method, path and operation. Operations name routes in faults and journal."""

import re
from typing import Final, NamedTuple

from connector.simulator import (
    accounts,
    contacts,
    directory,
    files,
    imports,
    invoice_list,
    invoices,
    reports,
    webhooks,
)
from connector.simulator.calls import Handler


class Route(NamedTuple):
    """A path with `{names}`; the handler's name is the operation."""

    pattern: re.Pattern[str]
    handler: Handler

    @property
    def operation(self) -> str:
        return self.handler.__name__


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of a request and the values in its path."""
    for route in _ROUTES.get((method, path.count("/")), ()):
        match = route.pattern.fullmatch(path)
        if match is not None:
            return route, match.groupdict()
    return None


def _route(path: str, handler: Handler) -> Route:
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    return Route(re.compile(pattern), handler)


# `/invoices/send_invoice/{id}` stands before the routes that would take `send_invoice` for an id.
_TABLE: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("GET", "/accounts", accounts.list_accounts),
    ("GET", "/accounts/{account}", accounts.read_account),
    ("PUT", "/accounts/{account}", accounts.update_account),
    ("GET", "/accounts/{account}/contacts", contacts.list_contacts),
    ("POST", "/accounts/{account}/contacts", contacts.create_contact),
    ("GET", "/contacts/{id}", contacts.read_contact),
    ("PUT", "/contacts/{id}", contacts.update_contact),
    ("DELETE", "/contacts/{id}", contacts.delete_contact),
    ("GET", "/accounts/{account}/invoices", invoice_list.list_invoices),
    ("POST", "/accounts/{account}/invoices", invoices.create_invoice),
    ("POST", "/accounts/{account}/invoices/import", imports.import_invoice),
    ("POST", "/invoices/send_invoice/{id}", invoices.send_invoice),
    ("GET", "/invoices/{id}", invoices.read_invoice),
    ("PUT", "/invoices/{id}", invoices.update_invoice),
    ("DELETE", "/invoices/{id}", invoices.delete_invoice),
    ("GET", "/invoices/{id}/validate", invoices.validate_invoice),
    ("POST", "/invoices/{id}/ack", invoices.acknowledge),
    ("POST", "/invoices/{id}/mark_as", invoices.mark_invoice),
    ("POST", "/invoices/{id}/add_attachment", invoices.add_attachment),
    ("GET", "/invoices/{id}/as/{format}", files.download_as),
    ("GET", "/attachments/download/{id}", files.download_legal),
    ("GET", "/attachments/{id}/{position}", files.download_attachment),
    ("POST", "/documents/validate", imports.validate_document),
    ("GET", "/directory/{country}/{value}", directory.look_up),
    ("GET", "/directory/{country}/{scheme}/{value}", directory.look_up),
    ("GET", "/schemes", directory.list_schemes),
    ("GET", "/document_types", directory.list_document_types),
    ("GET", "/transport_types", directory.list_transport_types),
    ("GET", "/accounts/{account}/transports", accounts.list_transports),
    ("POST", "/accounts/{account}/transports", accounts.enable_transport),
    ("GET", "/accounts/{account}/tax_reports", reports.list_tax_reports),
    ("GET", "/tax_reports/{id}", reports.read_tax_report),
    ("GET", "/accounts/{account}/tax_report_settings", accounts.list_report_settings),
    ("POST", "/accounts/{account}/tax_report_settings", accounts.create_report_settings),
    ("GET", "/accounts/{account}/tax_report_settings/{code}", accounts.read_report_settings),
    ("PUT", "/accounts/{account}/tax_report_settings/{code}", accounts.update_report_settings),
    ("DELETE", "/accounts/{account}/tax_report_settings/{code}", accounts.delete_report_settings),
    ("POST", "/web_hooks", webhooks.create_web_hook),
)
_ROUTES: Final[dict[tuple[str, int], list[Route]]] = {}
for _method, _path, _handler in _TABLE:
    _ROUTES.setdefault((_method, _path.count("/")), []).append(_route(_path, _handler))
