from tests.support.builders import invoice
def test_a(house):
    house.issue(invoice("1"))
    print(house.told(), house.operations(), house.job().message)
    house.assert_issued("1")
def test_b(open_house):
    house = open_house(account_id="iberica")
    house.know_customer(invoice())
    house.take_in(invoice("1"))
    house.fault("drop_after", operation="create_invoice")
    house.world.switches.number_guard=False
    house.run()
    print(house.told(), house.operations(), house.job().message, house.job().status, house.audit()["duplicates"])
    house.assert_nothing_twice()
def test_frozen(house):
    from connector.domain.invoice import Payment
    house.know_customer(invoice())
    house.take_in(invoice("1"))
    house.fault("rate_limit", operation="create_invoice")
    house.drain()
    print(house.told(), house.job().reason, house.job().due_at)
    house.erp.alter("1", payment=Payment(iban="ES7921000813610123456789"))
    house.ledger.contacts.forget("main", house.job().contact_id)
    house.fault("unavailable_before", operation="list_contacts", times=3)
    house.run()
    print(house.told(), house.operations(), house.job().message, house.job().status)
    [r]=house.remote_invoices("F-1")
    print(r.fields)
    assert r.fields["bank_account"]["iban"]=="ES7921000813610123456789"
