"""The gate: a fifth lost fails, less does not, and the machine's own speed is no loss."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.bench.figures import Figure, Report, WentWrong
from ops.bench.gate import (
    BUDGETED,
    PARTS,
    RATIOS,
    Kept,
    by_part,
    compare,
    read_kept,
    require_calm,
    taken_from,
    write_kept,
)
from ops.bench.run import GATED, KNOWN
from ops.cli import app

KEPT = Kept(
    at="2026-01-01T00:00:00+00:00",
    machine={},
    speed=10_000,
    ratios={"cart to R4": 5.0},
    budgets_ms={"cart": {"edge": 0.8, "worker": 0.5, "redis": 0.01}},
)


OTHERS = [("cart", 0.3), ("buy", 0.31)]


def now(speed: float = 10_000, ratio: float = 5.0, edge_ms: float = 0.8, worker_ms: float = 0.5) -> Kept:
    """A run like the one that is kept, but for what is told."""
    budgets = {"cart": {"edge": edge_ms, "worker": worker_ms, "redis": 0.05}}
    return Kept(at="", machine={}, speed=speed, ratios={"cart to R4": ratio}, budgets_ms=budgets)


def failing(run: Kept) -> list[str]:
    """What does not pass."""
    return [each.what for each in compare(KEPT, run) if not each.passes]


def test_the_same_run_passes() -> None:
    """And so does a better one."""
    assert failing(now()) == []
    assert failing(now(ratio=9.0, edge_ms=0.2)) == []


@pytest.mark.parametrize(("ratio", "lost"), [(4.01, []), (3.99, ["cart to R4"])])
def test_a_fifth_of_a_ratio(ratio: float, lost: list[str]) -> None:
    """It is the most that may be lost."""
    assert failing(now(ratio=ratio)) == lost


@pytest.mark.parametrize(("edge_ms", "lost"), [(0.99, []), (1.01, ["cart: edge, ms of processor"])])
def test_a_fifth_of_what_a_budget_buys(edge_ms: float, lost: list[str]) -> None:
    """Each part has a budget of its own."""
    assert failing(now(edge_ms=edge_ms)) == lost


def test_budgets_stretch_with_a_slower_machine() -> None:
    """At half the speed twice the time is no loss, and the old time would be a gain of nobody's."""
    assert failing(now(speed=5_000, edge_ms=1.6, worker_ms=1.0)) == []
    assert failing(now(speed=20_000)) == ["cart: edge, ms of processor", "cart: worker, ms of processor"]


def test_what_is_too_small_to_tell_is_not_compared() -> None:
    """A part that takes next to nothing may take five times that."""
    assert not any("redis" in each.what for each in compare(KEPT, now()))


def test_a_run_that_did_not_measure_it_does_not_pass() -> None:
    """It is refused by name."""
    without = Kept(at="", machine={}, speed=1, ratios={}, budgets_ms=KEPT.budgets_ms)
    with pytest.raises(WentWrong, match="cart to R4"):
        compare(KEPT, without)


def test_what_others_disturbed_is_not_kept() -> None:
    """It says what, and by how much."""
    figures = [Figure(name=name, load="", what="", value=1.0, elsewhere=cores) for name, cores in OTHERS]
    report = Report(at="today", machine={}, settings={}, figures=figures)
    with pytest.raises(WentWrong, match=r"during buy \(0.31\);"):
        require_calm(report, 0.3)
    require_calm(report, None)
    require_calm(report, 0.4)


def test_a_part_that_took_no_time_was_not_measured() -> None:
    """That is an error of the run, not a gain."""
    with pytest.raises(WentWrong, match="worker"):
        compare(KEPT, now(worker_ms=0.0))


def test_processes_of_a_part_share_its_budget() -> None:
    """Two workers are as dear as they are together; the generator is nobody's budget."""
    assert by_part({"worker 1": 0.3, "worker 2": 0.2, "edge": 0.8, "shoppers": 0.1, "redis": 0.1}) == {
        "edge": 0.8,
        "worker": 0.5,
        "mongod": 0.0,
        "rabbitmq": 0.0,
    }


def test_a_run_without_the_machines_speed_is_none() -> None:
    """R1 was not measured, or took no processor time that anybody saw."""
    for figures in ([], [Figure(name="R1", load="", what="", value=9_000.0)]):
        with pytest.raises(WentWrong, match="R1"):
            taken_from(Report(at="today", machine={}, settings={}, figures=figures))


def test_what_is_kept_is_what_was_measured(tmp_path: Path) -> None:
    """Written and read again, rounded to what a run can tell."""
    figures = [
        Figure(name="cart", load="64 shoppers", what="", value=600.0, cpu_ms={"edge": 0.80004}),
        Figure(name="R1", load="64 shoppers", what="", value=9_000.0, cpu_ms={"route": 0.05}),
        Figure(name="R4", load="", what="", value=200.0),
    ]
    kept = taken_from(Report(at="today", machine={"cores": "2"}, settings={}, figures=figures))
    write_kept(kept, tmp_path / "kept.json")
    again = read_kept(tmp_path / "kept.json")
    assert again.ratios == {"cart to R4": 3.0}
    assert again.budgets_ms["cart"]["edge"] == 0.8
    assert (again.speed, again.machine) == (20_000, {"cores": "2"})


def test_without_anything_kept_there_is_nothing_to_pass(tmp_path: Path) -> None:
    """It is said how to keep something."""
    with pytest.raises(WentWrong, match="--keep"):
        read_kept(tmp_path / "kept.json")


@pytest.mark.parametrize(("carts", "code"), [(480.5, 0), (479.5, 1)])
def test_the_command_says_so_with_its_exit_code(
    carts: float, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 where all passes, 1 where a fifth is lost: nightly runs look at nothing else."""
    kept = Kept(at="", machine={}, speed=20_000, ratios={"cart to R4": 3.0}, budgets_ms={})
    figures = [
        Figure(name="cart", load="64 shoppers", what="", value=carts),
        Figure(name="R1", load="64 shoppers", what="", value=9_000.0, cpu_ms={"route": 0.05}),
        Figure(name="R4", load="", what="", value=200.0),
    ]
    report = Report(at="today", machine={}, settings={}, figures=figures)
    monkeypatch.setattr("ops.cli.bench._measured", lambda *_: report)
    monkeypatch.setattr("ops.bench.gate.read_kept", lambda: kept)
    done = CliRunner().invoke(app, ["bench", "--check"])
    assert done.exit_code == code, done.output
    assert "cart to R4" in done.output


def test_a_run_is_held_or_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not both: it would be held to itself."""
    monkeypatch.setattr("ops.cli.bench._measured", lambda *_: pytest.fail("it was measured"))
    assert CliRunner().invoke(app, ["bench", "--check", "--keep"]).exit_code == 2


def test_the_gate_measures_all_that_is_kept_in_the_repository() -> None:
    """What `make bench-check` runs is known by name, and the file there can be held against it."""
    assert set(GATED) <= set(KNOWN)
    kept = read_kept()
    assert set(kept.ratios) == set(RATIOS)
    assert set(kept.budgets_ms) == set(BUDGETED)
    assert all(set(budgets) == set(PARTS) for budgets in kept.budgets_ms.values())
    assert all(each.passes for each in compare(kept, kept))
