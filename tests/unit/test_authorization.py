"""Who may do what: every combination of what can be known."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from gi.repository import GLib

from pptpd_manager.authorization import (
    Action,
    Answer,
    Ask,
    Caller,
    Decision,
    Granted,
    Ids,
    LookUp,
    Refused,
    Request,
    Said,
    account,
    decide,
    too_many,
)
from pptpd_manager.errors import ACCESS_DENIED, INTERACTIVE_AUTHORIZATION_REQUIRED, LIMITS_EXCEEDED
from pptpd_manager.values import BadText

POLICY = Path(__file__).resolve().parents[2] / "etc/org.pptpmanager1.policy"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

ROOT, ALICE, BOB = Caller(0), Caller(1000, frozenset({1000, 27})), Caller(1001, frozenset({1001, 46}))
REQUESTS = [
    Request(action, "" if action is Action.RELOAD else "work", *lists, interactive)
    for action in Action
    for lists in [((), ()), (("alice",), ()), ((), ("vpn",)), (("alice", "nobody"), ("vpn",))]
    for interactive in (False, True)
    if action is not Action.RELOAD or lists == ((), ())
]
IDS = [None, Ids(), Ids(frozenset({1000})), Ids(groups=frozenset({27}))]
ANSWERS = [None, *(Answer(said, prompted, "why") for said in Said for prompted in (False, True))]

# What becomes of a caller whom no list names: by polkit's answer, whether he was prompted, whether he can be.
YES, PROMPT = "granted", "ask with a prompt"
DENIED, CHALLENGED = ACCESS_DENIED, INTERACTIVE_AUTHORIZATION_REQUIRED
OUTCOMES = {
    (Said.YES, False, False): YES,
    (Said.YES, False, True): YES,
    (Said.YES, True, False): YES,
    (Said.YES, True, True): YES,
    (Said.NO, False, False): DENIED,
    (Said.NO, False, True): DENIED,
    (Said.NO, True, False): DENIED,
    (Said.NO, True, True): DENIED,
    (Said.CHALLENGE, False, False): CHALLENGED,
    (Said.CHALLENGE, False, True): PROMPT,
    (Said.CHALLENGE, True, False): CHALLENGED,
    (Said.CHALLENGE, True, True): CHALLENGED,
    (Said.DISMISSED, False, False): DENIED,
    (Said.DISMISSED, False, True): DENIED,
    (Said.DISMISSED, True, False): DENIED,
    (Said.DISMISSED, True, True): DENIED,
    (Said.SILENT, False, False): DENIED,
    (Said.SILENT, False, True): DENIED,
    (Said.SILENT, True, False): DENIED,
    (Said.SILENT, True, True): DENIED,
    (Said.UNREACHABLE, False, False): DENIED,
    (Said.UNREACHABLE, False, True): DENIED,
    (Said.UNREACHABLE, True, False): DENIED,
    (Said.UNREACHABLE, True, True): DENIED,
}


def outcome(decision: Decision) -> str:
    """The decision in a word of the table."""
    match decision:
        case Granted():
            return YES
        case Refused(name=name):
            return name
        case Ask(prompt=True):
            return PROMPT
        case Ask():
            return "ask"
        case LookUp():
            return "look up"


def test_the_table_is_complete() -> None:
    assert set(OUTCOMES) == set(itertools.product(Said, (False, True), (False, True)))


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_root_may_do_everything_and_nobody_is_asked(request_: Request) -> None:
    for ids, answer in itertools.product(IDS, ANSWERS):
        assert decide(request_, ROOT, ids, answer) == Granted()


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_who_has_left_may_do_nothing(request_: Request) -> None:
    for ids, answer in itertools.product(IDS, ANSWERS):
        assert outcome(decide(request_, None, ids, answer)) == ACCESS_DENIED


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
@pytest.mark.parametrize("caller", [ALICE, BOB])
def test_the_others(request_: Request, caller: Caller) -> None:
    lists = bool(request_.users or request_.groups)
    for ids, answer in itertools.product(IDS, ANSWERS):
        if lists and ids is None:
            expected = "look up"
        elif lists and caller is ALICE and ids != Ids():
            expected = YES
        elif answer is None:
            expected = "ask"
        else:
            expected = OUTCOMES[answer.said, answer.prompted, request_.interactive]
        assert outcome(decide(request_, caller, ids, answer)) == expected, (ids, answer)


def test_root_as_a_group_is_nothing() -> None:
    assert decide(Request(Action.RELOAD), Caller(1000, frozenset({0}))) == Ask(prompt=False)


def test_an_id_of_a_user_is_none_of_a_group() -> None:
    request = Request(Action.CONNECT, "work", ("alice",), ("vpn",))
    assert decide(request, Caller(5, frozenset({6})), Ids(frozenset({6}), frozenset({5}))) == Ask(prompt=False)


@pytest.mark.parametrize(
    ("action", "answer", "text"),
    [
        (
            Action.CONNECT,
            Answer(Said.CHALLENGE),
            "to connect tunnel 'work', an administrator has to authenticate (polkit action org.pptpmanager1.connect); "
            "let the call ask, as busctl --allow-interactive-authorization=yes does. "
            "Root may, and whom 'users' and 'groups' of the tunnel name",
        ),
        (
            Action.CONNECT,
            Answer(Said.CHALLENGE, True),
            "to connect tunnel 'work', an administrator has to authenticate (polkit action org.pptpmanager1.connect), "
            "and no authentication agent is there to ask; in a terminal that is pkttyagent. "
            "Root may, and whom 'users' and 'groups' of the tunnel name",
        ),
        (
            Action.DISCONNECT,
            Answer(Said.NO),
            "user 1001 may not disconnect tunnel 'work': polkit says no (polkit action org.pptpmanager1.disconnect). "
            "Root may, and whom 'users' and 'groups' of the tunnel name",
        ),
        (
            Action.RELOAD,
            Answer(Said.NO, True),
            "user 1001 may not have the configuration read again: the authentication failed "
            "(polkit action org.pptpmanager1.reload). Root may",
        ),
        (
            Action.RELOAD,
            Answer(Said.DISMISSED, True),
            "user 1001 may not have the configuration read again: the authentication was dismissed "
            "(polkit action org.pptpmanager1.reload). Root may",
        ),
        (
            Action.RELOAD,
            Answer(Said.SILENT),
            "user 1001 may not have the configuration read again: polkit does not answer, see: "
            "systemctl status polkit (polkit action org.pptpmanager1.reload). Root may",
        ),
        (
            Action.RELOAD,
            Answer(Said.SILENT, True),
            "user 1001 may not have the configuration read again: nobody has authenticated in time "
            "(polkit action org.pptpmanager1.reload). Root may",
        ),
        (
            Action.RELOAD,
            Answer(Said.UNREACHABLE, False, "Unit polkit.service is masked."),
            "user 1001 may not have the configuration read again: polkit cannot be asked: Unit polkit.service is "
            "masked. (polkit action org.pptpmanager1.reload). Root may",
        ),
    ],
)
def test_what_a_refusal_says(action: Action, answer: Answer, text: str) -> None:
    refused = decide(Request(action, "" if action is Action.RELOAD else "work"), BOB, Ids(), answer)
    assert isinstance(refused, Refused)
    assert (str(refused.error), refused.error.name) == (text, refused.name)


@pytest.mark.parametrize("answer", [None, Answer(Said.YES)])
def test_who_would_have_people_asked_for_a_password_again_has_to_wait(answer: Answer | None) -> None:
    request = Request(Action.CONNECT, "work", ("alice",), pause=3.2)
    text = "the password of tunnel 'work' was asked for a moment ago; call again in 4 s"
    assert decide(request, BOB, Ids(frozenset({BOB.uid})), answer) == Refused(LIMITS_EXCEEDED, text)
    assert decide(request, ROOT) == Granted()


def test_what_the_refusal_of_too_many_says() -> None:
    refused = too_many(Request(Action.CONNECT, "work"), BOB)
    assert refused.name == LIMITS_EXCEEDED
    assert refused.text == (
        "user 1001 has too many calls waiting for an authorization; wait for their answers first "
        "(org.pptpmanager1.connect)"
    )


@pytest.mark.parametrize(
    "name",
    [
        "alice",
        "_x",
        "Alice",
        "a.b",
        "machine$",
        "alice@corp.example",
        "CORP\\alice",
        "domain users",
        "7up",
        "é",
        "a" * 255,
    ],
)
def test_names_of_accounts(name: str) -> None:
    assert account(name) == name


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "must not be empty"),
        ("1000", "'1000' is a number; give the name of the account, not its id"),
        ("-a", "an account's name does not begin with '-'"),
        ("+a", "an account's name does not begin with '+'"),
        ("~a", "an account's name does not begin with '~'"),
        ("a:b", "an account's name does not hold ':'"),
        ("a,b", "an account's name does not hold ','"),
        ("a/b", "an account's name does not hold '/'"),
        ("a\nb", r"an account's name does not hold '\n'"),
        ("a\tb", r"an account's name does not hold '\t'"),
        ("a\0b", r"an account's name does not hold '\x00'"),
        ("a\u2028b", r"an account's name does not hold '\u2028'"),
        (" a", "an account's name does not hold a blank at an end"),
        ("a ", "an account's name does not hold a blank at an end"),
        ("\ud800", "is no account's name; it has at most 255 bytes in UTF-8"),
        ("é" * 128, "is no account's name; it has at most 255 bytes in UTF-8"),
    ],
)
def test_what_is_no_name_of_an_account(name: str, fault: str) -> None:
    with pytest.raises(BadText) as caught:
        account(name)
    assert str(caught.value) == fault


# --- the policy file ---


def actions() -> dict[str, ElementTree.Element]:
    """The actions in the policy file, by name."""
    return {action.attrib["id"]: action for action in ElementTree.parse(POLICY).getroot().iter("action")}


def test_the_policy_has_every_action_and_no_other() -> None:
    assert list(actions()) == [action.id for action in Action]


@pytest.mark.parametrize("action", Action)
def test_every_text_is_there_in_every_language(action: Action) -> None:
    """And speaks of the tunnel where there is one: polkit would show a $(tunnel) that it is not told of."""
    found = actions()[action.id]
    for tag in ("description", "message"):
        texts = {element.get(LANGUAGE): element.text or "" for element in found.iter(tag)}
        assert set(texts) == {None, "zh", "zh_TW", "zh_HK"}
        assert re.fullmatch(r"[\x20-\x7e]+", texts[None])
        of_tunnel = tag == "message" and action is not Action.RELOAD
        assert [re.findall(r"\$\(\w+\)", text) for text in texts.values()] == [["$(tunnel)"] * of_tunnel] * 4


def chosen(element: ElementTree.Element, tag: str, locale: str) -> str:
    """The text that polkit takes for a locale: _localize() in polkitbackendactionpool.c of polkit 122 and 126."""
    texts = {one.get(LANGUAGE): one.text or "" for one in element.iter(tag)}
    return next((texts[name] for name in [locale, *GLib.get_locale_variants(locale)] if name in texts), texts[None])


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("tag", ["description", "message"])
def test_whose_language_is_chinese_reads_chinese(action: Action, tag: str) -> None:
    """In the characters of the place: those of GB 2312 are simplified ones, those of Big5 traditional ones."""
    for locale in (
        "zh_CN.UTF-8",
        "zh_SG.UTF-8",
        "zh_CN.GB18030",
        "zh_CN",
        "zh",
        "zh_TW.UTF-8",
        "zh_HK.UTF-8",
        "zh_TW",
    ):
        text = chosen(actions()[action.id], tag, locale)
        own, other = ("big5", "gb2312") if locale[:5] in ("zh_TW", "zh_HK") else ("gb2312", "big5")
        assert re.search(r"[\u4e00-\u9fff]", text) and text.encode(own), locale
        with pytest.raises(UnicodeEncodeError):
            text.encode(other)
    assert chosen(actions()[action.id], tag, "de_DE.UTF-8").isascii()


@pytest.mark.parametrize("action", Action)
def test_the_defaults_are_those_of_systemd_for_units(action: Action) -> None:
    """org.freedesktop.systemd1.manage-units in systemd 252 and 257."""
    (defaults,) = actions()[action.id].iter("defaults")
    assert {element.tag: element.text for element in defaults} == {
        "allow_any": "auth_admin",
        "allow_inactive": "auth_admin",
        "allow_active": "auth_admin_keep",
    }
