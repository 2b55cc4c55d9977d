"""The linters, and the rules of this repository that no linter knows."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "pptpd_manager"
TOOLS = Path(sys.executable).parent  # .venv/bin
NOT_OURS = {".git", ".venv", ".hypothesis", ".mypy_cache", ".ruff_cache", ".pytest_cache", "__pycache__", "build"}

PURE = (
    *("config", "keys", "values", "document", "addresses", "options", "secret", "reasons", "pppd", "retry", "routes"),
    *("routing", "planner", "losses", "dns", "mtu", "clamp", "hooks", "occasions", "labels", "entries"),
    *("authorization", "turns", "tally", "departures"),
    *("diagnosis", "events", "tunnel", "machine", "verdict", "link", "ending"),
    *("doctor.finding", "doctor.control", "doctor.way", "doctor.programs", "doctor.kernel", "doctor.sysoptions"),
    *("doctor.manager", "doctor.network", "doctor.firewall"),
    *("imports.draft", "imports.yamltext", "imports.words", "imports.pppoptions", "imports.reading"),
    *("imports.secretsfile", "imports.condition", "imports.shelltokens"),
    *("imports.peers", "imports.shell", "imports.routecommands", "imports.ipup", "imports.rcd"),
    *("imports.networkmanager", "imports.uci", "imports.systems"),
)
IMPURE = {"gi", "socket", "os", "time", "logging", "random", "pyroute2", "subprocess"}
MOST_LINES = 40


def run(*command: str | Path) -> None:
    """Run a checker in the repository: its findings are the test's failure."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"LC_ALL": "C"},
    )
    if done.returncode:
        pytest.fail(f"{Path(command[0]).name} found:\n{done.stdout}", pytrace=False)


def files() -> list[Path]:
    """Every file of the repository that is not made by a tool."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(set(folders) - NOT_OURS)
        found += [Path(folder, name) for name in sorted(names)]
    return [path for path in found if path.is_file() and not path.is_symlink()]


def shell_scripts() -> list[Path]:
    """The files whose first line names sh or bash."""
    found = []
    for path in files():
        with path.open("rb") as file:
            if re.match(rb"#!\s*\S*/(env +)?(ba|da)?sh\b", file.readline(100)):
                found.append(path)
    return found


@cache
def modules() -> dict[str, ast.Module]:
    """Each module of the package, parsed, by its name: "config", "ctl.terminal"."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found[name] = ast.parse(path.read_bytes())
    return found


@cache
def imported(module: ast.Module) -> set[str]:
    """The top-level names of what a module imports, in whatever corner."""
    found = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return found


# --- Python ---


def test_ruff() -> None:
    run(TOOLS / "ruff", "check", "--quiet", ".")


def test_ruff_format() -> None:
    run(TOOLS / "ruff", "format", "--quiet", "--diff", ".")


def test_mypy() -> None:
    run(TOOLS / "mypy", "--no-error-summary")


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_do_no_io(name: str) -> None:
    assert imported(modules()[name]) & IMPURE == set()


@pytest.mark.parametrize("library", ["jeepney", "pyroute2", "pydbus", "sdnotify", "yaml"])
def test_a_library_is_imported_in_one_module(library: str) -> None:
    """... of each of the programs: pptpctl has its own."""
    users = [name for name, module in modules().items() if library in imported(module)]
    counts = {len([name for name in users if "." not in name]), len([name for name in users if "." in name])}
    assert counts in ({1, 0}, {1})


def functions() -> Iterator[tuple[str, int]]:
    """Each function of the package, and its lines without the docstring."""
    for name, module in modules().items():
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                documented = ast.get_docstring(node) is not None
                docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
                yield f"{name}.{node.name}", (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_functions_are_short() -> None:
    assert [(name, lines) for name, lines in functions() if lines > MOST_LINES] == []


def test_what_is_logged_of_a_tunnel_says_which_in_its_fields() -> None:
    """`pptpctl logs` and `journalctl -u` look for the fields. What is for --debug need not be there."""
    found, bare = 0, []
    for name, module in modules().items():
        for node in ast.walk(module):
            if not (isinstance(node, ast.Call) and re.fullmatch(r"log\.(?!debug)\w+", ast.unparse(node.func))):
                continue
            if any(isinstance(a, ast.Constant) and str(a.value).startswith("tunnel %s") for a in node.args):
                found += 1
                bare += [f"{name}:{node.lineno}"] * ("extra" not in {keyword.arg for keyword in node.keywords})
    assert found and bare == []


# --- the rest ---


def test_shellcheck() -> None:
    scripts = shell_scripts()
    assert {ROOT / "tests/prepare", ROOT / "systemd/pptp-unit", ROOT / "systemd/pptp-ip-up"} <= set(scripts)
    run("shellcheck", *scripts)
    run("shellcheck", "--shell=bash", ROOT / "completions/pptpctl.bash")


def test_xml() -> None:
    """Well-formed. Not against a DTD: D-Bus' DTDs are on its site only, and nothing here goes there."""
    run("xmllint", "--nonet", "--noout", *sorted(PACKAGE.glob("dbus/*.xml")), *sorted(ROOT.glob("systemd/*.conf")))
    run("xmllint", "--nonet", "--noout", ROOT / "etc/org.pptpmanager1.policy")


@pytest.mark.parametrize("page", sorted(path.name for path in ROOT.glob("man/*.[158]")))
def test_manual(page: str) -> None:
    """As lintian does it; and mandoc's lint, but for the date, which we do not give (docs/roff.py)."""
    environment = os.environ | {"LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"}
    man = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", f"man/{page}"]
    done = subprocess.run(man, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0) and len(done.stdout) > 5000
    lint = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", f"man/{page}"], cwd=ROOT, capture_output=True, text=True
    )
    assert [line for line in lint.stdout.splitlines() if "missing date" not in line] == []


def test_codespell() -> None:
    # The words of the results are in the sources that they are made from, without "\\n" in them.
    results = ROOT / "docs/benchmarks"
    chosen = [path for path in files() if not (path.parent == results and path.suffix == ".json")]
    run("codespell", *(path.relative_to(ROOT) for path in chosen))


def test_ansible_role() -> None:
    """ansible-lint, which asks ansible-playbook for the syntax as well. By names: it goes by what git knows, else."""
    folder = ROOT / "packaging/ansible"
    paths = [path for path in folder.rglob("*") if path.suffix in (".yml", ".j2")]
    assert len(paths) > 5
    run("env", f"--chdir={folder}", "LC_ALL=C.UTF-8", "ansible-lint", "--offline", "--nocolor", *paths)


# --- make install ---


def make(target: str, root: Path, *variables: str) -> None:
    subprocess.run(["make", "--silent", target, f"DESTDIR={root}", *variables], cwd=ROOT, check=True)


UNITS = (
    *("pptp-guard.service", "pptp-manager.service", "pptp-metrics.service", "pptp-metrics.timer"),
    *("pptp-modules.service", "pptp@.service"),
)
# The most that `systemd-analyze security` may say of each, 0 to 10; it takes ten times that.
EXPOSURE = {"pptp-manager": 2.0, "pptp@office": 4.0, "pptp-guard": 1.5, "pptp-modules": 2.0, "pptp-metrics": 1.5}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root that has our installation, systemd's units, and something for each program that ours start."""
    root = tmp_path_factory.mktemp("installed")
    make("install", root)
    ours = root / "usr/lib/systemd/system"
    assert tuple(sorted(unit.name for unit in ours.iterdir())) == UNITS
    for unit in UNITS:
        for program in re.findall(r"^Exec\w+=[-+:!@]*(/\S+)", (ours / unit).read_text(), re.MULTILINE):
            path = root / program[1:]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o755)
    system = Path("/usr/lib/systemd/system")
    for theirs in sorted(system.iterdir()) if system.exists() else []:
        if theirs.is_file() and not (ours / theirs.name).exists():
            shutil.copy(theirs, ours)
    return root


def test_units(installed: Path) -> None:
    """systemd-analyze verify."""
    units = [unit.replace("@.", "@office.") for unit in UNITS]
    command = ["systemd-analyze", f"--root={installed}", "--man=no", "verify", *units]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("unit", EXPOSURE)
def test_exposure(installed: Path, unit: str) -> None:
    run(
        *("systemd-analyze", "--offline=true", f"--root={installed}", "--no-pager"),
        *(f"--threshold={EXPOSURE[unit] * 10:.0f}", "security", f"{unit}.service"),
    )


def test_uninstall_removes_what_install_put(tmp_path: Path) -> None:
    make("install", tmp_path)
    assert (tmp_path / "usr/sbin/pptp-manager").exists()
    make("uninstall", tmp_path)
    left = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if not path.is_dir()]
    assert left == [Path("etc/pptp-manager.yaml")]


def test_install_puts_every_module_and_interface(tmp_path: Path) -> None:
    make("install", tmp_path)
    private = tmp_path / "usr/lib/pptp-manager"
    here = {path.relative_to(ROOT) for pattern in ("**/*.py", "dbus/*.xml") for path in PACKAGE.glob(pattern)}
    assert {path.relative_to(private) for path in private.rglob("*") if path.is_file()} == here | {
        Path("pptp-unit"),
        Path("pptp-ip-up"),
        Path("pptp-setup"),
    }


def test_install_puts_what_other_services_read(tmp_path: Path) -> None:
    make("install", tmp_path)
    lib = tmp_path / "usr/lib"
    for there, here in (
        ("NetworkManager/conf.d/pptp-manager.conf", "NetworkManager.conf"),
        ("systemd/network/00-pptp-manager.network", "networkd.network"),
        ("tmpfiles.d/pptp-manager.conf", "tmpfiles.conf"),
    ):
        assert (lib / there).read_text() == (ROOT / "etc" / here).read_text()


def test_install_keeps_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/pptp-manager.yaml").write_text("tunnels: {}\n")
    make("install", tmp_path)
    assert (tmp_path / "etc/pptp-manager.yaml").read_text() == "tunnels: {}\n"


def test_install_with_another_prefix(tmp_path: Path) -> None:
    """No file of ours names the usual place of another one of ours, and uninstall finds them all."""
    prefix = ("prefix=/usr/local", "sbindir=/usr/local/bin")
    make("install", tmp_path, *prefix)
    texts = {path: path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()}
    ours = re.compile(r"/usr/((lib|sbin|share|share/doc|bin)/pptp\\?-manager|bin/pptpctl)\b")
    assert [str(path) for path, text in texts.items() if ours.search(text)] == []
    assert (
        "ExecStart=/usr/local/bin/pptp-manager\n"
        in texts[tmp_path / "usr/local/lib/systemd/system/pptp-manager.service"]
    )
    assert '"/usr/local/lib/pptp-manager"' in texts[tmp_path / "usr/local/bin/pptpctl"]
    make("uninstall", tmp_path, *prefix)
    left = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if not path.is_dir()]
    assert left == [Path("etc/pptp-manager.yaml")]


# --- the packages ---


def test_arch_package(tmp_path: Path) -> None:
    """PKGBUILD's package(), with makepkg's variables: nothing in /usr/sbin, which is a link there."""
    folder = ROOT / "packaging/arch"
    run("shellcheck", "--shell=bash", folder / "PKGBUILD", folder / "pptp-manager.install")
    script = f"""
        set -e; pkgdir={tmp_path} startdir={folder}; python() {{ {sys.executable} "$@"; }}
        . {folder}/PKGBUILD; for file in "${{backup[@]}}"; do echo "$file"; done; package >/dev/null"""
    done = subprocess.run(["bash", "-c", script], check=True, stdout=subprocess.PIPE, text=True)
    assert [path for path in done.stdout.split() if not (tmp_path / path).is_file()] == []
    assert not (tmp_path / "usr/sbin").exists() and (tmp_path / "usr/bin/pptp-manager").exists()
    assert (
        "ExecStart=/usr/bin/pptp-manager\n" in (tmp_path / "usr/lib/systemd/system/pptp-manager.service").read_text()
    )
    code = next((tmp_path / "usr/lib/pptp-manager/pptpd_manager/__pycache__").glob("config.*.pyc")).read_bytes()
    assert b"/usr/lib/pptp-manager/pptpd_manager/config.py" in code and str(tmp_path).encode() not in code


def test_the_debian_package_depends_on_what_the_tests_use() -> None:
    """Each library of the manager's in tests/prepare is a dependency of the package, and the other way round."""
    depends = (ROOT / "debian/control").read_text().split("\nDepends:")[1].split("\nRecommends:")[0]
    prepare = (ROOT / "tests/prepare").read_text().split("packages='")[1].split("\n")[0]
    assert set(re.findall(r"(?:python3|gir1\.2)-[\w.-]+", depends)) == set(prepare.split())
