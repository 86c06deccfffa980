"""Whoever serves beside others does not interrupt them."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from structlog.testing import CapturingLogger

from ops.scheduling import interrupt_nobody, interrupting_nobody
from ops.servers import RabbitMQ

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="SCHED_BATCH is Linux's")


def test_a_thread_and_those_it_starts_wait_for_their_turn() -> None:
    """The others of the process stay as they are."""
    policies: list[int] = []

    def begin() -> None:
        interrupt_nobody()
        other = threading.Thread(target=lambda: policies.append(os.sched_getscheduler(0)))
        other.start()
        other.join()
        policies.append(os.sched_getscheduler(0))

    with ThreadPoolExecutor(1) as pool:
        pool.submit(begin).result()
    assert policies == [os.SCHED_BATCH, os.SCHED_BATCH]
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_where_it_is_forbidden_all_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox may forbid it; the edge serves all the same, and its log says so."""

    def forbidden(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    log = CapturingLogger()
    monkeypatch.setattr("ops.scheduling.log", log)
    monkeypatch.setattr(os, "sched_setscheduler", forbidden)
    interrupt_nobody()
    assert [(call.args, call.kwargs) for call in log.calls] == [
        (("scheduling.as_before",), {"error": "[Errno 1] Operation not permitted"})
    ]


def test_another_choice_is_kept() -> None:
    """An administrator may have put the edge behind everybody else."""
    policies: list[int] = []

    def begin() -> None:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        interrupt_nobody()
        policies.append(os.sched_getscheduler(0))

    other = threading.Thread(target=begin)
    other.start()
    other.join()
    assert policies == [os.SCHED_IDLE]


@pytest.mark.parametrize("chrt", [("false",), ("a program that is not there",)])
def test_where_it_is_forbidden_a_server_starts_as_before(
    chrt: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox may forbid it, and small systems lack the program."""
    monkeypatch.setattr("ops.scheduling.CHRT", chrt)
    assert interrupting_nobody.__wrapped__() == ()


def test_a_command_starts_so() -> None:
    """It, and nobody else."""
    asked = (sys.executable, "-c", "import os; print(os.sched_getscheduler(0))")
    assert int(subprocess.check_output((*interrupting_nobody(), *asked))) == os.SCHED_BATCH
    assert int(subprocess.check_output(asked)) == os.SCHED_OTHER


def test_a_rabbitmq_of_our_own_does(rabbitmq: RabbitMQ) -> None:
    """Each of its threads; the process that is watched and signalled is still the node itself."""
    threads = [each.id for each in psutil.Process(rabbitmq.pid).threads()]
    assert {os.sched_getscheduler(each) for each in threads} == {os.SCHED_BATCH}
    assert psutil.Process(rabbitmq.pid).name() == "beam.smp"
