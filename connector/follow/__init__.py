"""After sending: what becomes of issued documents, told by webhooks and seen by looking, in ledger and ERP."""

from __future__ import annotations

from connector.follow.follower import Follower
from connector.follow.plan import Plan

__all__ = ["Follower", "Plan"]
