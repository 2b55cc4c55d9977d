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

AMOUNT, PIECES = ("--bytes", "2M"), 5
DIRECTIONS = {"sent": False, "received": True}
METHOD = f"""\
The ways take turns. Each run connects, and when a ping gets through, iperf3 sends 2 MB and has as much sent by its
server behind the tunnel, {PIECES} times in turns; the figure is the median of what came in, of which the first time
does not count. Pieces, since a stall of TCP in one long transfer says more of that moment than of the way.
Nobody names an MTU but NetworkManager, which writes 1400: Debian's options.pptp has none, so pon has pppd's default,
1500, of which MPPE takes 4, and pptp's GRE then makes two fragments of each full packet. The MTU is that of the
interface while the bytes pass."""


def measured(way: Way) -> tuple[dict[str, float], int]:
    """Mbit/s in each direction, 0 where nothing gets through, and the MTU, of a way that is configured."""
    rates: dict[str, list[float]] = {name: [] for name in DIRECTIONS}
    with ways.running(way):
        ways.dial(way)
        try:
            lab.wait_for(lab.passes, f"a ping through {way.name}")
            mtu = int(Path(f"/sys/class/net/{way.interface}/mtu").read_text())
            for _ in range(PIECES):
                for name, down in DIRECTIONS.items():
                    rates[name].append(piece(down=down))
        finally:
            ways.hang_up(way)
    return {name: statistics.median(each[1:]) for name, each in rates.items()}, mtu


def piece(*, down: bool) -> float:
    """Mbit/s of one transfer; 0 when it does not end."""
    try:
        return iperf.rate(lab.INSIDE, AMOUNT, down=down)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        print(error, flush=True)
        return 0.0


def compare(
    chosen: Sequence[Way], count: int, told: Callable[[str], object] = print
) -> tuple[dict[str, dict[str, list[float]]], dict[str, list[float]]]:
    """Mbit/s by direction and way, and the MTUs by way, of count runs each."""
    rates: dict[str, dict[str, list[float]]] = {name: {way.name: [] for way in chosen} for name in DIRECTIONS}
    mtus: dict[str, list[float]] = {way.name: [] for way in chosen}
    with ways.configured(chosen):
        for number in range(count):
            first = number % len(chosen)
            for way in (*chosen[first:], *chosen[:first]):
                now, mtu = measured(way)
                mtus[way.name].append(mtu)
                for name, rate in now.items():
                    rates[name][way.name].append(rate)
                told(f"{number + 1}/{count} {way.name}: MTU {mtu}, Mbit/s {now}")
    return rates, mtus


def main() -> None:
    """Measure, show, write."""
    arguments = result.arguments(__doc__).parse_args()
    chosen = [OURS, PON, WAYS["expert"], NM_WAYS[0]]
    rates, mtus = compare(chosen, arguments.count)
    aim = [Aim(OURS.name, 1.3, PON.name, least=True)]
    told = [Figure(f"TCP {name}", "Mbit/s", runs, aim) for name, runs in rates.items()]
    told.append(Figure("MTU", "bytes", mtus))
    commands = {way.name: shlex.join(way.connect) for way in chosen}
    commands |= {
        f"TCP {name}": shlex.join(iperf.command(lab.INSIDE, AMOUNT, down=d)) for name, d in DIRECTIONS.items()
    }
    result.finish(Result("throughput", "Throughput", METHOD, told, commands), arguments.out)


if __name__ == "__main__":
    main()
