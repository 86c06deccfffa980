"""Bringing titles in: the client behind `quire import`, and the seeding of an empty catalogue.

view = await run_import(path, url="http://127.0.0.1:8000", token=token, price="12.99", stock=20)
"""

from ops.imports.client import ImportFailed, run_import
from ops.imports.report import print_report
from ops.imports.seeding import load_directly, seed

__all__ = ["ImportFailed", "load_directly", "print_report", "run_import", "seed"]
