"""Was an insert refused for what is in the rows, or could the engine not take any now? Read from the engine's own error code.

What is in neither list counts as "not now": trying again loses nothing, and calling lawful rows unlawful would.
"""

from __future__ import annotations

import re

from clickhouse_connect.driver.exceptions import ClickHouseError

# src/Common/ErrorCodes.cpp of ClickHouse: what an engine says of values, never of its disk, memory, network or load.
_OF_VALUES = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        32,  # ATTEMPT_TO_READ_AFTER_EOF
        33,  # CANNOT_READ_ALL_DATA
        34,  # TOO_MANY_ARGUMENTS_FOR_FUNCTION, which constraints may raise
        43,  # ILLEGAL_TYPE_OF_ARGUMENT
        44,  # ILLEGAL_COLUMN
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        117,  # INCORRECT_DATA
        131,  # TOO_LARGE_STRING_SIZE
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        469,  # VIOLATED_CONSTRAINT
    }
)
_CODE = re.compile(r"\bCode: (\d+)")


def for_its_values(error: BaseException) -> bool:
    """Whether the engine refused what it was given, rather than failed to store it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ClickHouseError):
        cause = cause.__cause__
    found = _CODE.search(str(cause)) if cause is not None else None
    return found is not None and int(found.group(1)) in _OF_VALUES
