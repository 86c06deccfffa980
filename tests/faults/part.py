"""An edge or a worker as a process of a stand: `python -m tests.faults.part edge|worker`.

It is `quire edge` or `quire worker` with points to die at, and with a planted bug where a test asks for one.
"""

import os
import sys
from pathlib import Path

from broker.topology import RETRY_TIERS
from ops.cli import main
from tests.faults import bugs, points

FOLDER = "QUIRE_TEST_FOLDER"
GATEWAY = "QUIRE_TEST_GATEWAY"
BUG = "QUIRE_TEST_BUG"
TIERS = "QUIRE_TEST_TIERS"


def points_here() -> points.Points:
    """The points of this process."""
    return points.Points(Path(os.environ[FOLDER]))


def prepare(kind: str) -> None:
    """Wraps the product's functions in this process."""
    folder = Path(os.environ[FOLDER])
    for tier, delay_s in zip(RETRY_TIERS, os.environ[TIERS].split(","), strict=True):
        object.__setattr__(tier, "delay_s", float(delay_s))
    bug = os.environ.get(BUG)
    if bug:
        bugs.plant(bug, kind)
    if kind == "edge":
        points.install_in_edge(folder)
    else:
        points.install_in_worker(folder, Path(os.environ[GATEWAY]))


def run() -> None:
    """What the command line asks for."""
    prepare(sys.argv[1])
    main()


if __name__ == "__main__":
    run()
