"""What the benchmarks say of what they found. Their measuring is tried in the lab, test_connect.py and others."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"
sys.path += [str(BENCH), str(BENCH.parent / "lab")]

import hundred  # noqa: E402
import report  # noqa: E402
import result  # noqa: E402
from parts import PARTS  # noqa: E402
from result import BEST, Aim, Figure, Plot, Result  # noqa: E402

RUNS: result.Runs = {"pptp-manager": [1.0, 2.0, 1.5], "pon": [3.0, 3.0, 6.0], "nm": [None, 2.0, 2.0]}


@pytest.mark.parametrize(
    ("aim", "runs", "ratio", "reached"),
    [
        (Aim("pptp-manager", 0.5, "pon"), RUNS, 0.5, True),
        (Aim("pptp-manager", 0.4, "pon"), RUNS, 0.5, False),
        (Aim("pptp-manager", 2.0), RUNS, 1.5, True),
        (Aim("pptp-manager", 1.4), RUNS, 1.5, False),
        (Aim("pptp-manager", 1.0, BEST), RUNS, 0.5, True),  # who does not come back every time is not the best
        (Aim("pptp-manager", 1.0, BEST), {**RUNS, "nm": [1.0, 1.0]}, 1.5, False),
        (Aim("pptp-manager", 1.3, "pon", least=True), {"pptp-manager": [4.0], "pon": [3.0]}, 4 / 3, True),
        (Aim("pptp-manager", 1.3, "pon", least=True), {"pptp-manager": [3.0], "pon": [3.0]}, 1.0, False),
        (Aim("pptp-manager", 0.9, "nm"), RUNS, 0.0, True),  # of something that never comes any time is enough
        (Aim("nm", 1.0, "pon"), RUNS, math.inf, False),
        (Aim("nm", 1.0, "pon"), {"nm": [None], "pon": [None]}, math.inf, False),
        (Aim("nm", 1.0), {"nm": []}, math.nan, False),
    ],
)
def test_an_aim_is_judged_by_medians(aim: Aim, runs: result.Runs, ratio: float, reached: bool) -> None:
    assert aim.ratio(runs) == pytest.approx(ratio, nan_ok=True)
    assert aim.reached(runs) is reached


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ([], "-"),
        ([None, None], "never"),
        ([1.234], "1.23"),
        ([0.1234, 12.34, 1234.5], "12.3 (0.123-1234)"),
        ([20.0, None], "20, 1 of 2"),
        ([1.0, None, 3.0], "2 (1-3), 2 of 3"),
    ],
)
def test_runs_are_told_in_a_cell(runs: list[float | None], told: str) -> None:
    assert result.summary(runs) == told


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    figure = Figure("first ping", "s", dict(RUNS), [Aim("pon", 1.0)], note="why")
    one = Result("connect", "Connect", "How.", [figure], {"pon": "pon lab"}, [Plot("t", "x", "y", {"a": [(0, 1)]})])
    result.write(one, tmp_path / "found")
    again = result.read(tmp_path / "found")
    assert again.figures == one.figures and again.commands == one.commands and again.machine["kernel"]
    assert [plot.title for plot in again.plots] == ["t"]


def test_the_page_tells_a_missed_aim_as_missed() -> None:
    figure = Figure("first ping", "s", RUNS, [Aim("pptp-manager", 0.9, "pon"), Aim("nm", 0.9, "pon")], note="a reason")
    page = report.text([Result("connect", "Connect, disconnect", "How.", [figure], {}, (), {"kernel": "6.1"})])
    assert "| first ping | pptp-manager at most 0.9 times pon | 0.500 | reached |" in page
    assert "| [Connect, disconnect](#connect-disconnect) |" in page
    assert "| nm at most 0.9 times pon | never | **missed** |" in page
    assert "| first ping, s | 1.50 (1-2) | 3 (3-6) | 2 (2-2), 2 of 3 |" in page
    assert "- first ping: a reason" in page


def test_each_part_is_there() -> None:
    assert all((BENCH / f"{part.module}.py").exists() for part in PARTS)
    assert len({part.name for part in PARTS}) == len(PARTS)


@pytest.mark.parametrize(
    ("samples", "grown"),
    [
        ([1.0, 5.0, 9.0, 9.0, 9.0, 9.0], 0.0),  # what is taken at first is not lost
        ([0.0, 0.0, 0.0, 2.0, 4.0, 6.0], 4.0),
        ([5.0, 5.0, 5.0, 7.0, 5.0], 0.0),  # up and down
        ([3.0, 2.0, 1.0, 0.0], -1.0),
        ([1.0, 2.0], 0.0),
    ],
)
def test_what_grows_in_the_second_half(samples: list[float], grown: float) -> None:
    assert result.growth(samples) == pytest.approx(grown)


def test_when_each_of_many_tunnels_came_up_is_told_by_ip_monitor() -> None:
    """ip shows the name that a link had before."""
    kernel = (
        "[2026-11-23T17:00:00.100000] 7: pptp-t001: <POINTOPOINT> mtu 1396 \n"
        "[2026-11-23T17:00:01.000000] 7: ppp0    inet 10.9.2.1 peer 10.9.0.1/32 scope global ppp0\n"
        "[2026-11-23T17:00:01.500000] 10.98.0.1 dev pptp-t001 proto 172 scope link \n"
        "[2026-11-23T17:00:02.000000] Deleted 10.98.0.1 dev pptp-t001 proto 172 scope link \n"
        "[2026-11-23T17:00:03.500000] 10.98.0.1 dev pptp-t001 proto 172 scope link \n"
    )
    address, route = (hundred.came_up(kernel, routed)["t001"] for routed in (False, True))
    assert route - address == 0.5


def test_the_connections_that_pptpd_accepts_are_counted_by_second() -> None:
    line = "{} bookworm pptpd[7]: CTRL: Client 192.0.2.2 control connection {}\n"
    times = (("100.9", "started"), ("101.2", "started"), ("101.4", "finished"), ("103.0", "started"))
    assert hundred.connections("".join(line.format(*one) for one in times), 100.5) == {0: 2, 2: 1}
