"""What the embedded broker refuses, in the words and numbers of AMQP 0-9-1."""


class RefusedError(Exception):
    """The broker closes the channel with `code` and `text`, as RabbitMQ does.

    Codes: 403 ACCESS_REFUSED, 404 NOT_FOUND, 405 RESOURCE_LOCKED, 406 PRECONDITION_FAILED, 503
    COMMAND_INVALID, 540 NOT_IMPLEMENTED (AMQP 0-9-1, section 1.2).
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


def not_found(kind: str, name: str) -> RefusedError:
    """No `kind` (queue, exchange) of that name stands on the broker."""
    return RefusedError(404, f"NOT_FOUND - no {kind} '{name}' in vhost '/'")


def precondition_failed(text: str) -> RefusedError:
    """The request contradicts what stands on the broker."""
    return RefusedError(406, f"PRECONDITION_FAILED - {text}")


def locked(name: str) -> RefusedError:
    """An exclusive queue belongs to another connection."""
    return RefusedError(
        405, f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost '/'"
    )
