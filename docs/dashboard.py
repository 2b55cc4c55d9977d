"""dashboard.py SAMPLES... PNG: the picture in docs/fleet.md, of what Prometheus stored in the lab (lab/incidents.py).

The samples of all guests are put into one Prometheus, as one that looks at all of these hosts would have them, at the
times at which they were taken. It serves etc/prometheus/pptp.html, and Chromium takes the picture of that.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSOLES, LIBRARIES = ROOT / "etc/prometheus", Path("/usr/share/doc/prometheus/examples/console_libraries")
ADDRESS = "127.0.0.1:19090"
SIZE = "1240,1270"
COLOURS = 64  # a third of the size
LASTING_SECONDS = 15  # three looks
START_SECONDS, DRAWING_MS = 30.0, 8000
_LINE = re.compile(r'\{__name__="(\w+)"(?:, )?(.*)\} (\S+) (\d+)')
_LABEL = re.compile(r'\w+="(?:[^"\\]|\\.)*"')


def openmetrics(dumped: Iterable[str]) -> Iterator[str]:
    """The lines of `promtool tsdb dump` as `promtool tsdb create-blocks-from openmetrics` takes them.

    A sample that says that there is none any more (NaN) is left out. Raises ValueError for a line that is none.
    """
    for line in dumped:
        found = _LINE.fullmatch(line.rstrip("\n"))
        if not found:
            raise ValueError(f"no sample: {line!r}")
        name, labels, value, milliseconds = found.groups()
        if value != "NaN":
            yield f"{name}{{{','.join(_LABEL.findall(labels))}}} {value} {int(milliseconds) / 1000:.3f}\n"
    yield "# EOF\n"


def dumped(files: Iterable[Path]) -> Iterator[str]:
    """The lines of all files."""
    for file in files:
        with file.open() as lines:
            yield from lines


@contextmanager
def prometheus(folder: Path, newest: float) -> Iterator[None]:
    """Prometheus with what is stored in the folder and no hosts of its own, while the block runs.

    newest: when the last sample was taken, seconds since 1970. That is what counts as now, and nothing that had ended
    before: the marks of an end, with which Prometheus would know, are not in the samples.
    """
    looking_back = time.time() - newest + DRAWING_MS / 1000 + LASTING_SECONDS
    config = folder / "prometheus.yml"
    config.write_text("{}\n")
    words = (
        *(f"--config.file={config}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={ADDRESS}"),
        *(f"--web.console.templates={CONSOLES}", f"--web.console.libraries={LIBRARIES}", "--log.level=error"),
        f"--query.lookback-delta={looking_back:.0f}s",
    )
    with subprocess.Popen(["prometheus", *words]) as server:
        try:
            ready(time.monotonic() + START_SECONDS)
            yield
        finally:
            server.terminate()


def ready(deadline: float) -> None:
    """Wait until it answers."""
    while True:
        try:
            urllib.request.urlopen(f"http://{ADDRESS}/-/ready", timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def main() -> None:
    """Make the picture."""
    *samples, picture = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        with (folder / "samples").open("w") as file:
            file.writelines(lines := list(openmetrics(dumped(samples))))
        newest = max(float(line.rpartition(" ")[2]) for line in lines[:-1])
        blocks = ("promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "samples", folder / "data")
        subprocess.run(blocks, check=True, stdout=subprocess.DEVNULL)
        with prometheus(folder, newest):
            take(picture.resolve(), folder)
    print(f"{picture}: {picture.stat().st_size} bytes")


def take(picture: Path, folder: Path) -> None:
    """Have Chromium draw the page, and keep what it has drawn."""
    words = (
        *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={SIZE}"),
        *(f"--user-data-dir={folder}/chromium", f"--virtual-time-budget={DRAWING_MS}", f"--screenshot={picture}"),
    )
    subprocess.run([*words, f"http://{ADDRESS}/consoles/pptp.html"], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["pngquant", "--force", "--ext=.png", "--speed=1", str(COLOURS), picture], check=True)


if __name__ == "__main__":
    main()
