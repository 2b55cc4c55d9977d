"""Where passwords come from: a file, a credential, somebody who is asked; and what becomes of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .clients import Pending, RemoteError, until
from .test_configuration import problems
from .test_restart import crash
from .world import CANARY, ERROR, NAME, PATH, PID, SERVER, UNIT, World

PASSWORD = b"\"quo'te\\ #$%d \xe9 " + CANARY.encode()  # Latin-1: it is passed on as it is
WRITTEN = rb'password "\042quo\047te\134\040\043\044%d\040\351\040canary\0417Q"'
CREDENTIAL, QUESTION = "pptp-credential-office.service", "pptp-password-office.service"
PROMPTING = "Waiting for the password; to give it, run: systemd-tty-ask-password-agent"
ASK = "ask-password: true"
START = ("StartUnit", "pptp@office.service", "replace")


def configured(world: World, source: str, more: str = "") -> World:
    """The world with one tunnel whose password comes from there, and the daemon running."""
    configure(world, source, more)
    world.start("--debug")
    world.forget()
    return world


def configure(world: World, source: str, more: str = "") -> None:
    """Write the configuration."""
    world.configure(f"tunnels: {{office: {{server: {SERVER}, username: alice, {source}{more}}}}}\n")


@pytest.fixture
def file() -> Iterator[Path]:
    """A place for a password file, which may not be in /tmp."""
    with tempfile.TemporaryDirectory(dir="/run") as directory:
        yield Path(directory) / "pass word"


def put(file: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file."""
    file.write_bytes(content)
    file.chmod(mode)


def options(world: World) -> bytes:
    """The option file."""
    return (world.runtime / "office.options").read_bytes()


def reason(world: World) -> tuple[str, str]:
    """The last failure: its name and its sentence."""
    name, sentence, _, _ = world.properties("office")["LastError"]
    return name, sentence


def expect(world: World) -> None:
    """Whatever the daemon warned of was to be, and has no secret in it."""
    world.expected = [line for line in world.log().splitlines() if not line.startswith(("INFO: ", "DEBUG: "))]
    shown = world.log() + repr([world.services(), world.client.signals, world.properties("office")])
    assert CANARY not in shown and "quo'te" not in shown and str(list(PASSWORD)) not in shown


# --- a file ---


def test_a_file_is_read_at_each_dial(bare: World, file: Path) -> None:
    put(file, PASSWORD + b"\n")
    configured(bare, f"password-file: {file}")
    run, connect = bare.connecting("office")
    assert WRITTEN in options(bare).splitlines()
    bare.finish("office", run)
    bare.answered(connect)
    put(file, b"another\n\n")
    bare.call("Reload")
    assert bare.state("office") == "up", "a link that is up does not need it"
    crash(bare)
    bare.start()
    assert bare.state("office") == "up", "nor after a restart of the manager"
    bare.link_down("office")
    bare.ended("office", run, status="16")
    run = bare.set_unit("office", "activating", "start", new_run=True)
    bare.dial_again("office", run)
    assert rb'password "another\012"' in options(bare).splitlines(), "one newline is taken off"
    expect(bare)


@pytest.mark.parametrize(
    ("mode", "name", "detail"),
    [
        (0, "password-file-missing", "{file}"),
        (0o640, "password-file-refused", "{file} has mode 0640, so others can use it; run: chmod 600 '{file}'"),
    ],
)
def test_a_file_that_is_no_good_is_a_reason_and_a_mended_one_is_used(
    bare: World, file: Path, mode: int, name: str, detail: str
) -> None:
    """tests/unit/test_passwordfile.py has more that is no good."""
    if mode:
        put(file, PASSWORD, mode)
    configured(bare, f"password-file: {file}")
    connect = bare.begin("Connect", "office")
    bare.wait_for_order(*START)
    run = bare.run_of("office")
    assert bare.dial("office", run).startswith("exit 75 ")
    assert not (bare.runtime / "office.options").exists()
    bare.ended("office", run, status="75")
    error = bare.error(connect)
    assert error.args[0] == ERROR + "".join(word.capitalize() for word in name.split("-"))
    assert detail.format(file=file) in error.args[1]
    assert reason(bare)[0] == name and bare.state("office") == "waiting"
    put(file, PASSWORD)
    bare.begin("Connect", "office")
    run = bare.set_unit("office", "activating", "start", new_run=True)
    bare.dial_again("office", run)
    assert WRITTEN in options(bare).splitlines()
    expect(bare)


def test_check_looks_at_password_files(bare: World, file: Path) -> None:
    configure(bare, f"password-file: {file}")
    put(file, PASSWORD, 0o604)
    where = f"{bare.config}:1:59: tunnels.office.password-file: The file with the password cannot be used."
    told = [f"{where} ({file} has mode 0604, so others can use it; run: chmod 600 '{file}')"]
    assert problems(bare) == told


# --- a credential ---


def test_a_credential_is_decrypted_by_systemd_for_each_dial(bare: World) -> None:
    configured(bare, "credential: vpn")
    connect = bare.begin("Connect", "office")
    bare.wait_for_order(*START)
    run = bare.run_of("office")
    dial = bare.ask_to_dial("office", run)
    until(bare.services, "the service")
    (name, properties), *more = bare.services()
    assert (name, more) == (CREDENTIAL, [])
    assert properties["ExecStartEx"][0][1] == ["/usr/bin/systemd-creds", "cat", "vpn"]
    assert properties["LoadCredentialEncrypted"] == [("vpn", "vpn")]
    assert properties["StandardOutputFileDescriptor"] == 0
    assert (properties["StandardOutput"], properties["StandardError"]) == ("null", "journal")
    bare.print_as_service(CREDENTIAL, PASSWORD + b"\n")
    bare.finish_service(CREDENTIAL)
    assert bare.answered(dial).startswith("dial ")
    assert WRITTEN in options(bare).splitlines()
    bare.finish("office", run)
    bare.answered(connect)
    crash(bare)
    bare.start()
    assert bare.state("office") == "up"
    expect(bare)


@pytest.mark.parametrize(
    ("result", "end", "printed", "name", "detail"),
    [
        ("success", (1, 1, 0), b"", "credential-missing", "vpn"),
        ("success", (1, 243, 0), b"", "credential-refused", "vpn"),
        ("success", (1, 0, 0), b"", "password-unusable", "the credential vpn is empty"),
        ("success", (1, 0, 0), b"x" * 1000, "password-unusable", "the credential vpn has more than 255 bytes"),
        ("success", (2, 9, 0), b"", "password-service", "/usr/bin/systemd-creds was killed by signal 9"),
        ("success", (1, 203, 0), b"", "password-service", "/usr/bin/systemd-creds cannot be run"),
    ],
)
def test_a_credential_that_is_no_good_is_a_reason(
    bare: World, result: str, end: tuple[int, int, int], printed: bytes, name: str, detail: str
) -> None:
    configured(bare, "credential: vpn")
    bare.begin("Connect", "office")
    bare.wait_for_order(*START)
    run = bare.run_of("office")
    dial = bare.ask_to_dial("office", run)
    until(bare.services, "the service")
    if printed:
        bare.print_as_service(CREDENTIAL, printed)
    bare.finish_service(CREDENTIAL, result, end)
    assert bare.answered(dial).startswith("exit 75 ")
    bare.ended("office", run, status="75")
    assert reason(bare)[0] == name and f"({detail})" in reason(bare)[1]
    expect(bare)


def test_a_credential_that_does_not_come_ends_at_connect_timeout(bare: World) -> None:
    configured(bare, "credential: vpn, connect-timeout: 5")
    bare.begin("Connect", "office")
    bare.wait_for_order(*START)
    run = bare.run_of("office")
    assert bare.answered(bare.ask_to_dial("office", run)).startswith("exit 75 systemd did not get the password. ")
    bare.ended("office", run, status="75")
    assert reason(bare)[0] == "password-service"
    bare.print_as_service(CREDENTIAL, PASSWORD)
    bare.finish_service(CREDENTIAL)
    assert bare.state("office") == "waiting" and not list(bare.runtime.glob("*.options")), "it comes too late"
    expect(bare)


# --- somebody who is asked ---


def asked(world: World, run: str) -> Pending:
    """Ask to dial as the unit does, until the question is there; the pending verdict."""
    world.forget()
    assert world.dial("office", run) == f"wait {PROMPTING}"
    dial = world.ask_to_dial("office", run, PROMPTING)
    until(world.services, "the question")
    assert [name for name, _ in world.services()] == [QUESTION] and world.state("office") == "waiting"
    return dial


def answer(world: World, dial: Pending) -> None:
    """Answer the question."""
    world.print_as_service(QUESTION, PASSWORD + b"\n")
    world.finish_service(QUESTION)
    assert world.answered(dial).startswith("dial ")
    assert WRITTEN in options(world).splitlines()


def begun(world: World, source: str = ASK) -> tuple[str, Pending, Pending]:
    """Connect a tunnel up to the question: its run, the pending Connect and the pending verdict."""
    configured(world, source)
    connect = world.begin("Connect", "office")
    world.wait_for_order(*START)
    run = world.run_of("office")
    return run, connect, asked(world, run)


def kept(world: World) -> bool:
    """Whether the password is kept for the next dial and the next manager."""
    file = world.runtime / "office.password"
    if file.exists():
        assert file.read_bytes() == PASSWORD and file.stat().st_mode & 0o777 == 0o600
    return file.exists()


def redial(world: World, run: str, status: str, *lines: str) -> str:
    """Have the run end so; the next run."""
    world.journal(*lines, "pppd: Exit.")
    world.ended("office", run, status=status)
    before = world.log().count("ConnectAsked")
    world.begin("Connect", "office")
    until(lambda: world.log().count("ConnectAsked") > before, "the Connect")  # a new manager asks first who calls
    return world.set_unit("office", "activating", "start", new_run=True)


def test_an_answer_is_kept_for_redials_and_the_next_manager_until_the_tunnel_is_stopped(bare: World) -> None:
    run, connect, dial = begun(bare)
    (_, properties), *_ = bare.services()
    words = properties["ExecStartEx"][0][1]
    assert words[:3] == ["/usr/bin/systemd-ask-password", "--no-tty", "--id=pptp:office"]
    assert words[-1] == f"Password of PPTP tunnel office ({SERVER}):"
    answer(bare, dial)
    bare.finish("office", run)
    bare.answered(connect)
    assert kept(bare)
    crash(bare)
    bare.start("--debug")
    assert bare.state("office") == "up" and kept(bare)
    bare.link_down("office")
    run = redial(bare, run, "16", "pppd: LCP terminated by peer")
    bare.dial_again("office", run)
    assert WRITTEN in options(bare).splitlines()
    crash(bare)  # in the middle of a dial
    bare.start("--debug")
    bare.finish("office", run)
    bare.wait_for_state("office", "up")
    bare.forget()
    disconnect = bare.begin("Disconnect", "office")
    bare.wait_for_order("StopUnit", "pptp@office.service", "replace")
    bare.go_down("office", run)
    bare.answered(disconnect)
    assert not kept(bare) and not list(bare.runtime.glob("*.options"))
    expect(bare)


def test_a_manager_that_ends_between_two_dials_leaves_the_answer_to_the_next(bare: World) -> None:
    run, _, dial = begun(bare)
    answer(bare, dial)
    run = redial(bare, run, "16", "pptp: Result code is 4 'Busy Signal'. Error code is 0, Cause code is 0")
    crash(bare)
    bare.start("--debug")
    bare.dial_again("office", run)
    assert kept(bare)
    expect(bare)


def test_a_manager_that_comes_while_systemd_restarts_the_unit_does_not_ask_again(bare: World) -> None:
    run, _, dial = begun(bare)
    answer(bare, dial)
    crash(bare)
    bare.enqueue("office")
    bare.start("--debug")
    assert kept(bare)
    run = bare.set_unit("office", "activating", "start", new_run=True)
    assert bare.dial("office", run) == f"wait {PROMPTING}"
    assert bare.dial("office", run, PROMPTING).startswith("dial ") and WRITTEN in options(bare).splitlines()
    bare.ended("office", run)
    bare.set_unit("office", "inactive", "dead")
    until(lambda: not kept(bare), "it to be forgotten")
    expect(bare)


def test_an_answer_that_is_kept_for_a_start_goes_when_there_is_none(bare: World) -> None:
    _, _, dial = begun(bare)
    answer(bare, dial)
    crash(bare)
    bare.enqueue("office")
    bare.start("--debug")
    assert kept(bare)
    bare.set_unit("office", "inactive", "dead")
    until(lambda: not kept(bare), "it to be forgotten")
    expect(bare)


def test_an_answer_that_nobody_wants_any_more_is_removed_by_the_next_manager(bare: World) -> None:
    run, _, dial = begun(bare)
    answer(bare, dial)
    crash(bare)
    bare.set_unit("office", "inactive", "dead")
    bare.start()
    assert run and not kept(bare)
    expect(bare)


def test_a_wrong_password_is_asked_for_again(bare: World) -> None:
    run, _, dial = begun(bare)
    answer(bare, dial)
    run = redial(bare, run, "19", "pppd: MS-CHAP authentication failed: E=691 Authentication failure")
    assert reason(bare)[0] == "wrong-password" and not kept(bare)
    dial = asked(bare, run)
    answer(bare, dial)
    expect(bare)


@pytest.mark.parametrize(
    ("seconds", "printed", "status", "name"),
    [
        (90, b"", 1, "password-unanswered"),
        (3, b"", 1, "password-cancelled"),
        (3, b"\n", 0, "password-cancelled"),
    ],
)
def test_without_an_answer_it_is_given_up(bare: World, seconds: int, printed: bytes, status: int, name: str) -> None:
    run, connect, dial = begun(bare)
    if printed:
        bare.print_as_service(QUESTION, printed)
    bare.finish_service(QUESTION, "success", (1, status, seconds))
    assert bare.answered(dial).startswith("exit 69 ")
    assert bare.error(connect).args[0] == ERROR + "".join(word.capitalize() for word in name.split("-"))
    bare.ended("office", run, status="69")
    bare.set_unit("office", "failed", "failed")
    assert reason(bare)[0] == name and bare.state("office") == "failed" and not kept(bare)
    expect(bare)


def test_a_systemd_that_does_not_ask_is_asked_again(bare: World) -> None:
    configured(bare, ASK).behave("StartTransientUnit", "fail")
    bare.begin("Connect", "office")
    bare.wait_for_order(*START)
    run = bare.run_of("office")
    assert bare.dial("office", run) == f"wait {PROMPTING}"
    assert bare.dial("office", run, PROMPTING).startswith("exit 75 ")
    bare.ended("office", run, status="75")
    assert reason(bare) == ("password-service", f"systemd did not get the password. (Unit {QUESTION} not found.)")
    expect(bare)


def test_a_stop_takes_the_question_back(bare: World) -> None:
    run, connect, dial = begun(bare)
    bare.begin("Disconnect", "office")
    bare.wait_for_order("StopUnit", QUESTION, "replace")
    assert bare.error(connect) == RemoteError(
        ERROR + "Stopped", "tunnel 'office': The tunnel was stopped. Run: pptpctl up office"
    )
    bare.ended("office", run)
    bare.set_unit("office", "inactive", "dead")
    bare.wait_for_state("office", "idle")
    assert not dial.done and not kept(bare)
    expect(bare)


def test_a_unit_that_goes_takes_the_question_back(bare: World) -> None:
    configured(bare, ASK)
    bare.begin("Connect", "office")
    bare.wait_for_order(*START)
    run = bare.run_of("office")
    asker = bare.connect()
    asker.begin(NAME, PATH, UNIT + ".Dial", "(ssus)", "office", run, PID, PROMPTING)
    until(bare.services, "the question")
    asker.close()
    bare.wait_for_order("StopUnit", QUESTION, "replace")
    bare.wait_for_call("UnrefUnit", QUESTION)
    dial = asked(bare, run)
    answer(bare, dial)
    expect(bare)


def test_a_new_manager_asks_anew_in_place_of_the_old_one(bare: World) -> None:
    run, _, _ = begun(bare)
    crash(bare)
    bare.start("--debug")
    bare.forget()
    dial = bare.ask_to_dial("office", run, PROMPTING)
    bare.wait_for_order("StopUnit", QUESTION, "replace")
    until(bare.services, "the question")
    answer(bare, dial)
    expect(bare)


def test_a_changed_login_is_asked_for_anew(bare: World) -> None:
    run, connect, dial = begun(bare)
    answer(bare, dial)
    bare.finish("office", run)
    bare.answered(connect)
    configure(bare, ASK, ", mtu: 1300")
    bare.call("Reload")
    bare.wait_for_order("Kill", "pptp@office.service", "main", "15")
    assert kept(bare), "it is dialled anew with what is known"
    bare.link_down("office")
    run = redial(bare, run, "5")
    bare.dial_again("office", run)
    configure(bare, ASK, ", mtu: 1300, domain: CORP")
    bare.call("Reload")
    assert not kept(bare)
    expect(bare)
