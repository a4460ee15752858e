"""The status page: what the stand-in holds and what it is doing, for a browser or a phone."""

from collections.abc import Awaitable, Callable, Iterable
from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse

from connector.simulator.documents import Invoice
from connector.simulator.files import buyer
from connector.simulator.journal import Entry
from connector.simulator.switches import Switches, choices
from connector.simulator.world import World

_ROWS: Final = 40
_GOOD: Final = frozenset({"sent", "issued", "registered", "accepted", "paid", "closed", "read"})
_BAD: Final = frozenset({"error", "refused", "discarded", "invalid"})

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #667085; --line: #dfe3ea; --paper: #fff;
  --ground: #f4f6f9; --good: #157347; --bad: #b3261e; --wait: #8a5a00 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #2f3847;
  --paper: #1b212b; --ground: #12161d; --good: #58c28c; --bad: #ff8a80; --wait: #e6b35a } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", sans-serif }
.band { padding: .55rem 1rem; color: #1d1600; font-weight: 600; text-align: center;
  background: repeating-linear-gradient(-45deg, #ffd34d 0 14px, #ffc21a 14px 28px) }
main { max-width: 1100px; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.25rem; margin: .5rem 0 1rem }
h2 { font-size: 1rem; margin: 1.6rem 0 .5rem }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem }
.facts div { background: var(--paper); border: 1px solid var(--line); border-radius: 8px;
  padding: .6rem .8rem }
.facts b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums }
.facts span, .soft { color: var(--soft); font-size: .85rem }
.wide { overflow-x: auto; background: var(--paper); border: 1px solid var(--line); border-radius: 8px }
table { border-collapse: collapse; width: 100% }
th, td { padding: .38rem .7rem; text-align: left; white-space: nowrap; border-top: 1px solid var(--line) }
thead th { border-top: 0; color: var(--soft); font-weight: 500; font-size: .82rem }
.number { text-align: right; font-variant-numeric: tabular-nums }
td.text { white-space: normal; min-width: 12rem }
.good { color: var(--good) } .bad { color: var(--bad) } .wait { color: var(--wait) }
.none { margin: 0; padding: .7rem .9rem; color: var(--soft) }
code { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .88em }
"""


def status_page(world: World) -> Callable[[Request], Awaitable[HTMLResponse]]:
    async def page(_: Request) -> HTMLResponse:
        with world.lock:
            return HTMLResponse(render(world))

    return page


def render(world: World) -> str:
    sections = (
        _facts(world),
        _section("Recent invoices", _invoices(world)),
        _section("Recent requests", _requests(world)),
        _section("Faults in force", _faults(world)),
        _section("Switches", _switches(world.switches)),
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Simulator</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="refresh" content="10">'
        f"<style>{_STYLE}</style></head><body>"
        '<div class="band">Simulator: nothing leaves this machine</div><main>'
        f"<h1>Stand-in for the B2Brouter API</h1>{''.join(sections)}</main></body></html>"
    )


def _facts(world: World) -> str:
    sent = sum(1 for invoice in world.invoices.values() if invoice.sent_times)
    facts = {
        "accounts": len(world.accounts),
        "contacts": len(world.contacts),
        "invoices": len(world.invoices),
        "of them sent": sent,
        "requests noted": len(world.journal),
        "simulated time": world.clock.now().strftime("%H:%M:%S"),
    }
    return (
        '<div class="facts">'
        + "".join(f"<div><b>{value}</b><span>{name}</span></div>" for name, value in facts.items())
        + "</div>"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _table(heads: Iterable[tuple[str, str]], rows: list[list[str]], none: str) -> str:
    """A table of ready cells; heads are (title, class of the column)."""
    if not rows:
        return f'<div class="wide"><p class="none">{none}</p></div>'
    columns = list(heads)
    head = "".join(f'<th class="{kind}">{title}</th>' for title, kind in columns)
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{kind}">{cell}</td>' for (_, kind), cell in zip(columns, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _invoices(world: World) -> str:
    newest = list(world.invoices.values())[-_ROWS:][::-1]
    heads = [("Number", ""), ("Account", "number"), ("Recipient", "text"), ("State", ""), ("Date", "")]
    amounts = [("Subtotal", "number"), ("Taxes", "number"), ("Total", "number"), ("", "")]
    return _table([*heads, *amounts], [_invoice_cells(world, invoice) for invoice in newest], "No invoice yet.")


def _invoice_cells(world: World, invoice: Invoice) -> list[str]:
    totals, (name, _) = invoice.totals, buyer(world, invoice)
    return [
        f"<b>{escape(invoice.number)}</b>",
        str(invoice.account_id),
        escape(name),
        f'<span class="{_mood(invoice.state)}">{invoice.state}</span>',
        invoice.issue_date.isoformat(),
        f"{totals.subtotal:f}",
        f"{totals.total - totals.subtotal - totals.untaxed:f}",
        f"<b>{totals.total:f}</b>",
        invoice.currency,
    ]


def _requests(world: World) -> str:
    heads = [("Time", ""), ("Method", ""), ("Path", ""), ("Status", "number"), ("Number", ""), ("Fault", "")]
    rows = [_request_cells(entry) for entry in world.journal.newest(_ROWS)]
    return _table(heads, rows, "No request yet.")


def _request_cells(entry: Entry) -> list[str]:
    status = str(entry.status) if entry.status is not None else "" if entry.method == "TIMER" else "cut"
    mood = "bad" if status == "cut" or status >= "400" else "good"
    change = next((effect for effect in entry.effects if effect.get("after")), None)
    path = f"{change['before']} → {change['after']}" if entry.method == "TIMER" and change else entry.path
    return [
        entry.at.strftime("%H:%M:%S"),
        entry.method,
        f"<code>{escape(path)}</code>",
        f'<span class="{mood}">{status}</span>',
        escape(entry.number or ""),
        f'<span class="wait">{escape(entry.fault or "")}</span>',
    ]


def _faults(world: World) -> str:
    heads = [("Kind", ""), ("For", "text"), ("How often", ""), ("Struck", "number")]
    rows = []
    for rule in world.faults.rules:
        about = [rule.method, rule.path, rule.operation, rule.number]
        often = "always" if rule.times is None else f"{rule.times} more"
        if rule.probability < 1:
            often += f", {rule.probability:.0%} of requests"
        target = " ".join(escape(part) for part in about if part) or "every request"
        rows.append([rule.kind.value, target, often, str(rule.struck)])
    return _table(heads, rows, "None: every request is answered as it should be.")


def _switches(switches: Switches) -> str:
    defaults = Switches().as_dict()
    rows = [
        [
            f"<code>{name}</code>",
            f"<b>{escape(str(value))}</b>" if value != defaults[name] else escape(str(value)),
            f'<span class="soft">{escape(choices(name))}</span>',
        ]
        for name, value in switches.as_dict().items()
    ]
    return _table([("Switch", ""), ("Value", ""), ("Takes", "")], rows, "")


def _mood(state: str) -> str:
    if state in _GOOD:
        return "good"
    return "bad" if state in _BAD else "wait"
