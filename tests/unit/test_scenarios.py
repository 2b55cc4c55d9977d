"""The lab's scenarios name tests that there are: pytest says nothing of one that it is told to leave out in vain."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

LAB = Path(__file__).resolve().parents[1] / "lab"
sys.path.insert(0, str(LAB))

from scenarios import APART, ONCE  # noqa: E402


def test_what_the_first_suite_alone_runs_is_there() -> None:
    for test in ONCE:
        name, _, words = test.partition("::")
        functions = [node for node in ast.parse((LAB / name).read_bytes()).body if isinstance(node, ast.FunctionDef)]
        (function,) = [node for node in functions if node.name == words.partition("[")[0]]
        parametrized = any("parametrize" in ast.unparse(decorator) for decorator in function.decorator_list)
        assert parametrized == words.endswith("]"), f"{test}: with its parameters, if it has any, or it is run twice"


def test_each_file_is_in_one_scenario() -> None:
    names = [name for tests in APART.values() for name in tests]
    assert len(names) == len(set(names)) and {*names} <= {path.name for path in LAB.glob("test_*.py")}
