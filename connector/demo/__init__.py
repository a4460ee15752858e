"""The main job on show: a dozen invoices of an invented back office, each with a fate of its own.

`make demo`, or `python -m connector.demo`.
"""
