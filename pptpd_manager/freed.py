"""What CPython keeps of tuples that are gone, given back now and then.

It keeps up to 2,000 freed tuples of each length for the next ones (tupleobject.c, PyTuple_MAXFREELIST). PyGObject
makes a callback's arguments longer than it hands them on, so they are never such a tuple and always become one: some
hundred bytes are left of each call that GLib makes of a Python function, until there are a quarter of a megabyte. A
full collection frees them. It takes a fraction of a millisecond, since what is there at the start is not looked at.
"""

from __future__ import annotations

import gc
import itertools

_EACH = 250  # calls, which leave some 25 kB

_calls = itertools.count(1)


def called() -> None:
    """GLib has called a Python function."""
    if not next(_calls) % _EACH:
        gc.collect()
