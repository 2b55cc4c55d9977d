"""Where the tunnels' passwords come from: the configuration, a file, a credential of systemd, somebody who is asked.

Credentials are decrypted, and people asked, by programs of systemd that run as services (transient.py). What they
print goes into a memfd(2) that systemd is handed over the bus: the password itself is in no message, on no command
line, in no environment and on no disk. A password that somebody gave is kept for the redials, in memory and, for the
next manager, in /run/pptp-manager/NAME.password, until the tunnel is not wanted any more (machine.py says when).
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from pptpd_manager import journal, passwordfile, privatefile, reasons, secret
from pptpd_manager.config import TunnelConfig
from pptpd_manager.events import PROMPT_SECONDS
from pptpd_manager.keptfiles import KeptFiles
from pptpd_manager.labels import unit_name
from pptpd_manager.reasons import Failure
from pptpd_manager.transient import EXITED, End, Transient

log = logging.getLogger(__name__)

CREDENTIAL_SECONDS = 20.0  # a TPM takes a second or two
_GRACE_SECONDS = 10.0  # for a program that ends by itself
_NO_STATUS, _CREDENTIALS_STATUS = 1, 243  # EXIT_FAILURE and EXIT_CREDENTIALS of systemd.exec(5)

Then = Callable[[bytes | Failure], None]


class Passwords:
    """What is known of the tunnels' passwords, by tunnel."""

    def __init__(self, transient: Transient, files: KeptFiles, directory: str) -> None:
        """directory: of the files; it exists."""
        self._transient, self._files, self._directory = transient, files, Path(directory)
        self._kept: dict[str, bytes] = {}
        self._asking: dict[str, object] = {}

    def obtain(self, config: TunnelConfig, then: Then) -> None:
        """then(the tunnel's password, or why there is none); at once but for a credential."""
        if config.password:
            then(config.password.encode())
        elif config.password_file:
            then(passwordfile.read(config.password_file))
        elif config.credential:
            self._decrypt(config, then)
        else:
            then(self._kept.get(config.name) or Failure(reasons.PASSWORD_SERVICE, "it is not kept any more"))

    def _decrypt(self, config: TunnelConfig, then: Then) -> None:
        def done(raw: bytes, ends: list[End], complaint: str) -> None:
            status = _status(ends)
            if status == _CREDENTIALS_STATUS:
                then(Failure(reasons.CREDENTIAL_REFUSED, config.credential))
            elif status == _NO_STATUS:
                then(Failure(reasons.CREDENTIAL_MISSING, config.credential))
            elif complaint:
                then(Failure(reasons.PASSWORD_SERVICE, reasons.printable(complaint)))
            else:
                then(_password(raw, f"the credential {config.credential}"))

        self._run(
            f"pptp-credential-{config.name}.service",
            f"Credential of PPTP tunnel {config.name}",
            ("/usr/bin/systemd-creds", "cat", config.credential),
            config,
            CREDENTIAL_SECONDS,
            done,
        )

    # --- asking ---

    def ask(self, config: TunnelConfig, then: Then) -> None:
        """Ask for the tunnel's password; then(it, or why it was not given). Not called after withdraw()."""
        self._asking[config.name] = question = object()

        def done(raw: bytes, ends: list[End], complaint: str) -> None:
            if self._asking.get(config.name) is not question:
                return
            del self._asking[config.name]
            if _status(ends) == _NO_STATUS:
                late = ends[-1].seconds >= PROMPT_SECONDS
                then(Failure(reasons.PASSWORD_UNANSWERED if late else reasons.PASSWORD_CANCELLED))
            elif complaint:
                then(Failure(reasons.PASSWORD_SERVICE, reasons.printable(complaint)))
            elif not secret.of_output(raw):
                then(Failure(reasons.PASSWORD_CANCELLED, "the answer was empty"))
            else:
                then(_password(raw, "the answer"))

        unit = _question(config.name)
        self._transient.stop(unit)  # of a manager that was killed: nobody hears the answer
        text = f"Password of PPTP tunnel {config.name} ({config.server}):"
        limit = f"--timeout={PROMPT_SECONDS}"
        command = ("/usr/bin/systemd-ask-password", "--no-tty", f"--id=pptp:{config.name}", limit, text)
        self._run(unit, text.rstrip(":"), command, config, PROMPT_SECONDS + _GRACE_SECONDS, done)

    def withdraw(self, tunnel: str) -> None:
        """The tunnel's password is not wanted any more: take the question away."""
        if self._asking.pop(tunnel, None):
            self._transient.stop(_question(tunnel))

    def _run(
        self,
        unit: str,
        description: str,
        command: tuple[str, ...],
        config: TunnelConfig,
        seconds: float,
        done: Callable[[bytes, list[End], str], None],
    ) -> None:
        """Run a program that prints a password: done(what it printed, how it ended, what systemd complains of)."""
        ends: list[End] = []
        output = os.memfd_create("password", os.MFD_CLOEXEC)

        def ended(complaint: str) -> None:
            try:
                raw = os.pread(output, secret.MAX_BYTES + 2, 0)
            finally:
                os.close(output)
            done(raw, ends, complaint)

        self._transient.run(
            unit,
            description,
            [command],
            seconds=seconds,
            fields=journal.of_tunnel(config.name, unit_name(config.name))["fields"],
            output=output,
            credentials=[config.credential] if config.credential else [],
            ended=ends.append,
            done=ended,
        )

    # --- what was given ---

    def keep(self, tunnel: str, password: bytes) -> None:
        """Have the tunnel's password until forget(), also in the next manager."""
        self._kept[tunnel] = password

        def failed(error: OSError) -> None:
            fields = journal.of_tunnel(tunnel, unit_name(tunnel))
            text = "tunnel %s: the next manager would ask for the password again: %s: %s"
            log.warning(text, tunnel, self._path(tunnel), error.strerror, extra=fields)

        self._files.write(self._path(tunnel), password, failed)

    def recall(self, tunnel: str) -> bool:
        """Whether the tunnel's password is kept, by an earlier manager perhaps."""
        if tunnel not in self._kept:
            with contextlib.suppress(OSError):  # what cannot be one of ours is asked for again
                found = privatefile.read(self._path(tunnel))
                if not secret.fault(found):
                    self._kept[tunnel] = found
        return tunnel in self._kept

    def forget(self, tunnel: str) -> None:
        """Do not have the tunnel's password any more."""
        self._kept.pop(tunnel, None)
        self._files.remove(self._path(tunnel))

    def tunnels(self) -> list[str]:
        """The tunnels whose password is kept in a file."""
        return sorted(path.stem for path in self._directory.glob("*.password"))

    def _path(self, tunnel: str) -> Path:
        return privatefile.path_of(self._directory, f"{tunnel}.password")


def _question(tunnel: str) -> str:
    """The service that asks for the tunnel's password."""
    return f"pptp-password-{tunnel}.service"


def _status(ends: list[End]) -> int:
    """What the program ended with; -1 when it was not begun, or was killed."""
    return ends[-1].status if ends and ends[-1].code == EXITED else -1


def _password(raw: bytes, what: str) -> bytes | Failure:
    password = secret.of_output(raw)
    message = secret.fault(password)
    return Failure(reasons.PASSWORD_UNUSABLE, f"{what} {message}") if message else password
