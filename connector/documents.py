"""The documents of one source as the threads of a worker read them again: what they ask for at once is one look."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from connector.domain.errors import ConnectorError, DocumentNotUsableError, OutsideError
from connector.domain.invoice import Invoice
from connector.ports import Adapter
from connector.together import Together

log = logging.getLogger(__name__)

Found = Mapping[str, Invoice | DocumentNotUsableError]


def load_each(adapter: Adapter, keys: Sequence[str]) -> Found:
    """Return documents to be compared; one that breaks the adapter is not usable, and keeps no other from being read.

    Raises:
        ConnectorError: as `Adapter.load`.
    """
    try:
        return adapter.load(keys)
    except ConnectorError:
        raise
    except Exception as error:
        if len(keys) > 1:
            return {name: document for key in keys for name, document in load_each(adapter, [key]).items()}
        log.exception("document %s of the ERP breaks its adapter", *keys)
        unusable = f"Document {keys[0]} of the ERP cannot be read: {error!r}."
        return {keys[0]: DocumentNotUsableError(unusable, key=keys[0])}


class Documents:
    """Reads documents as they stand after they were asked for, never as somebody else saw them before."""

    def __init__(self, adapter: Adapter) -> None:
        """Read with an adapter."""
        self._adapter = adapter
        self._together = Together(self._look)

    def read(self, key: str) -> Invoice | DocumentNotUsableError | None:
        """Return a document, or what is wrong with it; None where it is gone.

        Raises:
            OutsideError: the ERP cannot be read; then nobody who asked meanwhile gets an answer.
        """
        return self._together.do(key).get(key)

    def _look(self, keys: Sequence[str]) -> Sequence[Found | Exception]:
        """Read several; where one of them breaks the adapter, the others are read without it."""
        try:
            return [self._adapter.load(list(dict.fromkeys(keys)))] * len(keys)
        except OutsideError:
            raise
        except Exception:
            if len(keys) == 1:
                raise
            return [self._alone(key) for key in keys]

    def _alone(self, key: str) -> Found | Exception:
        try:
            return self._adapter.load([key])
        except Exception as error:  # noqa: BLE001 - whoever asked for this one raises it
            return error
