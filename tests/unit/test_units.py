"""Names of units, and of their objects."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pptpd_manager.units import escape, unescape, unit_name


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
