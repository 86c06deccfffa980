"""What a failed write means: a conflict, a database that is away, or data that cannot be written."""

import random

from bson.errors import BSONError
from pymongo.errors import ConnectionFailure, ExecutionTimeout, OperationFailure, PyMongoError

# The driver's own errors, and what its encoder raises for data that BSON cannot hold (integers beyond 8 bytes,
# documents beyond 16 MB, broken text).
UNWRITABLE = (PyMongoError, BSONError, OverflowError, ValueError, TypeError)

CONFLICT_FIRST_S = 0.001
CONFLICT_MAX_S = 0.1
DOUBLINGS_MAX = 16  # a float overflows after a thousand
CONFLICTS_TOLD = 20  # so many in a row, a second or two of them, are worth a line in the log
NO_SUCH_TRANSACTION = 251


def is_conflict(error: BaseException) -> bool:
    """Another transaction was in the way (WriteConflict, LockTimeout, ...): redone, no attempt spent.

    The server labels these TransientTransactionError (MongoDB manual, "Production Considerations"). The driver puts
    the same label on a lost connection and a lost primary, which are not `OperationFailure`s.
    """
    return isinstance(error, OperationFailure) and error.has_error_label("TransientTransactionError")


def took_too_long(error: BaseException) -> bool:
    """The server ended a transaction before it was committed: redone as it was, it would take as long again.

    It lives `transactionLifetimeLimitSeconds`; what comes later is told NoSuchTransaction, which is a conflict, too.
    """
    return isinstance(error, OperationFailure) and error.code == NO_SUCH_TRANSACTION


def is_away(error: BaseException) -> bool:
    """The database does not answer, changes its primary, or cannot reach a majority: it will be back.

    A commit whose outcome is unknown is one of these: redone, it finds its own receipts.
    """
    if not isinstance(error, PyMongoError):
        return False
    return (
        isinstance(error, ConnectionFailure | ExecutionTimeout)
        or error.has_error_label("UnknownTransactionCommitResult")
        or error.has_error_label("RetryableWriteError")
        or error.timeout
    )


def conflict_delay(conflicts: int) -> float:
    """Seconds before a transaction that lost a conflict is tried again: jittered, so that two do not march in step."""
    return random.uniform(0, min(CONFLICT_MAX_S, CONFLICT_FIRST_S * 2.0 ** min(conflicts, DOUBLINGS_MAX)))
