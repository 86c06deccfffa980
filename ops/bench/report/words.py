"""Numbers and names as both the terminal and the page say them."""

from collections.abc import Iterator, Sequence

from ops.bench.figures import Figure, Report, Row


def amount(value: float) -> str:
    """Three digits or so."""
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def latencies(figure: Figure, *names: str) -> Iterator[str]:
    """Percentiles in milliseconds; nothing where there are none."""
    for name in names:
        yield f"{figure.latency_ms[name]:.1f}" if name in figure.latency_ms else ""


def by_part(figure: Figure, parts: Sequence[str]) -> Iterator[str]:
    """Cores and milliseconds for one, part by part."""
    for part in parts:
        yield f"{figure.cores[part]:.2f} / {figure.cpu_ms.get(part, 0.0):.2f}" if part in figure.cores else ""


def bound(row: Row, value: float | None) -> str:
    """An aim's bound with its direction."""
    return "" if value is None else f"{'≤' if row.at_most else '≥'} {amount(value)}"


def title(report: Report) -> str:
    """What was measured where."""
    on = report.machine
    settings = report.settings
    return (
        f"{settings['seconds']:g} s each, medians of {settings['repeats']}; {on['cores']} cores, {on['processor']};"
        f" edges {settings['edges']}, workers {' | '.join(settings['workers'])}"
    )
