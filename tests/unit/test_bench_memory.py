"""What memory.py makes of readings; that it can read is tried in the lab."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(TESTS / "bench"), str(TESTS / "lab")]

import memory  # noqa: E402

OURS = "1 python3 20000 19000\n2 pppd 900 800\n3 pptpcm 300 200\n"
NM = "1 NetworkManager 12000 11000\n2 nm-pptp-service 4000 3000\n3 pppd 3000 2000\n"


def test_a_reading() -> None:
    found = memory.processes(OURS + "9 two words 7 6\n")
    assert found[0] == memory.Process("python3", 20000, 19000)
    assert found[-1].program == "two words"
    assert memory.split(found) == (20000, 1207, 1006)


def test_what_is_told_of_readings(tmp_path: Path) -> None:
    texts = {"ours.0.1": OURS, "ours.10.1": OURS, "ours.100.1": OURS.replace("20000", "21800"), "nm.10.1": NM}
    texts["pon.10.1"] = "5 pppd 10000 9000\n"
    texts["floor.0.1"] = "5 python3 13000 9000\n"
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    told = {figure.what: figure for figure in memory.figures(tmp_path)}
    assert told["the manager with 0 tunnels"].runs == {memory.OURS: [20000], memory.FLOOR: [13000]}
    assert told["the manager with 10 tunnels"].runs == {memory.OURS: [20000], memory.NM: [16000]}
    own = told["a tunnel's own processes, each, with 10 tunnels"].runs
    assert own == {memory.OURS: [120], memory.PON: [1000], memory.NM: [300]}
    dirty = told["a tunnel's own processes, each, with 10 tunnels: private and dirty"].runs
    assert dirty == {memory.OURS: [100], memory.PON: [900], memory.NM: [200]}
    assert told["all, with 10 tunnels"].runs[memory.OURS] == [21200]
    assert told["a tunnel more in the manager"].runs == {memory.OURS: [20.0]}
