"""The last failure of each tunnel, in a file for the next manager: it has to know why a tunnel is down, too."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from pptpd_manager import privatefile
from pptpd_manager.keptfiles import KeptFiles
from pptpd_manager.reasons import REASONS, Failure

log = logging.getLogger(__name__)


class Failures:
    """What failed, and when in microseconds since 1970, by tunnel."""

    def __init__(self, files: KeptFiles, directory: str) -> None:
        """directory: of the file; it exists."""
        self._files, self._path = files, Path(directory, "failures")
        self._known = self._read()

    def recall(self, tunnel: str) -> Failure | None:
        """The last failure of that tunnel, None if there is none."""
        return self._known[tunnel][0] if tunnel in self._known else None

    def when(self, tunnel: str) -> int:
        """When that was; 0 if there is none."""
        return self._known[tunnel][1] if tunnel in self._known else 0

    def note(self, tunnel: str, failure: Failure | None) -> None:
        """That is the last failure of the tunnel, of this moment; with None it has none."""
        if failure is None:
            if self._known.pop(tunnel, None) is None:
                return
        else:
            self._known[tunnel] = failure, time.time_ns() // 1000
        self._write()

    def keep(self, tunnels: set[str]) -> None:
        """Forget all other tunnels."""
        if gone := self._known.keys() - tunnels:
            for tunnel in gone:
                del self._known[tunnel]
            self._write()

    def _write(self) -> None:
        def failed(error: OSError) -> None:
            log.warning("%s cannot be written, a new manager would not know why: %s", self._path, error.strerror)

        if not self._known:
            return self._files.remove(self._path)
        known = {tunnel: [f.reason.name, f.detail, when] for tunnel, (f, when) in self._known.items()}
        self._files.write(self._path, json.dumps(known).encode(), failed)

    def _read(self) -> dict[str, tuple[Failure, int]]:
        """What the last manager wrote; nothing of what another program may have."""
        try:
            known = json.loads(privatefile.read(self._path))
            return {
                str(tunnel): (Failure(REASONS[reason], str(detail)), int(when))
                for tunnel, (reason, detail, when) in known.items()
                if reason in REASONS  # that of another version may not be
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            log.warning("why the tunnels were down is lost: %s", error)
            self._files.remove(self._path)
            return {}
