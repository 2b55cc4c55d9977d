"""The page of Prometheus', and how the lab's samples get into the Prometheus that its picture is taken of."""

from __future__ import annotations

import re
import sys

import pytest

from pptpd_manager.ctl import measures

from .test_ctl_listing import UP, WAITING
from .test_ctl_measures import MANAGER, ROOT, samples

sys.path.insert(0, str(ROOT / "docs"))
import dashboard

PAGE = (ROOT / "etc/prometheus/pptp.html").read_text()


def test_samples_keep_their_labels_and_times() -> None:
    dumped = [
        '{__name__="up", instance="branch1", job="node"} 1 1795453871009\n',
        '{__name__="pptp_tunnel_info", server="a \\"b\\", {c}", tunnel="work"} 1 1795453871000\n',
        '{__name__="bare"} 0.25 1795453871500\n',
        '{__name__="up", instance="branch1", job="node"} NaN 1795453876009\n',
    ]
    assert list(dashboard.openmetrics(dumped)) == [
        'up{instance="branch1",job="node"} 1 1795453871.009\n',
        'pptp_tunnel_info{server="a \\"b\\", {c}",tunnel="work"} 1 1795453871.000\n',
        "bare{} 0.25 1795453871.500\n",
        "# EOF\n",
    ]


def test_what_is_no_sample_is_told() -> None:
    with pytest.raises(ValueError, match="no sample: "):
        list(dashboard.openmetrics(["head\n"]))


def test_the_page_asks_for_metrics_and_states_that_there_are() -> None:
    made = {key[0] for key in samples(MANAGER, UP, WAITING | {"NextAttempt": 1})}
    named = set(re.findall(r"\bpptp_\w+", PAGE))
    assert named and named <= made
    (order,) = re.findall(r'args ((?:"\w+" ?)+)', PAGE)
    assert sorted(re.findall(r"\w+", order)) == sorted(measures.STATES)
    (drawn,) = re.findall(r"expr: \[(one\(.*?\))\],", PAGE)
    assert sorted(re.findall(r"[a-z]+(?=[|\"])", drawn)) == sorted(measures.STATES)
