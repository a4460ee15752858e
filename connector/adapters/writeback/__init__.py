"""What goes back into an ERP, by one set of rules, and the places that it can go to.

`rules` says what is written and what is never written over; `columns`, `side_table` and the adapters' own modules
say where the values of a document stand and how they are locked; `options` are the settings that they share.
"""

from connector.adapters.writeback.rules import Fields, Slot, Target, WriteBack, refuse_others

__all__ = ["Fields", "Slot", "Target", "WriteBack", "refuse_others"]
