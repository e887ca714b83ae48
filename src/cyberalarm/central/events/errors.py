"""What can go wrong in the event store, each with a stable code and a next step."""

from __future__ import annotations

from cyberalarm.core.errors import CyberAlarmError


class EventStoreError(CyberAlarmError):
    """The event store could not do what was asked."""

    code = "event-store"


class StoreHeldError(EventStoreError):
    """Another process (or another part of this one) holds the store's folder."""

    code = "event-store-held"


class StoreNotRunningError(EventStoreError):
    """No store was set for this process."""

    code = "event-store-not-running"


class QueryFileError(EventStoreError):
    """A query file breaks the rules for query files. Names the file."""

    code = "event-query-file"


class QueryParameterError(EventStoreError):
    """A query was called with parameters that are not its own."""

    code = "event-query-parameters"


class EventTableError(EventStoreError):
    """A table given to the store has not the shape of stored events."""

    code = "event-table"


class StoreAwayError(EventStoreError):
    """The engine did not answer, or cannot now. `passing`: a moment later it may; `unsent`: nothing of the call reached it."""

    code = "event-store-away"

    def __init__(self, what: str, *, next_step: str = "", passing: bool = True, unsent: bool = False) -> None:
        super().__init__(what, next_step=next_step)
        self.passing = passing
        self.unsent = unsent
