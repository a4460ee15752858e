"""Reading tax reports."""

from connector.simulator.calls import Answer, Call, listed, single
from connector.simulator.render import tax_report_view


def list_tax_reports(call: Call) -> Answer:
    account = call.account()
    wanted = call.query.get("invoice_id")
    found = [
        report
        for report in call.world.tax_reports.values()
        if report.account_id == account.id and wanted in {None, str(report.invoice_id)}
    ]
    if (since := call.instant("updated_at_from")) is not None:
        found = [report for report in found if report.updated_at >= since]
    found.reverse()
    offset, limit = call.page()
    rows = [tax_report_view(call, report) for report in found[offset : offset + limit]]
    return listed(call, "tax_reports", rows, len(found))


def read_tax_report(call: Call) -> Answer:
    return single(call, "tax_report", tax_report_view(call, call.tax_report()))
