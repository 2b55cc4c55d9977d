"""The journey of a tunnel, shown like a terminal session and checked. Runs in a guest, see `make demo`.

Ends with 0 when everything happened that should, else with 1 and what did not. --color: colours for a terminal.
"""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/lab"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/bench"))

import commands as lab
import connect
import result
from ways import NETWORK, OURS, PON

CONNECTS = 5  # of each way, in the comparison
CONFIGURATION = f"""\
tunnels:
  work:
    server: vpn.example.com
    username: alice
    password: 'secret'
    routes: [{NETWORK}]
"""
MANAGER = "busctl call org.pptpmanager1 /org/pptpmanager1 org.pptpmanager1.Manager"


class Missed(Exception):
    """What should have happened and did not."""


class Screen:
    """Prints headings, commands as one types them, and what they print."""

    def __init__(self, colored: bool) -> None:
        self._colored = colored
        self._steps = 0

    def heading(self, text: str) -> None:
        """Begin a step."""
        self._steps += 1
        print("\n" + self._in("1;36", f"{self._steps}. {text}"))

    def command(self, text: str) -> None:
        """A command, as typed."""
        print(self._in("1", f"# {text}"))

    def output(self, text: str, lines: int = 20) -> None:
        """What a command printed; of more than that many lines the first ones."""
        shown = [re.sub(r"\s+$", "", line) for line in text.strip("\n").splitlines()]
        for line in shown[:lines]:
            print(line)
        if len(shown) > lines:
            print(self._in("2", f"[{len(shown) - lines} more lines]"))

    def right(self, text: str) -> None:
        """A fact that was checked."""
        print(self._in("32", f"   ok: {text}"))

    def wrong(self, text: str) -> None:
        """The end."""
        print("\n" + self._in("1;31", f"The demo failed: {text}"))

    def _in(self, color: str, text: str) -> str:
        return f"\033[{color}m{text}\033[0m" if self._colored else text


screen = Screen("--color" in sys.argv[1:])


def typed(command: str, *, lines: int = 20, fails: bool = False, shown: Callable[[str], str] | None = None) -> str:
    """Show a command and its output, which is returned whole. shown: what of it to show; fails: it has to."""
    screen.command(command)
    done = subprocess.run(
        ["/bin/sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60
    )
    screen.output(shown(done.stdout) if shown else done.stdout, lines)
    if (done.returncode != 0) is not fails:
        raise Missed(f"`{command}` ended with exit status {done.returncode}")
    return done.stdout


def check(fact: object, text: str) -> None:
    """Say that text is so, or end the demo."""
    if not fact:
        raise Missed(f"it is not so that {text}")
    screen.right(text)


def eventually(fact: Callable[[], object], text: str, seconds: float = 30) -> None:
    """Wait for a fact."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            raise Missed(f"not within {seconds:.0f} s: {text}")
        time.sleep(0.05)


def without_log(status: str) -> str:
    """`systemctl status` up to the process tree and what the unit says of itself."""
    return status.partition("\n\n")[0]


def fetch(*, fails: bool = False) -> None:
    """Fetch a page from the web server behind the tunnel."""
    page = typed(f"curl -sS --max-time 3 http://{lab.INSIDE}/", fails=fails)
    if fails:
        check("hello" not in page, "the web server behind the tunnel cannot be reached without it")
    else:
        check(page == "hello from behind the tunnel\n", "the web server behind the tunnel answers")


# --- the steps ---


def configure() -> None:
    """One file says what is wanted."""
    screen.heading("One file says which tunnels there are")
    lab.CONFIGURATION.write_text(CONFIGURATION)
    lab.CONFIGURATION.chmod(0o600)
    typed(f"cat {lab.CONFIGURATION}")
    typed("pptp-manager --check")
    fetch(fails=True)


def start() -> None:
    """One command connects, now and at every boot."""
    screen.heading("One command connects, now and at every boot; it returns when the link is up with its routes")
    begun = time.monotonic()
    typed("systemctl enable --now pptp@work")
    seconds = time.monotonic() - begun
    check(lab.active("work") == "active" and lab.route_of(NETWORK), f"active with its route, {seconds:.1f} s")


def look() -> None:
    """What is to be seen of it."""
    screen.heading("It is an ordinary unit, interface and route")
    eventually(lambda: "Up: " in lab.show("work", "StatusText"), "the status line")  # the start does not wait for it
    status = typed("systemctl status pptp@work", shown=without_log)
    check("Up: pptp-work 10.9.0.1" in status, "the status line tells the interface, the addresses and the routes")
    typed("ip -brief -4 address")
    check("proto pptp" in typed("ip route"), "the route is marked as the manager's (proto pptp)")
    typed(f"ping -c 3 -i 0.2 {lab.INSIDE}")
    fetch()


def survive_the_server() -> None:
    """The server ends the session."""
    screen.heading("The server ends the session: the tunnel comes back by itself")
    run, since = lab.show("work", "InvocationID"), time.time()
    (session,) = lab.server_sessions()
    begun = time.monotonic()
    typed(f"kill {session}   # pppd on the server's side")
    eventually(
        lambda: lab.show("work", "InvocationID") != run and lab.active("work") == "active", "the tunnel is back", 60
    )
    seconds = time.monotonic() - begun
    log = typed(f"journalctl -q -o cat -u pptp@work -t pptp-manager --since=@{since:.3f}")
    check("The server ended the session." in log, "the journal says why it was away")
    check(lab.route_of(NETWORK) and lab.passes(), f"the tunnel is back with its route, after {seconds:.1f} s")


def survive_the_manager() -> None:
    """The manager is restarted and killed."""
    screen.heading("The manager is restarted, then killed: no ping is lost")
    pppd = lab.show("work", "MainPID")
    with pinging():
        for command in ("systemctl restart pptp-manager", "systemctl kill --signal=KILL pptp-manager"):
            old = lab.manager_pid()
            typed(command)
            another_manager(old)
    typed(f"{MANAGER} ListTunnels")
    check(lab.show("work", "MainPID") == pppd, "pppd is the same process as before")


def another_manager(old: int) -> None:
    """Wait until another process than old has taken the tunnel over."""
    eventually(lambda: lab.manager_pid() not in (0, old) and lab.state("work") == "up", "the next manager")


@contextlib.contextmanager
def pinging() -> Iterator[None]:
    """A ping every 100 ms, none of which may get lost."""
    screen.command(f"ping -i 0.1 {lab.INSIDE} &")
    command = ["ping", "-n", "-i", "0.1", "-W", "2", lab.INSIDE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ping:
        try:
            yield
        finally:
            ping.send_signal(signal.SIGINT)
            text, _ = ping.communicate(timeout=20)
    screen.command("kill -INT %1")
    screen.output("---" + text.rpartition("\n---")[2])
    replies = [int(number) for number in re.findall(r"icmp_seq=(\d+)", text)]
    # The last one may have been sent in the moment of the end.
    sent = int((re.search(r"(\d+) packets transmitted", text) or ["", "0"])[1])
    in_order = replies == list(range(1, len(replies) + 1))
    check(in_order and sent - len(replies) <= 1 and sent > 10, f"{len(replies)} pings in a row were answered")


def disconnect(untouched: str) -> None:
    """Disconnect leaves nothing."""
    screen.heading("Disconnect leaves nothing behind")
    typed(f"{MANAGER} Disconnect s work")
    typed("systemctl is-active pptp@work", fails=True)
    typed("ip -brief link")
    typed("ip route")
    check("pptp-work" not in lab.out("ip", "link"), "the interface is gone")
    check(lab.routes() == untouched, "routes, rules and addresses are as before, to the letter")
    check(not lab.clients(), "no pppd and no pptp is left")


def refuse() -> None:
    """A wrong password is told and not tried for ever."""
    screen.heading("A wrong password: the caller is told, and the account is not locked by trying for ever")
    typed(f"sed -i \"s/'secret'/'sesame'/\" {lab.CONFIGURATION}")
    typed("systemctl reload pptp-manager")
    since = time.time()
    said = typed(f"{MANAGER} Connect s work", fails=True)
    check("The server refuses the user name or the password." in said, "Connect's error is the reason")
    eventually(lambda: lab.active("work") == "failed", "given up")
    typed("systemctl status --lines=0 pptp@work", fails=True)
    typed("journalctl -q -o cat PPTP_REASON=wrong-password")
    log = lab.out("journalctl", "-q", "-o", "cat", "-u", "lab-pptpd@main", f"--since=@{since:.3f}")
    check(log.count("control connection started") == 2, "the server was dialled twice, and not again")
    lab.CONFIGURATION.write_text(CONFIGURATION)
    lab.out("systemctl", "reload", "pptp-manager")
    lab.out("systemctl", "stop", "pptp@work")
    lab.run("systemctl", "reset-failed", "pptp@work")


def compare() -> None:
    """The figures."""
    screen.heading(f"Beside `pon` with a script in ip-up.d: {CONNECTS} connects each, in turns, a ping every 20 ms")
    screen.command("busctl call ... Connect s work / pon lab updetach persist")
    times = connect.compare((OURS, PON), CONNECTS, told=lambda _: None)
    screen.output(result.plain(result.table(connect.figures(times))))
    check(all(run.route for runs in times.values() for run in runs), "every connect got its route")


def main() -> int:
    """Show all steps; the exit status."""
    begun = time.monotonic()
    untouched = lab.settled()
    try:
        configure()
        start()
        look()
        survive_the_server()
        survive_the_manager()
        disconnect(untouched)
        refuse()
        compare()
    except (Missed, AssertionError, subprocess.SubprocessError) as error:
        screen.wrong(str(error))
        screen.command("journalctl -n 30")
        screen.output(lab.run("journalctl", "-q", "--no-pager", "-n", "30").stdout, 30)
        return 1
    print(f"\nAll of it happened, in {time.monotonic() - begun:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
