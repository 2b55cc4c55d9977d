"""What happens to a host's tunnels in a quarter of an hour, as Prometheus saw it: for `make dashboard`.

incidents.py HOST [SECONDS]: runs in a guest that has Prometheus in /lab/prometheus, with node_exporter and our timer
as they are installed. Its tunnels are well and unwell in the ways that there are, for real. What Prometheus has stored
then is in /lab/out/samples.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, "/lab/src/tests/lab")

import commands as lab
import remote

PROMETHEUS, RULES = Path("/lab/prometheus"), "/lab/src/etc/prometheus/pptp.rules.yml"
EVERY_SECONDS = 5  # a scrape, and a run of our timer: the quarter of an hour is to have a day's incidents
STORED = '{__name__=~"pptp_.*|ALERTS.*|node_textfile_mtime_seconds|up"}'
AWAY = "203.0.113.77"  # there is nobody
TIMER = f"[Timer]\nOnActiveSec=\nOnActiveSec=1s\nOnUnitActiveSec={EVERY_SECONDS}s\n"  # empty: none of the unit's own
CONFIG = {
    "global": {"scrape_interval": f"{EVERY_SECONDS}s", "evaluation_interval": f"{EVERY_SECONDS}s"},
    "rule_files": [RULES],
    "scrape_configs": [{"job_name": "node", "static_configs": [{"targets": ["localhost:9100"]}]}],
}


def tunnel(**changes: Any) -> dict[str, Any]:
    """A tunnel to the lab's server, with these keys over its own; None: without that key."""
    return {key: value for key, value in {**lab.ALICE, "routes": [], **changes}.items() if value is not None}


# Of each host its tunnels, and when what happens, in seconds.
TUNNELS: dict[str, dict[str, dict[str, Any]]] = {
    "branch1": {
        "office": tunnel(routes=["192.168.10.0/24"]),
        "factory": tunnel(),
        "partner": tunnel(password="changed-by-the-partner"),
        "backup": tunnel(server=AWAY, **{"connect-timeout": 10}),
        "spare": tunnel(),
    },
    "branch2": {
        "office": tunnel(routes=["192.168.10.0/24"]),
        "tills": tunnel(),
        "bank": tunnel(password=None, **{"ask-password": True}),
    },
}
FLAPPING = {"branch1": "factory", "branch2": ""}
OUTAGE = {"branch1": (350, 230), "branch2": (480, 440)}  # from, to; before the end
SECONDS = 900.0


def prometheus(host: str) -> subprocess.Popen[bytes]:
    """Prometheus, which looks at this host by that name."""
    config = Path("/tmp/prometheus.yml")
    CONFIG["scrape_configs"][0]["static_configs"][0]["labels"] = {"instance": host}  # type: ignore[index]
    config.write_text(json.dumps(CONFIG))
    words = (f"--config.file={config}", "--storage.tsdb.path=/tmp/data", "--web.listen-address=127.0.0.1:9090")
    with open("/lab/out/prometheus.log", "wb") as log:
        return subprocess.Popen([PROMETHEUS / "prometheus", *words], stdout=log, stderr=log)


def begin(host: str) -> None:
    """Have its tunnels wanted, but for the spare one."""
    lab.configure(TUNNELS[host])
    wanted = [lab.unit(name) for name in TUNNELS[host] if name != "spare"]
    lab.out("systemctl", "start", "--no-block", *wanted)


def flap(name: str) -> None:
    """Have the server end the session of that tunnel, as one does that runs out of memory."""
    with contextlib.suppress(Exception):
        peer = str(lab.get(name, "LocalAddress"))
        for pid in lab.server_sessions() if peer else []:
            if peer in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGKILL)


def traffic() -> None:
    """Somebody works: a page, or a big one."""
    subprocess.run(["ping", "-n", "-q", "-c", "20", "-i", "0.05", "-s", str(random.randint(100, 1300)), "-W", "1",
                    lab.INSIDE], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip


def live(host: str, seconds: float) -> None:
    """What happens in that time."""
    began, (first, last) = time.monotonic(), OUTAGE[host]
    flapped, away, broken, asked = 0.0, False, False, False
    while (now := time.monotonic() - began) < seconds:
        if away != (first >= seconds - now > last):
            away = not away
            lab.out("systemctl", "stop" if away else "start", "lab-pptpd@main")
            for pid in lab.server_sessions() if away else []:
                os.kill(pid, signal.SIGKILL)
        if FLAPPING[host] and now - flapped > 70:
            flapped = now
            flap(FLAPPING[host])
        if host == "branch2" and not broken and now > 20:
            broken = True
            lab.CONFIGURATION.write_text(lab.CONFIGURATION.read_text().replace('"username"', '"user-name"', 1))
        if host == "branch2" and not asked and seconds - now < 60:
            asked = True  # nobody has answered the first time, and nobody will now
            lab.out("systemctl", "start", "--no-block", lab.unit("bank"))
        traffic()
        time.sleep(1)


def main() -> None:
    host = sys.argv[1]
    override = Path("/etc/systemd/system/pptp-metrics.timer.d/often.conf")
    override.parent.mkdir()
    override.write_text(TIMER)
    lab.out("systemctl", "daemon-reload")
    with remote.unmasked("prometheus-node-exporter.service"):
        lab.out("systemctl", "start", "pptp-metrics.timer")
        with prometheus(host) as server:
            begin(host)
            live(host, float(sys.argv[2]) if sys.argv[2:] else SECONDS)
            with open("/lab/out/samples", "wb") as file:  # before it ends: nothing is compacted yet
                server.terminate()
                server.wait()
                words = ("tsdb", "dump", f"--match={STORED}", "/tmp/data")
                subprocess.run([PROMETHEUS / "promtool", *words], stdout=file, check=True)
    print(f"{host}: {Path('/lab/out/samples').stat().st_size} bytes of samples")


if __name__ == "__main__":
    main()
