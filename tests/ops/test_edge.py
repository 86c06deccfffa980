"""The edge's process."""

import subprocess
import sys


def test_it_loads_no_worker() -> None:
    """Handlers and FastStream are a worker's: each edge would carry 10 MB of them for nothing."""
    asked = "import sys, ops.edge; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"app", "broker", "litestar"} <= loaded
    assert not loaded & {"handlers", "faststream"}
