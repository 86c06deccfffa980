"""Python's garbage collector in processes that serve.

A full collection looks at every object there is: 100 ms for an edge or a worker with all its modules, about once a
second under load, because what a request makes lives long enough to count as old. Nobody is served meanwhile. Modules
and what they made at the start stay for good, so they are left out of it.
"""

import gc


def keep_what_stands() -> None:
    """Collects once, and leaves out of later collections whatever is there now; call it when all is set up."""
    gc.collect()
    gc.freeze()
