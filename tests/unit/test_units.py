"""Names of units and of their objects, and the state that systemd tells of one."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import pytest
from gi.repository import GLib
from hypothesis import given
from hypothesis import strategies as st

from pptpd_manager import units
from pptpd_manager.labels import escape, unescape, unit_name, unit_path
from pptpd_manager.remote import Target
from pptpd_manager.units import AT_ONCE, UNIT, Units, UnitState


@pytest.mark.parametrize(
    ("label", "element"),
    [
        ("pptp@office.service", "pptp_40office_2eservice"),
        ("dbus", "dbus"),
        ("4ever", "_34ever"),
        ("a4", "a4"),
        ("a-b_c", "a_2db_5fc"),
    ],
)
def test_escape(label: str, element: str) -> None:
    """As `busctl tree org.freedesktop.systemd1` shows them."""
    assert escape(label) == element
    assert unescape(element) == label


@given(st.text(string.ascii_letters + string.digits + "_-.@", min_size=1))
def test_unescape_undoes_escape(label: str) -> None:
    element = escape(label)
    assert unescape(element) == label
    assert set(element) <= set(string.ascii_letters + string.digits + "_")
    assert not element[0].isdigit()


def test_unit_name() -> None:
    assert unit_name("office") == "pptp@office.service"


# --- the state of a unit, whose answers need not come in the order of the questions ---


class Bus:
    """A connection whose calls the test answers.

    open: by interface, the questions without an answer, oldest first; facts: single properties, answered at once.
    """

    def __init__(self) -> None:
        self.open: dict[str, list[Any]] = {}
        self.facts: dict[str, str | int] = {
            "SystemState": "running",
            "ExecMainCode": 1,
            "ExecMainStatus": 77,
            "MainPID": 7,
        }

    def signal_subscribe(self, *arguments: Any) -> int:
        self.tell: Callable[..., None] = lambda unit, **properties: arguments[-1](
            self, "", unit_path(unit), "", "", GLib.Variant("(sa{sv}as)", (UNIT, typed(properties), []))
        )
        return 1

    def call(
        self,
        _con: Any,
        _target: Target,
        method: str,
        arguments: GLib.Variant | None,
        then: Callable[[Any], None],
        failed: Callable[[GLib.Error], None],
    ) -> None:
        """In place of remote.call()."""
        if method == "GetAll" and arguments:
            self.open.setdefault(arguments.unpack()[0].rpartition(".")[2], []).append((then, failed))
        elif method == "Get" and arguments:
            then((self.facts[arguments.unpack()[1]],))

    def answer(self, interface: str, **properties: Any) -> None:
        """Answer the oldest open question about an interface; without properties with an error."""
        then, failed = self.open[interface].pop(0)
        if properties:
            then(GLib.Variant("(a{sv})", (typed(properties),)).unpack())
        else:
            failed(gone())


def gone() -> GLib.Error:
    error = GLib.Error("Unknown object.")
    assert isinstance(error, GLib.Error)
    return error


def typed(properties: dict[str, Any]) -> dict[str, GLib.Variant]:
    kinds = {str: "s", int: "i", tuple: "(uo)"}
    return {name: GLib.Variant(kinds[type(value)], value) for name, value in properties.items()}


def read(bus: Bus, **properties: Any) -> UnitState:
    """What is told, once, of a unit with these properties."""
    found: list[UnitState | None] = []
    Units(bus, lambda *_: None).state("office", found.append)
    bus.answer("Unit", **properties)
    (state,) = found
    assert state
    return state


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    made = Bus()
    monkeypatch.setattr(units, "call", made.call)
    return made


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def ask(bus: Bus, told: list[str]) -> Callable[[], None]:
    made = Units(bus, lambda _, state: told.append(f"news: {state.active}"))
    return lambda: made.state("office", lambda state: told.append(state.active if state else "nobody knows"))


def test_a_state_that_has_changed_meanwhile_is_not_told(bus: Bus, told: list[str], ask: Callable[[], None]) -> None:
    ask()
    bus.answer("Unit", ActiveState="failed", SubState="failed", Job=(7, "/org/freedesktop/systemd1/job/7"))
    ask()
    bus.answer("Job", JobType="stop")
    assert told == []
    bus.answer("Unit", ActiveState="inactive", SubState="dead")
    assert told == ["inactive", "inactive"]


def test_many_changes_are_one_more_question(bus: Bus, told: list[str], ask: Callable[[], None]) -> None:
    """A restart is a dozen of them, and the next dial waits for the answers."""
    ask()
    for sub in ("dead", "auto-restart", "start-pre"):
        bus.tell("pptp@office.service", SubState=sub)
    assert len(bus.open["Unit"]) == 1
    bus.answer("Unit", ActiveState="inactive", SubState="dead")
    assert (told, len(bus.open["Unit"])) == ([], 1)
    bus.answer("Unit", ActiveState="activating", SubState="start")
    assert (told, bus.open["Unit"]) == (["activating"], [])


def test_what_a_unit_was_before_an_order_is_not_told_after_it(bus: Bus, told: list[str]) -> None:
    """It would be taken for what came of the order."""
    made = Units(bus, lambda *_: None)
    made.state("office", lambda state: told.append(state.active if state else ""))
    made.start("office", lambda: None, lambda _: None)
    bus.answer("Unit", ActiveState="failed", SubState="failed")
    assert told == []
    bus.answer("Unit", ActiveState="activating", SubState="start")
    assert told == ["activating"]


@pytest.mark.parametrize(("status", "given_up"), [(77, "77"), (203, "203"), (1, "")])
def test_whether_a_failed_unit_has_given_up(bus: Bus, status: int, given_up: str) -> None:
    bus.facts["ExecMainStatus"] = status
    assert read(bus, ActiveState="failed", SubState="failed").given_up == given_up


@pytest.mark.parametrize(
    ("sub", "pid", "abandoned"), [("start-post", 0, True), ("start-post", 7, False), ("start", 0, False)]
)
def test_whether_a_start_goes_on_without_its_main_process(bus: Bus, sub: str, pid: int, abandoned: bool) -> None:
    bus.facts["MainPID"] = pid
    assert read(bus, ActiveState="activating", SubState=sub).abandoned == abandoned


@pytest.mark.parametrize(("system", "shutdown"), [("stopping", True), ("running", False), ("degraded", False)])
def test_whether_a_unit_is_down_because_the_machine_goes_down(bus: Bus, system: str, shutdown: bool) -> None:
    bus.facts["SystemState"] = system
    assert read(bus, ActiveState="inactive", SubState="dead").shutdown == shutdown


def test_a_unit_is_looked_at_again_when_its_job_has_gone_meanwhile(
    bus: Bus, told: list[str], ask: Callable[[], None]
) -> None:
    ask()
    bus.answer("Unit", ActiveState="inactive", SubState="dead", Job=(7, "/org/freedesktop/systemd1/job/7"))
    bus.answer("Job")
    assert told == []
    bus.answer("Unit", ActiveState="activating", SubState="start", Job=(0, "/"))
    assert told == ["activating"]


def test_a_unit_is_looked_at_again_when_systemd_tells_of_it_meanwhile(
    bus: Bus, told: list[str], ask: Callable[[], None]
) -> None:
    ask()
    bus.tell(unit_name("office"), ActiveState="activating", SubState="start")
    bus.answer("Unit", ActiveState="inactive", SubState="dead")
    assert told == ["news: activating"]
    bus.answer("Unit", ActiveState="activating", SubState="start")
    assert told == ["news: activating", "activating"]


def test_a_state_that_systemd_does_not_tell(
    bus: Bus, told: list[str], ask: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    ask()
    bus.answer("Unit")
    assert told == ["nobody knows"]
    assert "systemd does not tell the state of pptp@office.service: Unknown object." in caplog.text


def test_a_hundred_tunnels_do_not_ask_more_at_once_than_the_bus_lets_them(bus: Bus) -> None:
    told: list[str] = []
    made = Units(bus, lambda *_: None)
    names = [f"t{number}" for number in range(100)]
    for name in names:
        made.state(name, lambda state, name=name: told.append(name))  # type: ignore[misc]
    while told != names:
        assert len(bus.open["Unit"]) <= AT_ONCE
        bus.answer("Unit", ActiveState="inactive", SubState="dead")
