"""TCP through the tunnel, each way with the MTU that it has by default."""

from __future__ import annotations

import shlex
import statistics
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import commands as lab
import iperf
import result
import ways
from result import Aim, Figure, Result
from ways import NM_WAYS, OURS, PON, WAYS, Way

DIRECTIONS = {"sent": False, "received": True}
UPLINK = Path("/sys/class/net/uplink/statistics")
AMOUNT, MEGABYTES, PIECES = ("--bytes", "2M"), 2 * 1024 * 1024 / 1e6, 5
METHOD = f"""\
The ways take turns. Each run connects, and when a ping gets through, iperf3 sends 2 MB and has as much sent by its
server behind the tunnel, {PIECES} times in turns; the figure is the median of what came in, of which the first time
does not count; 0 is one that did not end within 20 s. Pieces, since a stall of TCP in one long transfer says more of
that moment than of the way. "Packets for 1 MB" are those that the uplink sends meanwhile.

Nobody names an MTU but NetworkManager, which writes 1400: Debian's options.pptp has none, so pon has pppd's default,
1500, of which MPPE takes 4, and pptp's GRE then makes two fragments of each full packet. The MTU is that of the
interface while the bytes pass."""

Runs = dict[str, dict[str, list[float]]]


def measured(way: Way) -> dict[str, float]:
    """By what is measured: Mbit/s in each direction, 0 where nothing gets through; packets; the MTU."""
    with ways.running(way):
        ways.dial(way)
        try:
            lab.wait_for(lab.passes, f"a ping through {way.name}")
            mtu = int(Path(f"/sys/class/net/{way.interface}/mtu").read_text())
            return transfers() | {"MTU": mtu}
        finally:
            ways.hang_up(way)


def transfers() -> dict[str, float]:
    """Mbit/s by direction, and the packets for what was sent: medians."""
    rates: dict[str, list[float]] = {name: [] for name in DIRECTIONS}
    packets = []
    for _ in range(PIECES):
        for name, down in DIRECTIONS.items():
            before = sent_packets()
            rates[name].append(piece(down=down))
            packets += [] if down else [(sent_packets() - before) / MEGABYTES]
    found = {f"TCP {name}": statistics.median(each[1:]) for name, each in rates.items()}
    return found | {"packets for 1 MB": statistics.median(packets)}


def sent_packets() -> int:
    """Packets that the uplink has sent."""
    return int((UPLINK / "tx_packets").read_text())


def piece(*, down: bool) -> float:
    """Mbit/s of one transfer; 0 when it does not end."""
    try:
        return iperf.rate(lab.INSIDE, AMOUNT, down=down)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        print(str(error)[:200], flush=True)
        return 0.0


def compare(chosen: Sequence[Way], count: int, told: Callable[[str], object] = print) -> Runs:
    """What measured() found, each with count runs, by figure and way."""
    runs: Runs = {}
    with ways.configured(chosen):
        for number in range(count):
            first = number % len(chosen)
            for way in (*chosen[first:], *chosen[:first]):
                now = measured(way)
                for name, value in now.items():
                    runs.setdefault(name, {each.name: [] for each in chosen})[way.name].append(value)
                told(f"{number + 1}/{count} {way.name}: { {name: round(value, 1) for name, value in now.items()} }")
    return runs


def main() -> None:
    """Measure, show, write."""
    arguments = result.arguments(__doc__).parse_args()
    chosen = [OURS, PON, WAYS["expert"], NM_WAYS[0]]
    runs = compare(chosen, arguments.count)
    aim = [Aim(OURS.name, 1.3, PON.name, least=True)]
    told = [Figure(name, "Mbit/s", each, aim) for name, each in runs.items() if name.startswith("TCP")]
    told += [Figure(name, "packets", each) for name, each in runs.items() if name.startswith("packets")]
    told.append(Figure("MTU", "bytes", runs["MTU"]))
    commands = {way.name: shlex.join(way.connect) for way in chosen}
    commands |= {
        f"TCP {name}": shlex.join(iperf.command(lab.INSIDE, AMOUNT, down=down)) for name, down in DIRECTIONS.items()
    }
    result.finish(Result("throughput", "Throughput", METHOD, told, commands), arguments.out)


if __name__ == "__main__":
    main()
