"""Tax reports: the minimum that a sent invoice leaves at a tax authority.

Source: the vendor's SDK (settings, fields) and guides (states by family).
"""

from datetime import timedelta

from connector.simulator.documents import Account, Fields, Invoice, TaxReport
from connector.simulator.world import World

_FIRST_STATE = {"dgfip": "new"}


def settings_that_report(account: Account) -> list[Fields]:
    """The settings under which sending an invoice makes and sends a report."""
    return [
        settings
        for settings in account.tax_report_settings.values()
        if settings.get("enabled", True) and settings.get("auto_generate", True) and settings.get("auto_send", True)
    ]


def report_on(world: World, invoice: Invoice) -> None:
    """Make a report for each enabled setting; the authority answers later."""
    now = world.clock.now()
    for settings in settings_that_report(world.accounts[invoice.account_id]):
        code = str(settings["code"]).lower()
        state = _FIRST_STATE.get(code, "processing")
        report = TaxReport(world.next_id("tax_report"), invoice.account_id, invoice.id, code, now, now, state)
        world.add_tax_report(report)
        invoice.tax_report_ids.append(report.id)
        world.effect("tax_report", "created", report.id, number=invoice.number)
        await_authority(world, report)


def await_authority(world: World, report: TaxReport) -> None:
    """Have the authority register a report in its time; also after a restart."""
    if report.state != "registered":
        wait = timedelta(seconds=world.switches.network_seconds / world.switches.speed)
        world.at(report.created_at + wait, lambda: _register(world, report))


def _register(world: World, report: TaxReport) -> None:
    report.state = "registered"
    report.updated_at = world.clock.now()
    world.announce("tax_report.state_change", report.account_id, report.id, report.state)
    world.save(report)
