"""What a tunnel notices when its manager is restarted, killed or upgraded, for this project and NetworkManager.

pon and rc.d have no manager, so there is nothing of theirs to restart.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import commands as lab
import result
import ways
from result import Aim, Figure, Result
from watching import logging
from ways import OURS, WAYS, Way

PING_SECONDS = 0.01
BEFORE_SECONDS, AFTER_SECONDS = 0.5, 2.0
UNDER_WAY = 5  # pings that may have been sent in the moment of the end
OLD, NEW = Path("/lab/packages/old"), Path("/lab/packages/new")  # a folder for each version's .deb
NM = WAYS["nm"]
UNITS = {OURS: "pptp-manager", NM: "NetworkManager"}
METHOD = f"""\
A tunnel is up and a ping every {PING_SECONDS * 1000:.0f} ms runs through it
(`ping -n -i {PING_SECONDS} 192.168.10.1`) from {BEFORE_SECONDS} s before until {AFTER_SECONDS:.0f} s after the manager
is restarted, killed by SIGKILL, or upgraded, and systemd says that the new one is up. "Lost" are the pings of that
time without a reply, "the longest gap" is between two replies. The upgrade is Debian's package of this version over
one that calls itself 0.0.1. NetworkManager was not upgraded. pon and rc.d have no manager. All of it is this project's
first, then NetworkManager's, which runs during its own runs only."""


@dataclass(frozen=True)
class Event:
    """What happens to a manager. command: what a person would type for it, the unit's name put in."""

    words: str
    command: str
    ways: tuple[Way, ...] = (OURS, NM)

    def of(self, way: Way) -> str:
        """The command for that way's manager."""
        return self.command.format(UNITS[way])


RESTART = Event("manager restarted", "systemctl restart {}")
KILL = Event("manager killed", "systemctl kill --signal=KILL --kill-who=main {}")
UPGRADE = Event("package upgraded", f"dpkg --install {NEW}/*.deb", (OURS,))
EVENTS = (RESTART, KILL, UPGRADE)


@dataclass(frozen=True)
class Noticed:
    """What a ping shows: how many were lost, the longest time between two replies in ms, whether there is a tunnel.

    gap: None when there was no reply any more.
    """

    lost: int
    gap: float | None
    up: bool


def noticed(pings: str, way_is_up: bool) -> Noticed:
    """From the output of `ping -D`. Of the last ones the reply may have been on its way."""
    replies = re.findall(r"^\[([\d.]+)\] \d+ bytes from .* icmp_seq=(\d+) ", pings, re.MULTILINE)
    stamps = [float(stamp) for stamp, _ in replies]
    numbers = {int(number) for _, number in replies}
    sent = re.search(r"^(\d+) packets transmitted", pings, re.MULTILINE)
    assert sent and numbers, pings
    if int(sent[1]) - max(numbers) > UNDER_WAY:
        return Noticed(int(sent[1]) - len(numbers), None, way_is_up)
    gap = max((after - before for before, after in itertools.pairwise(stamps)), default=0.0)
    return Noticed(max(numbers) - len(numbers), gap * 1000, way_is_up)


def happened(way: Way, event: Event) -> Noticed:
    """Have it happen to the manager of a tunnel that is up."""
    before = main_process(way)
    with TemporaryDirectory() as folder:
        path = Path(folder, "pings")
        with logging(path, "ping", "-n", "-D", "-i", str(PING_SECONDS), lab.INSIDE):
            lab.wait_for(lambda: " bytes from " in path.read_text(), "the first reply")
            time.sleep(BEFORE_SECONDS)
            lab.out("sh", "-c", event.of(way), timeout=120)
            lab.wait_for(lambda: main_process(way) not in (0, before), f"another {UNITS[way]}")
            lab.wait_for(lambda: lab.of_unit(f"{UNITS[way]}.service", "ActiveState") == "active", "it is up")
            time.sleep(AFTER_SECONDS)
        return noticed(path.read_text(), lab.passes())


def main_process(way: Way) -> int:
    """Of the way's manager; 0 while there is none."""
    return int(lab.of_unit(f"{UNITS[way]}.service", "MainPID"))


# --- the ways ---


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Have the old version's package in place of what the lab installed, and a tunnel of it."""
    lab.out("make", "-s", "-C", "/lab/src", "uninstall", timeout=120)
    lab.CONFIGURATION.unlink()
    install(OLD)
    lab.configure({"work": lab.ALICE})
    lab.out(*OURS.connect)
    try:
        yield
    finally:
        lab.run(*OURS.disconnect)


def install(folder: Path) -> None:
    """Install the package in that folder."""
    lab.out("sh", "-c", f"dpkg --install {folder}/*.deb", timeout=120)


def ours(count: int, told: Callable[[Event, Way, Noticed], None]) -> None:
    """This project's runs. One tunnel lives through all of them."""
    with installed():
        processes = lab.clients()
        for number in range(count):
            for event in EVENTS:
                if event is UPGRADE and number:
                    install(OLD)
                told(event, OURS, happened(OURS, event))
                assert lab.clients() == processes, "it is another tunnel"


def networkmanager(count: int, told: Callable[[Event, Way, Noticed], None]) -> None:
    """NetworkManager's runs, with a new tunnel for each."""
    with ways.nm_configured():
        for _ in range(count):
            for event in (event for event in EVENTS if NM in event.ways):
                with ways.running(NM):
                    lab.out(*NM.connect, timeout=90)
                    told(event, NM, happened(NM, event))
                    lab.run(*NM.disconnect)
                    for pid in (pid for pids in lab.clients().values() for pid in pids):
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
                    lab.wait_for(lambda: not lab.clients() and not lab.server_sessions(), "nothing is left of it")


def main() -> None:
    """Measure, show, write."""
    arguments = result.arguments(__doc__).parse_args()
    runs: dict[Event, dict[Way, list[Noticed]]] = {event: {way: [] for way in event.ways} for event in EVENTS}

    def told(event: Event, way: Way, one: Noticed) -> None:
        runs[event][way].append(one)
        gap = "no reply any more" if one.gap is None else f"longest gap {one.gap:.0f} ms"
        print(f"{way.name}, {event.words}: {one.lost} lost, {gap}, {'up' if one.up else 'gone'}")

    ours(arguments.count, told)
    networkmanager(arguments.count, told)
    commands = {f"{way.name}, {event.words}": event.of(way) for event in EVENTS for way in event.ways}
    commands |= {way.name: shlex.join(way.connect) for way in (OURS, NM)}
    result.finish(
        Result("restart", "The manager restarted under a tunnel", METHOD, figures(runs), commands), arguments.out
    )


def figures(runs: dict[Event, dict[Way, list[Noticed]]]) -> list[Figure]:
    """What each event cost, in pings, in milliseconds, in tunnels."""
    told = []
    for event, by_way in runs.items():
        lost = {way.name: [float(one.lost) for one in some] for way, some in by_way.items()}
        gap = {way.name: [one.gap for one in some] for way, some in by_way.items()}
        up = {way.name: [100 * sum(one.up for one in some) / len(some)] for way, some in by_way.items()}
        told.append(Figure(f"{event.words}: pings lost", "pings", lost, [Aim(OURS.name, 0)]))
        told.append(Figure(f"{event.words}: longest gap", "ms", gap, none="no end"))
        told.append(Figure(f"{event.words}: still a tunnel", "%", up, [Aim(OURS.name, 100, least=True)]))
    return told


if __name__ == "__main__":
    main()
