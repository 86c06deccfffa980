"""Health checks, as a container's engine runs them: exit status 0 or 1, one line that says what is wrong.

    python -m ops.containers.health edge              its /health/ready answers 200
    python -m ops.containers.health worker GROUP      every queue of the group has a consumer, and its own
                                                      /health/ready answers 200 where QUIRE_METRICS_PORT is set

The broker is asked first: a group whose queues nobody consumes is what an operator must hear of, whatever its process
looks like. Where several workers share a group, that part of the check tells of the group, not of one of them.
"""

import asyncio
import http.client
import os
import sys

import aio_pika
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPError

from broker.topology import BY_NAME, Group

WITHIN_S = 4.0
DEFAULT_PORT = 8000


class Unhealthy(Exception):
    """What is wrong, in a sentence."""


def check_ready(what: str, port: int) -> None:
    """Returns where what answers on this port of 127.0.0.1 is ready. Raises `Unhealthy`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN_S)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        said = answer.read(2000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise Unhealthy(f"the {what} on port {port} does not answer: {error!r}") from error
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise Unhealthy(f"the {what} is not ready ({answer.status}): {said}")


async def check_group(rabbitmq_url: str, group: Group) -> None:
    """Returns where every queue of the group is consumed. Raises `Unhealthy`, within 4 s."""
    idle: list[str] = []
    last: Exception | None = None
    try:
        async with asyncio.timeout(WITHIN_S):
            for url in rabbitmq_url.split(","):
                try:
                    idle = await _without_consumer(url.strip(), group)
                except (*CONNECTION_EXCEPTIONS, AMQPError) as error:
                    last = error
                else:
                    break
            else:
                raise Unhealthy(f"no node of the broker could be asked: {last}")
    except TimeoutError as error:
        raise Unhealthy(f"the broker did not answer within {WITHIN_S:g} s") from error
    if idle:
        raise Unhealthy(f"nobody consumes {', '.join(idle)}")


async def _without_consumer(url: str, group: Group) -> list[str]:
    connection = await aio_pika.connect(url, client_properties={"connection_name": f"health of {group.name}"})
    async with connection:
        channel = await connection.channel()
        asked = [await channel.declare_queue(name, passive=True) for name in group.queues]
        return [queue.name for queue in asked if not queue.declaration_result.consumer_count]


def main(arguments: list[str]) -> int:
    """Exit status 0: healthy, 1: not, 2: wrong arguments."""
    try:
        match arguments:
            case ["edge"]:
                check_ready("edge", int(os.environ.get("QUIRE_PORT", DEFAULT_PORT)))
            case ["worker", name] if name in BY_NAME:
                asyncio.run(check_group(os.environ["QUIRE_RABBITMQ_URL"], BY_NAME[name]))
                if port := os.environ.get("QUIRE_METRICS_PORT"):
                    check_ready("worker", int(port))
            case _:
                sys.stderr.write(
                    f"usage: python -m ops.containers.health edge | worker {{{','.join(BY_NAME)}}}\n"
                )
                return 2
    except Unhealthy as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
