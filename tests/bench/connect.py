"""How long a connect and a disconnect take, for this project and for what people use: same machine, boot and server.

Figures compare only within one boot, so the ways take turns.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import commands as lab
import result
import ways
from result import Aim, Figure, Result
from watching import gone, link_to_route, replied, watching
from ways import NETWORK, OURS, OURS_SYSTEMD, PON, WAYS, Way

PING_SECONDS = 0.02
NEVER_SECONDS = 15.0
SETTLED_SECONDS = 1.5  # from the first ping to the command to disconnect, for the scripts of a link that is up
NETWORKS = (NETWORK, *(f"10.77.{number}.0/24" for number in range(1, 100)))
METHOD = """\
The ways take turns; the first round is not counted, since in it one way loads modules for the others. A ping every
20 ms runs from before the command on (`ping -n -D -i 0.02 192.168.10.1`), and so does `ip -ts monitor link address
route`. "First ping" is the first reply's time, counted from the command; "link up to routes" is the time between the
kernel's word that the interface has its address and is up, and its word of the last route; "gone" is its word that the
interface is deleted, or the last route into it, counted from the command to disconnect, which is given 1.5 s after the
first ping. NetworkManager runs during its own runs only."""
AIMS = {
    "first ping through the route": ((OURS, 0.9), (OURS_SYSTEMD, 0.9)),
    "link up to route": ((OURS, 0.1),),
    "disconnect to all gone": ((OURS, 1.0), (OURS_SYSTEMD, 1.0)),
}


@dataclass(frozen=True)
class Times:
    """Seconds; None for never. returned, first_ping: since the command was given; route: from the link's being up to
    its last route; gone: since the command to disconnect was given."""

    returned: float
    first_ping: float | None
    route: float | None
    gone: float | None


def compare(
    chosen: Sequence[Way],
    count: int,
    networks: Sequence[str] = (NETWORK,),
    told: Callable[[str], object] = print,
) -> dict[Way, list[Times]]:
    """Each way's times, count of them, taken in turns. told: of each at once."""
    times: dict[Way, list[Times]] = {way: [] for way in chosen}
    with ways.configured(chosen, networks):
        for number in range(count + 1):
            first = number % len(chosen)
            for way in (*chosen[first:], *chosen[:first]):
                now = measured(way, networks)
                # The first one of each way is not counted: it loads modules and programs for the others.
                told(f"{number}/{count} {way.name}, {len(networks)} routes: {described(now)}")
                times[way] += [now] if number else []
    return times


def described(times: Times) -> str:
    """Times in words."""
    ping, route, gone = (
        "never" if time is None else f"{time:.3f} s" for time in (times.first_ping, times.route, times.gone)
    )
    return f"first ping {ping}, command returned {times.returned:.3f} s, link up to routes {route}, gone {gone}"


def measured(way: Way, networks: Sequence[str] = (NETWORK,)) -> Times:
    """One connect and disconnect of a way that is configured; returns when nothing of it is left."""
    untouched = lab.routes()
    with ways.running(way), watching(PING_SECONDS) as (kernel, pings):
        begun = time.time()
        ways.dial(way)
        returned = time.time()
        first_ping = within(lambda: replied(pings.read_text()))
        route = within(lambda: link_to_route(kernel.read_text(), way.interface, networks))
        time.sleep(SETTLED_SECONDS)
        hung_up = time.time()
        lab.run(*way.disconnect)
        ended = within(lambda: gone(kernel.read_text(), way.interface, hung_up))
        ways.forgotten(way)
    ways.nothing_left(way, untouched)
    return Times(returned - begun, first_ping and first_ping - begun, route, ended and ended - hung_up)


def within(fact: Callable[[], float]) -> float | None:
    """The fact when it is there; None when it is not for so long that it counts as never.

    rc.d's route is not there every time: pon may return when IPv6 is up on the link and IPv4 is not.
    """
    try:
        return lab.wait_for(fact, "it", NEVER_SECONDS)
    except AssertionError:
        return None


def figures(times: dict[Way, list[Times]]) -> list[Figure]:
    """What is told of the connects with one route."""
    columns: dict[str, Callable[[Times], float | None]] = {
        "first ping through the route": lambda one: one.first_ping,
        "link up to route": lambda one: one.route,
        "command returns": lambda one: one.returned,
        "disconnect to all gone": lambda one: one.gone,
    }
    told = []
    for what, column in columns.items():
        runs = {way.name: [column(one) for one in runs] for way, runs in times.items()}
        aims = [Aim(way.name, factor, PON.name) for way, factor in AIMS.get(what, ()) if {way, PON} <= set(times)]
        told.append(Figure(what, "s", runs, aims))
    useful = {
        way.name: [float(sum(one.first_ping is not None and one.first_ping < one.returned for one in runs))]
        for way, runs in times.items()
    }
    return [*told, Figure("runs in which the route is usable when the command returns", "runs", useful)]


def main() -> None:
    """Measure, show, write."""
    arguments = result.arguments(__doc__).parse_args()
    chosen = [way for name, way in WAYS.items() if name != "nm-persistent"]
    told = figures(compare(chosen, arguments.count))
    many = [WAYS[name] for name in ("ours", "pon", "expert", "nm")]
    times = compare(many, arguments.count, NETWORKS)
    runs = {way.name: [one.route for one in runs] for way, runs in times.items()}
    told.append(Figure(f"link up to {len(NETWORKS)} routes", "s", runs, [Aim(OURS.name, 0.1, PON.name)]))
    commands = {way.name: f"{shlex.join(way.connect)}; {shlex.join(way.disconnect)}" for way in chosen}
    result.finish(Result("connect", "Connect and disconnect", METHOD, told, commands), arguments.out)


if __name__ == "__main__":
    main()
