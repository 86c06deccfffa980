"""The regression gate: ratios to the references and processor time for one command, held to those that are kept.

What is compared depends little on the machine: a rate is divided by its reference's of the same run, and budgets of
processor time are stretched by as much as the machine's speed, answers of R1 in a second of its processor time, differs
from the one that they were kept on. R1's rate would not do: whatever else ran while it was measured would be in it.
"""

from pathlib import Path

import msgspec

from ops.bench.figures import Report, WentWrong
from ops.bench.references.route import ROUTE

KEPT = Path(__file__).with_name("kept.json")
LOSS_MAX = 0.20
CROWD = "64 shoppers"
SMALLEST_MS = 0.05  # a part's budget for one command; below that the clock's own grain is seen

RATIOS: dict[str, tuple[str, str]] = {
    "cart to R4": ("cart", "R4"),
    "buy to R4": ("buy", "R4"),
    "drain to R2 consume": ("drain", "R2 consume"),
    "accept to R2 publish": ("accept", "R2 publish"),
    "detail to R1": ("detail", "R1"),
    "list to R1": ("list", "R1"),
}
BUDGETED = ("cart", "buy")
PARTS = ("edge", "worker", "mongod", "rabbitmq")


class Kept(msgspec.Struct, kw_only=True):
    """What later runs are held to.

    `speed`: R1's answers in a second of its own processor time; `budgets_ms`: processor milliseconds for one turn, by
    scenario and part.
    """

    at: str
    machine: dict[str, str]
    speed: float
    ratios: dict[str, float]
    budgets_ms: dict[str, dict[str, float]]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One of them, then and now. `loss`: the part of it that was lost; negative where it got better."""

    what: str
    kept: float
    now: float
    loss: float

    @property
    def passes(self) -> bool:
        """Whether the loss is one that noise may explain."""
        return self.loss <= LOSS_MAX


def taken_from(report: Report) -> Kept:
    """What is kept of a report."""
    ratios = {}
    for what, (name, reference) in RATIOS.items():
        figure = report.figure(name, CROWD) or report.figure(name)
        bare = report.figure(reference, CROWD) or report.figure(reference)
        if figure is not None and bare is not None:
            ratios[what] = figure.value / bare.value
    budgets = {}
    for name in BUDGETED:
        figure = report.figure(name, CROWD)
        if figure is not None:
            budgets[name] = by_part(figure.cpu_ms)
    bare = report.figure("R1", CROWD) or report.figure("R1")
    if bare is None or not bare.cpu_ms.get(ROUTE):
        raise WentWrong("the gate needs R1: it says how fast the machine is")
    speed = 1000 / bare.cpu_ms[ROUTE]
    return Kept(at=report.at, machine=report.machine, speed=speed, ratios=ratios, budgets_ms=budgets)


def require_calm(report: Report, calm: float | None) -> None:
    """Raises `WentWrong` where others used more than `calm` cores: what is kept then would excuse a loss later."""
    disturbed = [
        f"{figure.name} ({figure.elsewhere:.2f})"
        for figure in report.figures
        if calm is not None and figure.elsewhere > calm
    ]
    if disturbed:
        raise WentWrong(
            f"nothing is kept: others used more than {calm} cores during {', '.join(disturbed)};"
            " run it again with nothing beside it"
        )


def by_part(cpu_ms: dict[str, float]) -> dict[str, float]:
    """Processor time of all edges together, all workers, and the servers, however many processes they were."""
    sums = dict.fromkeys(PARTS, 0.0)
    for name, value in cpu_ms.items():
        part = name.split()[0]
        if part in sums:
            sums[part] += value
    return sums


def compare(kept: Kept, now: Kept) -> list[Compared]:
    """Each ratio and each budget that was kept. Raises `WentWrong` where this run did not measure it."""
    missing = [what for what in kept.ratios if what not in now.ratios]
    missing += [name for name in kept.budgets_ms if name not in now.budgets_ms]
    if missing:
        raise WentWrong(f"this run did not measure {', '.join(missing)}")
    compared = [
        Compared(what=what, kept=was, now=now.ratios[what], loss=1 - now.ratios[what] / was)
        for what, was in kept.ratios.items()
    ]
    for name, budgets in kept.budgets_ms.items():
        for part, was in budgets.items():
            if was >= SMALLEST_MS:
                value, budget = now.budgets_ms[name][part], was * kept.speed / now.speed
                # As for a rate: 1 ms that became 1.25 ms does a fifth less in a second, a loss of 20 %.
                if not value:
                    raise WentWrong(f"{name} took {part} no time at all: it was not measured")
                loss = 1 - budget / value
                compared.append(
                    Compared(what=f"{name}: {part}, ms of processor", kept=budget, now=value, loss=loss)
                )
    return compared


def read_kept(path: Path = KEPT) -> Kept:
    """What is kept in the repository. Raises `WentWrong` where nothing is."""
    if not path.is_file():
        raise WentWrong(f"{path} is not there: `quire bench --keep` writes it")
    return msgspec.json.decode(path.read_bytes(), type=Kept)


def write_kept(kept: Kept, path: Path = KEPT) -> None:
    """Keeps it, rounded to what a run can tell, so that the difference of two versions can be read."""
    rounded = Kept(
        at=kept.at,
        machine=kept.machine,
        speed=round(kept.speed),
        ratios={what: round(value, 3) for what, value in kept.ratios.items()},
        budgets_ms={
            name: {part: round(value, 3) for part, value in budgets.items()}
            for name, budgets in kept.budgets_ms.items()
        },
    )
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rounded), indent=2) + b"\n")
