"""Sender that empties a spool into MLflow in order, as far as MLflow accepts it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from radsweep.errors import InputError
from radsweep.tracking.address import prepare, sanitise_uri
from radsweep.tracking.runs import Sender, trouble
from radsweep.tracking.spool import Spool, number_of_entries

logger = logging.getLogger(__name__)


class Delivery:
    """Sender of a spool; it remembers the sweep's runs between calls."""

    def __init__(self, spool: Spool, uri: str, store: Path, turn: Callable[[], object] = lambda: None) -> None:
        """`turn` returns when an entry may be sent."""
        self._spool, self._uri, self._store, self._turn = spool, uri, store, turn
        self._sender: Sender | None = None
        self.sent = 0

    def send_waiting(self) -> str | None:
        """Send until the spool is empty or MLflow fails; return None or the reason, without secrets."""
        try:
            with self._spool.sending() as ours:
                if not ours:
                    return "is being written to by another process"
                while waiting := self._spool.waiting():
                    for path in waiting:
                        self._send(path)
        except Exception as error:  # whatever it is, the sweep continues and the entries stay
            self._sender = None
            return trouble(error)[0]
        return None

    def _send(self, path: Path) -> None:
        """Send all of a file; if MLflow fails on the way, the file stays and is sent again from its start."""
        for entry in self._spool.read(path):
            self._turn()
            try:
                if self._sender is None:
                    self._sender = Sender(prepare(self._uri, self._store), self._store)
                self._sender.send(entry)
            except Exception as error:
                reason, refused = trouble(error)
                if not refused:
                    raise
                self._spool.set_aside(entry)
                logger.warning("MLflow at %s %s; set aside in %s/refused", sanitise_uri(self._uri), reason, path.parent)
        path.unlink()
        self.sent += number_of_entries(path)


def replay(folder: Path, uri: str, store: Path) -> int:
    """Send what a sweep left in its spool folder; return the number of entries sent.

    Raises:
        InputError: MLflow is away; what was not sent stays.
    """
    delivery = Delivery(Spool(folder), uri, store)
    if reason := delivery.send_waiting():
        raise InputError(f"MLflow at {sanitise_uri(uri)} {reason}; {Spool(folder).left} entries wait")
    return delivery.sent
