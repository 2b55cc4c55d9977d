"""pppd's option files on disk: /run/pptp-manager/NAME.options, for root's eyes only."""

from __future__ import annotations

from pathlib import Path

from pptpd_manager import privatefile, reasons
from pptpd_manager.programs import which
from pptpd_manager.reasons import Failure

# Where pppd and pptp are looked for: the PATH that systemd gives pptp@.service.
PROGRAMS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class OptionFiles:
    """The option files in one directory, which exists."""

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)

    def write(self, tunnel: str, text: bytes) -> Failure | None:
        """Put text in the tunnel's file, atomically and 0600; or say why a dial could not come of it."""
        for program, reason in (("pppd", reasons.PPPD_MISSING), ("pptp", reasons.PPTP_MISSING)):
            if not which(program, PROGRAMS_PATH):
                return Failure(reason)
        path = self._path(tunnel)
        try:
            privatefile.write(path, text)
        except OSError as error:
            return Failure(reasons.OPTIONS_NOT_WRITTEN, reasons.printable(f"{path}: {error.strerror}"))
        return None

    def rewrite(self, tunnel: str, text: bytes) -> None:
        """Put text in the place of the tunnel's file. Raises OSError."""
        privatefile.write(self._path(tunnel), text)

    def read(self, tunnel: str) -> bytes:
        """The tunnel's file; b"" when there is none that can be one of ours."""
        try:
            return privatefile.read(self._path(tunnel))
        except OSError:
            return b""

    def remove(self, tunnel: str) -> None:
        """Remove the tunnel's file, if there is one."""
        privatefile.remove(self._path(tunnel))

    def remove_drafts(self) -> None:
        """Remove what a manager that was killed had begun to write: there may be a password in it."""
        for path in self._directory.glob("*.new"):
            privatefile.remove(path)

    def tunnels(self) -> list[str]:
        """The tunnels that have a file."""
        return sorted(path.stem for path in self._directory.glob("*.options"))

    def _path(self, tunnel: str) -> Path:
        return privatefile.path_of(self._directory, f"{tunnel}.options")
