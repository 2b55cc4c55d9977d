#!/usr/bin/python3
"""authority.py ADDRESS PORT: a name server that answers as dnsmasq cannot be made to, by the first label of the name.

Over UDP alone; what asks for another address is refused over TCP by the kernel. Source: RFC 1035, section 4.
"""

from __future__ import annotations

import itertools
import socket
import struct
import sys

HEADER = struct.Struct(">HHHHHH")  # id, flags, and how many questions, answers, authorities and additional records
RESPONSE, TRUNCATED, AVAILABLE, SERVFAIL, REFUSED = 0x8400, 0x0200, 0x0080, 2, 5
A, CNAME = 1, 5
ASKED = b"\xc0\x0c"  # a pointer to the name in the question
NETWORK = "198.51.100."  # of the addresses that are said


def record(name: bytes, kind: int, data: bytes) -> bytes:
    """A record of that name, not to be kept."""
    return name + struct.pack(">HHIH", kind, 1, 0, len(data)) + data


def address(number: int) -> bytes:
    """The record of another address for each number up to 254."""
    return record(ASKED, A, socket.inet_aton(f"{NETWORK}{number % 254 + 1}"))


def labels(query: bytes) -> tuple[str, int]:
    """The first label of the name that is asked for, and where the name ends."""
    first, at = "", HEADER.size
    while length := query[at]:
        first = first or query[at + 1 : at + 1 + length].decode(errors="replace").lower()
        at += 1 + length
    return first, at + 1


def answer(query: bytes, number: int) -> bytes | None:
    """What to say to the query of that number; None: nothing."""
    shape, end = labels(query)
    question = query[HEADER.size : end + 4]
    name = question[:-4]
    again = b"\x05again" + name
    flags, records, said = RESPONSE | AVAILABLE, list[bytes](), None
    match shape:
        case "silent":
            return None
        case "servfail":
            flags |= SERVFAIL
        case "refused":
            flags |= REFUSED
        case "cut":
            flags |= TRUNCATED
        case "loop":
            records = [record(ASKED, CNAME, again), record(again, CNAME, name)]
        case "other":
            records = [address(2 * number), address(2 * number + 1)]
        case "liar":
            said = 0xFFFF
        case "short":
            records = [record(ASKED, A, b"\xcb\x00")]
    count = len(records) if said is None else said
    return HEADER.pack(*HEADER.unpack(query[: HEADER.size])[:1], flags, 1, count, 0, 0) + question + b"".join(records)


def main() -> None:
    host, port = sys.argv[1:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as served:
        served.bind((host, int(port)))
        print("listening", flush=True)
        for number in itertools.count():
            query, sender = served.recvfrom(4096)
            if reply := answer(query, number):
                served.sendto(reply, sender)


if __name__ == "__main__":
    main()
