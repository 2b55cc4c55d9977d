"""chap-secrets and pap-secrets -> the password of a login, found as pppd finds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .draft import Files, Place
from .words import Word, words

FILES = ("/etc/ppp/chap-secrets", "/etc/ppp/pap-secrets")


@dataclass(frozen=True)
class Secret:
    """A line of the file."""

    client: str
    server: str
    secret: str = field(repr=False)
    place: Place


def lines(content: bytes, file: str) -> Iterator[Secret]:
    """The lines that have the three words that count."""
    line: list[Word] = []
    for word in words(content):
        if word.first:
            yield from _secret(line, file)
            line = []
        line.append(word)
    yield from _secret(line, file)


def _secret(line: list[Word], file: str) -> Iterator[Secret]:
    if len(line) >= 3:
        yield Secret(line[0].text, line[1].text, line[2].text, Place(file, line[0].line))


def find(files: Files, path: str, client: str, server: str | None) -> list[Secret]:
    """What the file has for that login at a server of that name; None: the server will say it, so perhaps several.

    A name counts for more than *, the client's for more than the server's; of equals the first. As in pppd's
    scan_authfile().
    """
    content = files.read(path)
    if content is None:
        return []
    best: dict[str, tuple[int, Secret]] = {}
    for one in lines(content, path):
        if one.client not in (client, "*") or (server is not None and one.server not in (server, "*")):
            continue
        rank = 2 * (one.client != "*") + (one.server != "*")
        at = one.server if server is None else ""
        if at not in best or best[at][0] < rank:
            best[at] = (rank, one)
    return [one for _, one in best.values()]


def value(files: Files, secret: Secret) -> str:
    """The password itself: `@FILE` is the first word of that file."""
    if not secret.secret.startswith("@"):
        return secret.secret
    content = files.read(secret.secret[1:])
    return next((word.text for word in words(content or b"")), "")
