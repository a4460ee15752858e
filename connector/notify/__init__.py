"""Telling people: alarms at once, the rest in digests, through the services that Apprise knows.

Facts are written to the ledger; what a recipient reads is made from them, in that person's language, when it goes.
"""
