"""The report as files: `report.json`, which comparisons read, and `report.html`, one page that needs nothing else."""

from pathlib import Path

import msgspec

from ops.bench.figures import Report


def write(report: Report, out: Path) -> list[Path]:
    """Writes both; where they are."""
    from ops.bench.report.page import page  # noqa: PLC0415 - matplotlib takes a second

    out.mkdir(parents=True, exist_ok=True)
    data, html = out / "report.json", out / "report.html"
    data.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    html.write_text(page(report), encoding="utf-8")
    return [data, html]


def read(path: Path) -> Report:
    """A report that was written earlier."""
    return msgspec.json.decode(path.read_bytes(), type=Report)
