"""A processor of the host for each guest.

A guest's kernel and its processes take turns, with each system call: between two processes of the host, which costs
three to four times as much when they are on two processors.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lock import AT_ONCE, EXCLUSIVE, locked


@contextmanager
def claimed(folder: Path) -> Iterator[int]:
    """The number of a processor that no other guest has; when they have all of them, of any. folder: for locks."""
    usable = list(os.sched_getaffinity(0))
    random.shuffle(usable)  # others may do the same where our locks are not seen
    with ExitStack() as held:
        for number in usable:
            file = folder / f"cpu-{number}"
            file.touch()
            try:
                held.enter_context(locked(file, EXCLUSIVE | AT_ONCE))
            except BlockingIOError:
                continue
            yield number
            return
        yield random.choice(usable)
