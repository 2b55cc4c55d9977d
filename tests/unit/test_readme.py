"""README.md, docs/configuration.md and CONTRIBUTING.md against what they tell of."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import keytable  # noqa: E402

from pptpd_manager import reasons  # noqa: E402
from pptpd_manager.keys import KEYS, Key  # noqa: E402

README = (ROOT / "README.md").read_text()
CONFIGURATION = (ROOT / "docs/configuration.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
MODULES = sorted(path.name for path in (ROOT / "pptpd_manager").glob("*.py") if path.name != "__init__.py")


def row(key: Key[object]) -> str:
    """The key's line in the table."""
    pppd = ", ".join(f"`{option}`" for option in key.pppd.split(", ")) if key.pppd else ""
    default = keytable.default(key)
    default = default if default in (keytable.REQUIRED, keytable.NONE) else f"`{default}`"
    return f"| `{key.name}` | {default} | {key.kind.says} | {key.meaning} | {pppd} |".replace("|  |", "| |")


def test_the_table_of_keys_is_keys_py() -> None:
    table = CONFIGURATION.partition("| key | default | value | meaning | pppd's option |\n")[2].partition("\n\n")[0]
    assert table.splitlines()[1:] == [row(key) for key in KEYS]


@pytest.mark.parametrize("module", MODULES)
def test_each_module_is_told_of(module: str) -> None:
    assert len(re.findall(rf"^\| `{re.escape(module)}` \| .+ \|$", CONTRIBUTING, re.MULTILINE)) == 1


def test_no_module_is_told_of_that_is_not_there() -> None:
    assert sorted(re.findall(r"^\| `(\w+\.py)` \|", CONTRIBUTING, re.MULTILINE)) == MODULES


@pytest.mark.parametrize("folder", re.findall(r"^\| (`[a-z_/]+/`(?:, `[a-z_/]+/`)*) \|", CONTRIBUTING, re.MULTILINE))
def test_folders_are_there(folder: str) -> None:
    assert all((ROOT / name).is_dir() for name in re.findall(r"`([^`]+)`", folder))


def test_reasons_are_named_right() -> None:
    named = re.findall(r"PPTP_REASON=([a-z-]+)", README)
    assert named and set(named) <= set(reasons.REASONS)


def test_packages_are_those_that_the_lab_installs() -> None:
    wanted = re.search(r"apt install (python3-(?:[^\\\n]|\\\n)+)", README)
    assert wanted
    rootfs = (ROOT / "lab/rootfs.py").read_text()
    names = set(wanted[1].replace("\\\n", " ").split()) - {
        "git",
        "gir1.2-glib-2.0",
    }  # the latter comes with python3-gi
    assert {name for name in names if f'"{name}"' not in rootfs} == set()


def test_make_targets_are_there() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z]+)\b(?=[ `\n])", README + CONTRIBUTING)) <= set(targets) | {"deb"}
