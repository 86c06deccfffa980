"""One small run from end to end, with everything real."""

import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ops.bench import Layout, Options, WentWrong
from ops.bench.figures import Figure, Report
from ops.bench.report import read, show, write
from ops.bench.run import KNOWN, rounds, run
from ops.bench.scenarios.carts import CART
from ops.servers import ServerMissing
from tests.conftest import missing

SMALL = Options(
    names=("R1", "cart", "buy", "flash", "drain", "detail"),
    seconds=0.5,
    warm_up_s=0.1,
    repeat=1,
    shoppers=(2,),
    rates=(20,),
    layout=Layout.of(2, ["carts,orders", "catalog,payments,shipments,notifications"]),
    waiting=200,
    rushing=60,
    titles=30,
)


async def measured(options: Options, tmp_path: Path) -> Report:
    """A run that must leave a report with a figure for everything, kept promises, and files."""
    screen = StringIO()
    console = Console(file=screen, width=200)
    try:
        report = await run(options, console)
    except ServerMissing as error:
        missing(error)
    for figure in report.figures:
        assert figure.value > 0, figure.key
        assert len(figure.values) == options.repeat, figure.key
    assert report.invariants
    assert not any(each.violations or each.skipped for each in report.invariants)
    show(report, console)
    assert "promises checked afterwards, all kept" in screen.getvalue()
    data, page = write(report, tmp_path)
    assert read(data) == report
    html = page.read_text()
    assert "Latency" in html
    assert not re.search(r"""(src|href)=["'](?!data:)""", html), "the page needs nothing else"
    return report


async def test_a_run_measures_checks_and_reports(tmp_path: Path) -> None:
    """Every scenario has its figure for every load and process, and six copies were sold to sixty shoppers."""
    report = await measured(SMALL, tmp_path)
    loads = {figure.key for figure in report.figures}
    assert loads == {
        "R1 2 shoppers",
        "detail 2 shoppers",
        "cart 2 shoppers",
        "cart open, 20/s",
        "buy 2 shoppers",
        "buy open, 20/s",
        "flash",
        "accept 2 shoppers",
        "drain",
    }
    flash = report.figure("flash")
    assert flash is not None
    assert (flash.also["sold"], flash.also["orders sent"]) == (6.0, 60.0)
    drain = report.figure("drain")
    assert drain is not None
    assert sum(size * many for size, many in drain.batches.items()) >= drain.also["commands"] >= 200
    cart = report.figure("cart", "2 shoppers")
    assert cart is not None
    assert {"edge 1", "edge 2", "worker 1", "worker 2", "mongod", "rabbitmq"} <= cart.cpu_ms.keys()


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("confirm", ["events", "poll", "changes"])
async def test_everything_in_two_rounds(
    confirm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All scenarios and references, with each way to hear of confirmed orders."""
    monkeypatch.setattr("ops.bench.scenarios.growth.ORDERS", (100, 6_000))
    monkeypatch.setattr("ops.bench.scenarios.growth.LINES", (1, 20))
    report = await measured(
        replace(SMALL, names=tuple(KNOWN), repeat=2, confirm=confirm, soak_minutes=0.1), tmp_path
    )
    assert {"growth 20 lines", "growth 6,000 orders", "soak 0.1 minutes"} <= {
        each.key for each in report.figures
    }
    assert any(row.what.startswith("worker 1 grew") for row in report.rows)


async def test_telemetry_is_measured_by_processes_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without and with it, and afterwards the stand is as it was."""
    monkeypatch.setattr("ops.bench.scenarios.telemetry.TURNS", ("off", "on"))
    monkeypatch.setenv("QUIRE_TRACE_RATIO", "1")
    report = await measured(replace(SMALL, names=("telemetry", "detail")), tmp_path)
    assert {figure.key for figure in report.figures} == {"telemetry off", "telemetry on", "detail 2 shoppers"}
    assert any(row.what.startswith("telemetry takes") for row in report.rows)


@pytest.mark.long
async def test_no_span_is_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where traces never reach the collector, what they cost was not measured."""
    monkeypatch.setattr("ops.bench.scenarios.telemetry.TURNS", ("off", "on"))
    monkeypatch.setenv("QUIRE_TRACE_RATIO", "0")
    with pytest.raises(WentWrong, match="no span"):
        await measured(replace(SMALL, names=("telemetry",)), tmp_path)


async def test_a_name_that_is_unknown_is_refused_before_anything_starts() -> None:
    """With those that there are."""
    with pytest.raises(WentWrong, match=r"nothing is called sell.*list, detail"):
        await run(Options(names=("sell",)), Console(file=StringIO()))


def test_an_open_loop_takes_a_third_of_its_own_round() -> None:
    """The machine's speed moves between rounds; what is asked of it moves along, under one name."""
    gathered: dict[str, list[Figure]] = {}
    rates = []
    tops = iter((900.0, 600.0))
    for _, scenario, load in rounds([CART], replace(SMALL, rates=(), repeat=2), gathered):
        if load.rate is None:
            figure = Figure(name=scenario.name, load=load.name, what="", value=next(tops))
            gathered.setdefault(figure.key, []).append(figure)
        else:
            rates.append((load.name, load.rate))
    assert rates == [("open, a third", 300.0), ("open, a third", 200.0)]
