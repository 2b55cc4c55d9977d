"""The alert rules for Prometheus: promtool runs them over the samples in pptp.rules.test.yml."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from pptpd_manager.ctl import measures

from .test_ctl_measures import MANAGER, PROMTOOL, ROOT, text

RULES, TESTS = ROOT / "etc/prometheus/pptp.rules.yml", ROOT / "tests/unit/pptp.rules.test.yml"


@pytest.mark.parametrize("words", [("check", "rules", "--lint-fatal", RULES), ("test", "rules", TESTS)])
def test_promtool(words: tuple[str, ...]) -> None:
    done = subprocess.run([PROMTOOL, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_shown_to_be_given() -> None:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    cases = [case for test in yaml.safe_load(TESTS.read_text())["tests"] for case in test["alert_rule_test"]]
    assert {rule["alert"] for rule in group["rules"]} == {case["alertname"] for case in cases if case["exp_alerts"]}


def test_the_rules_name_metrics_that_there_are() -> None:
    ours = set(re.findall(r"^# TYPE (\S+) ", text(MANAGER), re.MULTILINE))
    named = set(re.findall(r"\bpptp_\w+", RULES.read_text()))
    assert named and named <= ours
    assert set(re.findall(r'state=~?"(\w+)"', RULES.read_text())) <= set(measures.STATES)


def test_the_page_has_each_alert() -> None:
    page = (ROOT / "docs/fleet.md").read_text()
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    assert re.findall(r"^\| `(Pptp\w+)` \|", page, re.MULTILINE) == [rule["alert"] for rule in group["rules"]]
