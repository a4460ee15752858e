"""Issue the confirmed invoices of an ERP through B2Brouter, each exactly once."""

__version__ = "0.1.0"
