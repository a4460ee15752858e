"""The work of issuing: what runs how often, how much at once, and how faults are repeated."""

from __future__ import annotations

from pydantic import Field

from config.sections.section import Section


class RetrySettings(Section):
    """How transient faults are repeated."""

    attempts: int = Field(5, ge=1, le=20, description="Tries per step before a person is asked.")
    base: float = Field(2.0, gt=0, description="Seconds before the first repetition, doubled each time.")
    cap: float = Field(300.0, gt=0, description="Longest pause, in seconds.")


class WorkerSettings(Section):
    """How the work is done."""

    threads: int = Field(16, ge=1, le=256, description="Invoices in flight at once, per account and worker.")
    drain_seconds: float = Field(60, gt=0, description="After this long a worker gives other accounts a turn.")
    lease_seconds: float | None = Field(
        None,
        gt=0,
        description="How long a job stays with a worker that gives no sign of life; at least twice the time-out, "
        "by default that and 15 seconds.",
    )


class SchedulerSettings(Section):
    """What runs how often."""

    discover_every: float = Field(60, gt=0, description="Seconds between looks into each ERP.")
    sweep_every: float = Field(
        86400,
        gt=0,
        description="Seconds between full sweeps, which find what late commits and back-dating hid.",
    )
    overlap: float = Field(
        900, ge=0, description="Seconds that each look goes back before the last one, for late commits."
    )
    recheck_batch: int = Field(
        1000,
        ge=1,
        description="Most held documents that one look reads again, to see whether the ERP was cured; "
        "where more are held, the next look goes on from there.",
    )
    compare_days: int = Field(
        400,
        ge=0,
        description="Days after sending in which a document is compared with the ERP again; 0: never.",
    )
    compare_batch: int = Field(
        200,
        ge=1,
        description="Most issued documents that one look compares in its round, and most of those whose "
        "time of change moved.",
    )
