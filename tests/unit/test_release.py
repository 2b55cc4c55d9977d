"""packaging/release.py: what it says of texts and of a repository that are not ready for a release."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "packaging"))

import release  # noqa: E402

READY = {
    release.PROGRAM: 'VERSION = "1.2.3"\n',
    release.CHANGELOG: "# Changelog\n\n## 1.2.3 - 2026-11-30\n\n### Added\n\n## 1.2.2 - 2026-11-01\n",
    release.DEBIAN: "pptp-manager (1.2.3) unstable; urgency=medium\n",
    release.PKGBUILD: "pkgname=pptp-manager\npkgver=1.2.3\n",
    "README.md": "apt install ./pptp-manager_1.2.3_all.deb\n",
    "man/pptpctl.1": '.TH PPTPCTL 1 "2026-11-30" "pptp-manager 1.2.3"\n',
}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (release.CHANGELOG, "## Unreleased\n\n## 1.2.3 - 2026-11-30\n", "the top section is Unreleased, not 1.2.3"),
        (release.CHANGELOG, "## [1.2.3]\n", 'the top section has no date; "## 1.2.3 - YYYY-MM-DD"'),
        (release.CHANGELOG, "nothing\n", "the top section is missing, not 1.2.3"),
        (release.DEBIAN, "pptp-manager (1.2.2) unstable;", "the top entry is about 1.2.2, not 1.2.3"),
        (release.DEBIAN, "pptp-manager (1.2.3) UNRELEASED;", "1.2.3 is marked UNRELEASED; dch --release"),
        (release.PKGBUILD, "pkgver=1.2\n", "pkgver is 1.2, not 1.2.3"),
        ("README.md", "apt install ./pptp-manager_1.2.2_all.deb", "names version 1.2.2, not 1.2.3"),
        ("man/pptpctl.1", '.TH PPTPCTL 1 "" "pptp-manager 1.3.0"', "names version 1.3.0, not 1.2.3"),
    ],
)
def test_a_text_that_disagrees(name: str, text: str, said: str) -> None:
    assert list(release.disagreements("1.2.3", READY)) == []
    assert list(release.disagreements("1.2.3", READY | {name: text})) == [f"{name}: {said}"]


def test_the_repository() -> None:
    assert list(release.not_ready("1.2.3", "", ["v1.2.2"])) == []
    assert list(release.not_ready("1.2.3", " M README.md\n?? new\n", ["v1.2.3"])) == [
        "not committed: README.md",
        "not committed: new",
        f"the tag v1.2.3 is there already: {release.PROGRAM} needs the next version",
    ]


def test_this_tree_names_one_version() -> None:
    """Between releases, too: all but the changelogs' marks of what is not released yet."""
    texts = {name: (ROOT / name).read_text() for name in READY if (ROOT / name).exists()}
    said = release.disagreements(release.version_of(texts[release.PROGRAM]), texts)
    assert [line for line in said if "Unreleased" not in line and "UNRELEASED" not in line] == []
