"""A hundred tunnels to one address and to a hundred: until all are up, and when their server dies and returns.

The ways take turns in one boot. A bare loop of pppd, with the options that this project dials with and nothing around
it, shows what pppd and the server take themselves.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import commands as lab
import fleet
import result
from result import Aim, Figure, Plot, Result
from watching import events, logging

PPTPCTL, SYSTEMD, BARE = "pptp-manager", "pptp-manager, systemctl", "bare loop of pppd"
LIMIT_SECONDS = 420.0  # for all of them to be up
AWAY_SECONDS, SHARE_SECONDS = 60.0, 20.0  # the server's absence, and its end in which the processors are looked at
FEW_SECONDS = 40.0  # for how long the server that returns takes half of the calls only
BARE_FILES = Path("/run/bare")
BARE_PREFIX = "bare-"  # of its interfaces: what begins with pptp- would be looked at by the manager
OURS_ALONE = ("#", "pty ", "ifname ", "ip-up-script ", "set ", "up_sdnotify", "nopersist")
METHOD = f"""\
One pptpd serves all. A way is given its command, and `ip monitor` tells when the last tunnel has its address and, but
for the bare loop, its route, which leads to an address of its own. Then a ping is sent through each tunnel. The bare
loop starts one pppd after the other in the background, with the option file that pptp-manager has written, `persist`
and no supervision; to one address each has a /run/pptp of its own, by `unshare --mount`. Processes are those that
/proc/stat has counted. For the outage pptpd and its sessions are killed and pptpd is started {AWAY_SECONDS:.0f} s
later; its log tells when it accepted which connection. The shares of the processor are from /proc/stat and
/proc/PID/stat, over the last {SHARE_SECONDS:.0f} s of the absence, and until all are back."""
COMMANDS = {
    PPTPCTL: "pptpctl up t001 t002 ... t100",
    SYSTEMD: "systemctl start pptp@t001 pptp@t002 ... pptp@t100",
    BARE: "for file in /run/bare/*; do pppd file $file & done",
}


def main() -> None:
    """Measure, show and write."""
    grammar = result.arguments(__doc__, count=1)
    grammar.add_argument("--tunnels", type=int, default=fleet.MOST, metavar="N")
    given = grammar.parse_args()
    with fleet.serving(given.tunnels):
        figures = [figure for apart in (True, False) for figure in starts(given.tunnels, given.count, apart)]
        outage, plots = outages(given.tunnels)
    title = f"{given.tunnels} tunnels at once"
    result.finish(Result("hundred", title, METHOD, [*figures, *outage], COMMANDS, plots), given.out)


# --- until all are up ---


@dataclass(frozen=True)
class Start:
    """seconds: until the last was up, None: not all were; deaf: how many a ping did not get through; processes."""

    seconds: float | None
    deaf: int
    processes: float


def starts(count: int, runs: int, apart: bool) -> list[Figure]:
    """Each way's start of so many tunnels, so often. apart: to an address each."""
    lab.configure(fleet.tunnels(count, apart=apart))
    names = [fleet.name(number) for number in range(1, count + 1)]
    ways: dict[str, Callable[[], contextlib.AbstractContextManager[object]]] = {
        PPTPCTL: lambda: ours(names, "pptpctl", "up", *names),
        SYSTEMD: lambda: ours(names, "systemctl", "start", *map(lab.unit, names)),
        BARE: lambda: bare(names, apart),
    }
    found: dict[str, list[Start]] = {name: [] for name in ways}
    for run in range(runs):
        for name, way in ways.items():
            found[name].append(start(names, way, routed=name != BARE))
            print(f"{where(apart)}, run {run + 1}, {name}: {found[name][-1]}", flush=True)
    return started(found, apart, count)


def started(found: dict[str, list[Start]], apart: bool, count: int) -> list[Figure]:
    """The figures of what was found."""

    def figure(what: str, unit: str, of: Callable[[Start], float | None], aims: Sequence[Aim] = ()) -> Figure:
        runs = {name: [of(one) for one in starts] for name, starts in found.items()}
        return Figure(f"{what}, {where(apart)}", unit, runs, aims)

    every = [Aim(name, 0.0) for name in found if name != BARE]
    return [
        figure("the command to all up", "s", lambda one: one.seconds, [Aim(PPTPCTL, 1.1, BARE)]),
        figure(f"tunnels of {count} that carry no ping then", "tunnels", lambda one: float(one.deaf), every),
        figure("processes for each tunnel", "processes", lambda one: round(one.processes / count, 1)),
    ]


def where(apart: bool) -> str:
    """In words."""
    return "an address each" if apart else "one address"


def start(names: list[str], way: Callable[[], contextlib.AbstractContextManager[object]], *, routed: bool) -> Start:
    """Have a way start the tunnels, and stop them when they are up and have been tried."""
    with tempfile.TemporaryDirectory() as folder:
        kernel = Path(folder, "kernel")
        with logging(kernel, "ip", "-4", "-ts", "monitor", "link", "address", "route"):
            time.sleep(1)  # it listens
            processes, begun = forked(), time.time()
            with way():
                last = all_up(kernel, names, begun, routed)
                processes = forked() - processes
                outcome = Start(
                    last and round(last - begun, 2),
                    len(fleet.deaf(names, "pptp-" if routed else BARE_PREFIX)),
                    processes,
                )
    lab.wait_for(lambda: not lab.server_sessions() and not lab.clients(), "all have hung up", 180)
    return outcome


def all_up(kernel: Path, names: list[str], begun: float, routed: bool) -> float | None:
    """When the last of the tunnels was up; None: not all of them were in time."""
    while time.time() < begun + LIMIT_SECONDS:
        ups = came_up(kernel.read_text(), routed)
        if not set(names) - ups.keys():
            return max(ups.values())
        time.sleep(0.5)
    return None


def came_up(kernel: str, routed: bool) -> dict[str, float]:
    """When each tunnel had its address first, or its route: by `ip -ts monitor link address route`.

    ip goes on to show the name that a link had before, so an address is known by its link's number.
    """
    links: dict[str, str] = {}
    found: dict[str, float] = {}
    for now, line in events(kernel):
        if match := re.match(rf"(\d+): (?:pptp-|{BARE_PREFIX})(t\d+): ", line):
            links[match[1]] = match[2]
        elif routed and (match := re.match(r"10\.98\.0\.(\d+) dev p", line)):
            found.setdefault(fleet.name(int(match[1])), now)
        elif not routed and (match := re.match(r"(\d+): \S+ +inet .* peer ", line)) and match[1] in links:
            found.setdefault(links[match[1]], now)
    return found


@contextlib.contextmanager
def ours(names: list[str], *command: str) -> Iterator[None]:
    """Start by that command; at the end all are down."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        yield
        process.wait(LIMIT_SECONDS)
    keep_options(names)
    lab.run("pptpctl", "down", *names, timeout=LIMIT_SECONDS)


def keep_options(names: list[str]) -> None:
    """Keep the option files for the bare loop, without what only our units need."""
    BARE_FILES.mkdir(mode=0o700, exist_ok=True)
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            lines = (lab.OPTIONS / f"{name}.options").read_text().splitlines()
            kept = [line for line in lines if not line.startswith(OURS_ALONE)]
            (BARE_FILES / name).write_text(
                "\n".join([*kept, f"ifname {BARE_PREFIX}{name}", "persist", "maxfail 0", "holdoff 1", ""])
            )


@contextlib.contextmanager
def bare(names: list[str], apart: bool) -> Iterator[None]:
    """The loop; at the end its pppds have ended."""
    for name in names:
        number = int(name[1:])
        call = f'pty "exec pptp {fleet.server(number, apart=apart)} --nolaunchpppd --nohostroute --loglevel 0"\n'
        with (BARE_FILES / name).open("a") as file:
            file.write(call)
    alone = "unshare --mount sh -c 'mount -t tmpfs tmpfs /run/pptp && exec pppd file $0' $file"
    dial = "pppd file $file" if apart else alone
    script = f"for file in {BARE_FILES}/*; do {dial} >/dev/null 2>&1 & done; wait"
    with subprocess.Popen(["sh", "-c", script], start_new_session=True) as loop:
        try:
            yield
        finally:
            for pid in lab.clients().get("pppd", []):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            loop.wait(LIMIT_SECONDS)
            for pid in (pid for pids in lab.clients().values() for pid in pids):  # pptp stays now and then
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


# --- the server dies and returns ---


def outages(count: int) -> tuple[list[Figure], list[Plot]]:
    """What the tunnels do while their server is away, and when it is back for all, or for half of them first."""
    lab.configure(fleet.tunnels(count, apart=False))
    names = [fleet.name(number) for number in range(1, count + 1)]
    lab.run("pptpctl", "up", *names, timeout=LIMIT_SECONDS)
    whole, plot = outage(names, 0)
    half, other = outage(names, count // 2)
    lab.run("pptpctl", "down", *names, timeout=LIMIT_SECONDS)
    return [*whole, *half], [plot, other]


def outage(names: list[str], few: int) -> tuple[list[Figure], Plot]:
    """One outage. few: how many calls the server that returns takes for a while; 0: all."""
    print(f"outage, {few or 'no'} limit", flush=True)
    what = f"the server takes {few} calls for {FEW_SECONDS:.0f} s" if few else "the server is back"
    lab.out("systemctl", "kill", "--signal=KILL", fleet.UNIT)
    lab.out("systemctl", "stop", fleet.UNIT)
    time.sleep(AWAY_SECONDS - SHARE_SECONDS)
    away = Shares()
    time.sleep(SHARE_SECONDS)
    figures = away.figures("the server is away")
    begun, back = time.time(), Shares()
    if few:
        fleet.write(few)
        lab.out("systemctl", "start", fleet.UNIT)
        time.sleep(FEW_SECONDS)
        up = len(names) - len(down())
        figures.append(Figure(f"tunnels up, {what}", "tunnels", {PPTPCTL: [float(up)]}))
        figures += back.figures(what)
        lab.out("systemctl", "stop", fleet.UNIT)
        fleet.write(len(names) + fleet.SPARE)
    returned = time.time()
    lab.out("systemctl", "start", fleet.UNIT)
    missing = wait_for_all(returned)
    seconds = None if missing else round(time.time() - returned, 1)
    print(f"back after {seconds}, missing {missing}", flush=True)
    figures.append(Figure(f"until all are back, {what}", "s", {PPTPCTL: [seconds]}))
    figures += back.figures(f"until all are back, {what}") if not few else []
    figures.append(Figure(f"carry no ping then, {what}", "tunnels", {PPTPCTL: [float(len(fleet.deaf(names)))]}))
    accepted = connections(lab.journalctl("-o", "short-unix", "-u", fleet.UNIT, f"--since=@{begun:.3f}"), begun)
    most = max(accepted.values(), default=0)
    figures.append(Figure(f"most connections in a second, {what}", "connections", {PPTPCTL: [float(most)]}))
    points = [(float(second), float(accepted[second])) for second in range(max(accepted, default=0) + 1)]
    return figures, Plot(f"Connections that the server accepts: {what}", "s", "connections/s", {PPTPCTL: points})


def down() -> list[str]:
    """The tunnels that are not up."""
    return [name for name, _, state in lab.ask(*lab.BUS[:2], f"{lab.BUS[2]}.ListTunnels")[0] if state != "up"]


def wait_for_all(since: float) -> int:
    """How many are not up in time."""
    while down() and time.time() < since + LIMIT_SECONDS:
        time.sleep(1)
    return len(down())


def connections(journal: str, begun: float) -> Counter[int]:
    """How many connections pptpd accepted in each second since begun: by its log, `journalctl -o short-unix`."""
    lines = re.findall(r"^(\d+\.\d+) .*CTRL: Client \S+ control connection started", journal, re.MULTILINE)
    return Counter(int(float(stamp) - begun) for stamp in lines)


class Shares:
    """Of the processor, from its making on."""

    def __init__(self) -> None:
        self._begun, self._manager, self._times = time.time(), used(lab.manager_pid()), times()

    def figures(self, when: str) -> list[Figure]:
        """Of the manager and of all together, in %."""
        manager = 100 * (used(lab.manager_pid()) - self._manager) / (time.time() - self._begun)
        passed = [now - before for now, before in zip(times(), self._times, strict=True)]
        busy = 100 * (1 - (passed[3] + passed[4]) / sum(passed))
        shares = {f"the manager's share of the processor, {when}": manager, f"the whole guest's, {when}": busy}
        return [Figure(what, "%", {PPTPCTL: [round(share, 1)]}) for what, share in shares.items()]


def times() -> list[int]:
    """What the processors did, in ticks: the first line of /proc/stat, proc(5)."""
    return [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]


def used(pid: int) -> float:
    """Seconds of the processor that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def forked() -> int:
    """How many processes and threads there have been since the boot."""
    (line,) = [line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("processes ")]
    return int(line.split()[1])


if __name__ == "__main__":
    main()
