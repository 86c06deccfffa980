"""The report as one page: the plots stand within it, so it can be sent to somebody or kept as it is."""

from pathlib import Path

from jinja2 import Environment, StrictUndefined

from ops.bench.figures import Report
from ops.bench.report.plots import plots
from ops.bench.report.words import amount, bound, by_part, latencies, title

TEMPLATE = Path(__file__).with_name("page.html.jinja")


def page(report: Report) -> str:
    """HTML that loads nothing."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    parts = list(dict.fromkeys(part for figure in report.figures for part in figure.cores))
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        report=report,
        title=title(report),
        plots=plots(report),
        parts=parts,
        amount=amount,
        bound=bound,
        by_part=by_part,
        latencies=latencies,
    )
