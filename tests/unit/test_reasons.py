"""The table of reasons itself. test_diagnosis.py has how a reason is found."""

from __future__ import annotations

from pathlib import Path

from pptpd_manager import errors, reasons
from pptpd_manager.diagnosis import CAUSES, ENDINGS
from pptpd_manager.reasons import Reason

TESTS = Path(__file__).resolve().parents[1]
# Those that nothing real or scripted can be brought to have here; test_diagnosis.py or test_machine.py has them.
UNIT_ONLY = {
    "ppp-unit-failed": "the kernel would have to run out of units or terminals",
    "no-process": "root may always fork until the machine is out of memory",
    "no-secret": "the option file always has a password",
    "connect-timeout": "the link is up but never its routes, which are in one batch",
    "address-not-set": "the kernel takes every address",
    "address-forbidden": "with noauth every address of the server is taken",
    "route-refused": "the kernel refuses no route that the configuration can have",
    "hang-up": "what is left when nothing is known",
    "unknown": "what is left when nothing is known",
    "peer-must-log-in": "noauth comes after /etc/ppp/options",
    "configuration-changed": "is no failure and not shown as one",
}


def test_names_are_stable_words() -> None:
    for name, reason in reasons.REASONS.items():
        assert name == reason.name and name.replace("-", "").isalpha() and name == name.lower()
        assert reason.sentence.endswith(".")


def test_no_reason_has_the_name_of_an_error_with_another_meaning() -> None:
    """Who calls Connect tells by the name alone what it is."""
    same = {errors.of_reason(name) for name in reasons.REASONS} & errors.MEANINGS.keys()
    assert same <= {errors.BAD_CONFIGURATION}


def test_every_reason_is_given_by_something() -> None:
    told = {rule.reason for rule in CAUSES + ENDINGS}
    source = "".join(
        path.read_text() for path in Path(reasons.__file__).parent.glob("*.py") if path.name != "reasons.py"
    )
    constants = {name for name, value in vars(reasons).items() if isinstance(value, Reason) and value not in told}
    assert [name for name in sorted(constants) if f"reasons.{name}" not in source] == []


def test_every_reason_is_brought_about_for_real() -> None:
    """By a test in the lab, or on a bus with a real kernel."""
    real = "".join(path.read_text() for folder in ("lab", "bus") for path in (TESTS / folder).rglob("*.py"))
    missing = {
        reason.name
        for reason in reasons.REASONS.values()
        if f'"{reason.name}"' not in real and reason.sentence not in real
    }
    assert missing <= UNIT_ONLY.keys(), missing - UNIT_ONLY.keys()


def test_the_advice_names_the_tunnel_and_holds_nothing_that_busctl_escapes() -> None:
    for reason in reasons.REASONS.values():
        text = reason.sentence + reason.advice.format(name="work", server="vpn.example.com", address="192.0.2.1")
        assert reasons.printable(text, 1000) == text
