"""Who may do what: a decision step by step, from what is known of the caller so far.

Root may do everything, and nobody is asked. A tunnel's 'users' and the members of its 'groups' may connect and
disconnect that tunnel. For all others polkit decides; it is asked whether they may as they are and, if an
administrator has to say so first and the caller lets somebody be asked, once more for that. Whatever does not become
a yes is a no.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum

from .errors import ACCESS_DENIED, INTERACTIVE_AUTHORIZATION_REQUIRED, LIMITS_EXCEEDED, DBusError
from .values import BadText, matching, show

ROOT = 0
MAX_ACCOUNT_BYTES = 255  # LOGIN_NAME_MAX of limits.h is 256 with the final NUL

_NOT_IN_ACCOUNT = re.compile(r"[:,/\x00-\x1f\x7f-\x9f\s]")
# For editors: what account takes.
ACCOUNT = matching(r"(?![-+~ ])(?![0-9]+$)(?!.* $)[^:,/\u0000-\u001f\u007f-\u009f]+") | {
    "maxLength": MAX_ACCOUNT_BYTES
}


class Action(Enum):
    """What is asked for; the value is the last word of polkit's action."""

    CONNECT = "connect"
    DISCONNECT = "disconnect"
    RELOAD = "reload"

    @property
    def id(self) -> str:
        """polkit's name of it, as in etc/org.pptpmanager1.policy."""
        return f"org.pptpmanager1.{self.value}"


@dataclass(frozen=True)
class Request:
    """What somebody asks for. users, groups: the names that the tunnel lists; interactive: who asks can wait.

    tunnel: "" where it is about none; pause: for how many seconds others than root may not, see questions.py.
    """

    action: Action
    tunnel: str = ""
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    interactive: bool = False
    pause: float = 0.0

    @property
    def what(self) -> str:
        """It in words, behind "may"."""
        return f"{self.action.value} tunnel '{self.tunnel}'" if self.tunnel else "have the configuration read again"


@dataclass(frozen=True)
class Caller:
    """Who asks, as the bus has it from the kernel. groups: the primary one and the others."""

    uid: int
    groups: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Ids:
    """The ids of the names that a tunnel lists; those of names that nobody has are not here."""

    users: frozenset[int] = frozenset()
    groups: frozenset[int] = frozenset()


class Said(Enum):
    """What came of asking polkit. CHALLENGE: somebody would have to authenticate."""

    YES = "yes"
    NO = "no"
    CHALLENGE = "challenge"
    DISMISSED = "dismissed"
    SILENT = "silent"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Answer:
    """said, and a text for UNREACHABLE. prompted: somebody was to be asked for a password."""

    said: Said
    prompted: bool = False
    text: str = ""


@dataclass(frozen=True)
class Granted:
    """It may be done."""


@dataclass(frozen=True)
class Refused:
    """It may not be done; error is for the caller."""

    name: str
    text: str

    @property
    def error(self) -> DBusError:
        """As it is answered."""
        return DBusError(self.name, self.text)


@dataclass(frozen=True)
class LookUp:
    """The ids of the request's users and groups are to be looked up first."""


@dataclass(frozen=True)
class Ask:
    """polkit is to be asked first. prompt: it may have somebody authenticate."""

    prompt: bool


Decision = Granted | Refused | LookUp | Ask


def decide(request: Request, caller: Caller | None, ids: Ids | None = None, answer: Answer | None = None) -> Decision:
    """What follows from what is known so far. caller None: it has left the bus; ids, answer None: not asked yet."""
    if caller is None:
        return Refused(ACCESS_DENIED, f"who wants to {request.what} has left the bus")
    if caller.uid == ROOT:
        return Granted()
    if request.pause:
        return too_soon(request)
    if request.users or request.groups:
        if ids is None:
            return LookUp()
        if caller.uid in ids.users or caller.groups & ids.groups:
            return Granted()
    if answer is None:
        return Ask(prompt=False)
    if answer.said is Said.YES:
        return Granted()
    if answer.said is Said.CHALLENGE and request.interactive and not answer.prompted:
        return Ask(prompt=True)
    return _refusal(request, caller, answer)


def too_many(request: Request, caller: Caller) -> Refused:
    """The refusal of one who has too many questions open."""
    text = f"user {caller.uid} has too many calls waiting for an authorization; wait for their answers first"
    return Refused(LIMITS_EXCEEDED, f"{text} ({request.action.id})")


def too_soon(request: Request) -> Refused:
    """The refusal of one who would have people asked for a tunnel's password all the time."""
    text = f"the password of tunnel '{request.tunnel}' was asked for a moment ago"
    return Refused(LIMITS_EXCEEDED, f"{text}; call again in {math.ceil(request.pause)} s")


def account(text: str) -> str:
    """text as the name of a user or a group. Raises BadText.

    Debian's rule for both (useradd(8)), but longer names and blanks inside of them are taken, as directories have them
    ("domain users"). Numbers are not: an id may be another account's tomorrow.
    """
    if not text:
        raise BadText("must not be empty")
    if text.isdigit():
        raise BadText(f"{show(text)} is a number; give the name of the account, not its id")
    if text[0] in "-+~":
        raise BadText(f"an account's name does not begin with '{text[0]}'")
    if text != text.strip() or (found := _NOT_IN_ACCOUNT.search(text.replace(" ", ""))):
        wrong = "a blank at an end" if text != text.strip() else show(found[0]) if found else ""
        raise BadText(f"an account's name does not hold {wrong}")
    if any("\ud800" <= character <= "\udfff" for character in text) or len(text.encode()) > MAX_ACCOUNT_BYTES:
        raise BadText(f"is no account's name; it has at most {MAX_ACCOUNT_BYTES} bytes in UTF-8")
    return text


def _refusal(request: Request, caller: Caller, answer: Answer) -> Refused:
    what, action = request.what, request.action.id
    who = "Root may, and whom 'users' and 'groups' of the tunnel name" if request.tunnel else "Root may"
    needed = f"to {what}, an administrator has to authenticate (polkit action {action})"
    match answer.said:
        case Said.CHALLENGE if answer.prompted:
            text = f"{needed}, and no authentication agent is there to ask; in a terminal that is pkttyagent. {who}"
            return Refused(INTERACTIVE_AUTHORIZATION_REQUIRED, text)
        case Said.CHALLENGE:
            text = f"{needed}; let the call ask, as busctl --allow-interactive-authorization=yes does. {who}"
            return Refused(INTERACTIVE_AUTHORIZATION_REQUIRED, text)
        case Said.DISMISSED:
            why = "the authentication was dismissed"
        case Said.SILENT if answer.prompted:
            why = "nobody has authenticated in time"
        case Said.SILENT:
            why = "polkit does not answer, see: systemctl status polkit"
        case Said.UNREACHABLE:
            why = f"polkit cannot be asked: {answer.text}"
        case _:
            why = "the authentication failed" if answer.prompted else "polkit says no"
    return Refused(ACCESS_DENIED, f"user {caller.uid} may not {what}: {why} (polkit action {action}). {who}")
