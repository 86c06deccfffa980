"""Bare things in the same run, so that a figure means something on any machine.

R1  a Litestar route on Granian that answers 1 kB of JSON                          answers a second
R2  aio-pika: publish with confirm, consume with ack; our body, a quorum queue     messages a second, each way
R3  a PyMongo transaction of 100 guarded updates and 100 inserts                   transactions a second
R4  the naive way: a FastStream handler with a Beanie get and save a message       messages a second
"""

from ops.bench.references.naive import R4
from ops.bench.references.queue import R2
from ops.bench.references.route import R1
from ops.bench.references.transaction import R3
from ops.bench.scenarios.base import Scenario

REFERENCES: tuple[Scenario, ...] = (R1, R2, R3, R4)

__all__ = ["REFERENCES"]
