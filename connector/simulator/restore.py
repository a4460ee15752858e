"""A world taken back from disk after the process ended, in whatever way."""

from connector.simulator.states import arm
from connector.simulator.tax_reports import await_authority
from connector.simulator.world import World


def restored(world: World) -> bool:
    """Fill an empty world from its file and take its timers up again; False where the file is new."""
    storage = world.storage
    if storage is None:
        return False
    for following in storage.documents("ids"):
        world.restore_ids(following)
    for found in storage.documents("directory"):
        world.add_directory_entry(found["value"], found["entry"])
    for account in storage.documents("Account"):
        world.add_account(account)
    for key in storage.documents("ApiKey"):
        world.add_key(key)
    for contact in storage.documents("Contact"):
        world.add_contact(contact)
    for report in storage.documents("TaxReport"):
        world.add_tax_report(report)
        await_authority(world, report)
    for invoice in storage.documents("Invoice"):
        world.add_invoice(invoice)
        arm(world, invoice)
    for hook in storage.documents("WebHook"):
        world.add_hook(hook)
    for entry in storage.documents("Entry"):
        world.journal.restore(entry)
    storage.unchanged()
    return bool(world.accounts)
