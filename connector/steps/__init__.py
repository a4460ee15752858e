"""The steps of an invoice's way, one verb per module.

In this order: validate, resolve_contact, create, verify, attach, send, record.

A step takes a `Case`, causes at most one effect at a time, each behind an intent, and leaves the job one stage
further or raises a `StepError`.
"""
