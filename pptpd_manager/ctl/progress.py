"""What a tunnel is doing, in words: from its properties, the status of its unit and what its programs log. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pptpd_manager.ctl.wording import addresses, unencrypted

# The lines that tell how far a dial has got; the first match counts. Source: pppd 2.4.9 and 2.5.x, pptp 1.10.0.
_LINES = (
    ("pptp", "Client connection established.", "calling {address}"),
    ("pptp", "Outgoing call established", "authenticating"),
    ("pppd", "Connect: ", "dialling {address}"),
    ("pppd", "CHAP authentication succeeded", "authenticated, agreeing on addresses"),
    ("pppd", "PAP authentication succeeded", "authenticated, agreeing on addresses"),
    ("pppd", "local  IP address", "setting addresses and routes"),
)


def step(program: str, text: str) -> str:
    """What begins with that line of the journal, "" when it tells nothing; {address} is the server's."""
    for logs, part, words in _LINES:
        # pptp puts its own name and the place in its source before its words.
        if program == logs and (text.startswith(part) if logs == "pppd" else text.find(f": {part}") > 0):
            return words
    return ""


@dataclass
class Course:
    """What is known of a tunnel so far. properties: those on D-Bus; status: of its unit; step: see step()."""

    properties: dict[str, Any] = field(default_factory=dict)
    status: str = ""
    step: str = ""

    @property
    def state(self) -> str:
        """State, "" before it is known."""
        return str(self.properties.get("State", ""))

    def change(self, properties: Mapping[str, Any]) -> bool:
        """Take properties that are new; whether State is another one now. What was told of the one before is over, but
        not the status of a unit that goes on waiting: systemd does not tell the same once more."""
        before = self.state
        self.properties.update(properties)
        if self.state == before:
            return False
        self.step = ""
        if self.state not in ("waiting", "resolving"):
            self.status = ""
        return True

    @property
    def doing(self) -> str:
        """What the tunnel is doing at the moment; "" when it is doing nothing."""
        address = self.properties.get("ServerAddress") or self.properties.get("Server", "")
        match self.state:
            case "connecting":
                return (self.step or "dialling {address}").format(address=address)
            case "resolving":
                server = str(self.properties.get("Server", ""))
                named = any(character.isalpha() for character in server)
                return f"{'resolving' if named else 'looking for the way to'} {server}"
            case "waiting":
                return self.status[:1].lower() + self.status[1:]
            case "stopping":
                return "hanging up"
            case _:
                return ""

    @property
    def goes_on(self) -> bool:
        """Whether the tunnel is wanted, so that it is dialled again and again without anybody's help."""
        return self.state in ("waiting", "resolving", "connecting", "up")

    @property
    def link(self) -> str:
        """The interface and the addresses of a tunnel that is up."""
        return ", ".join(
            filter(None, (self.properties["Interface"], addresses(self.properties), unencrypted(self.properties)))
        )

    def failure(self, message: str) -> tuple[str, str] | None:
        """Sentence and advice of the last failure, if the message of an error is about that one."""
        _name, sentence, advice, _when = self.properties.get("LastError") or ("", "", "", 0)
        return (sentence, advice) if sentence and sentence in message else None

    def prospect(self, now: float) -> str:
        """What becomes of a tunnel that could not be connected. now: seconds of CLOCK_MONOTONIC."""
        pause = self.properties.get("NextAttemptMonotonic", 0) / 1e6 - now
        if self.state == "failed":
            return "It has been given up."
        if self.state == "up":
            return "By now it is up."
        if self.state == "waiting" and pause > 0:
            return f"The next attempt is in {max(1, round(pause))} s."
        return "It goes on trying." if self.goes_on or self.state == "stopping" else ""


def took(seconds: float) -> str:
    """A time that something took."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"
