"""listener.py INTERFACE COUNT: how long the kernel waits for routes of ours, as it tells of them.

Prints, when the input ends, a line for each time: "up SECONDS" from the interface that came up to the COUNTth route
after it, "back SECONDS" from a route that was removed from an interface that stays up to the next one that is added.
Nothing but the standard library: it must not be slow. Nor may it wait for a processor that the manager has: that was
where the longest times came from.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import sys
import time

# linux/rtnetlink.h, linux/if.h
NEWLINK, NEWROUTE, DELROUTE = 16, 24, 25
RTMGRP_LINK, RTMGRP_IPV4_ROUTE = 0x1, 0x40
SO_RCVBUFFORCE = 33
IFF_UP, PROTOCOL = 0x1, 172


class Listener:
    """Takes messages one by one; times: what they come to."""

    def __init__(self, index: int, count: int) -> None:
        self._index, self._count = index, count
        self._up = self._gone = 0.0
        self._routes = 0
        self.times: list[tuple[str, float]] = []

    def take(self, now: float, kind: int, body: bytes) -> None:
        if kind == NEWLINK:
            link, flags = struct.unpack_from("=iI", body, 4)
            if link == self._index and flags & IFF_UP and not self._up and self._routes == 0:
                self._up = now
            elif link == self._index and not flags & IFF_UP:
                self._up, self._gone, self._routes = 0.0, 0.0, 0
        elif kind in (NEWROUTE, DELROUTE) and body[5] == PROTOCOL:
            self._route(now, kind == NEWROUTE)

    def _route(self, now: float, new: bool) -> None:
        if not new:
            self._gone = now
        elif self._gone:
            self.times.append(("back", now - self._gone))
            self._gone = 0.0
        elif self._up:
            self._routes += 1
            if self._routes == self._count:
                self.times.append(("up", now - self._up))
                self._up = 0.0


def main(interface: str, count: int) -> None:
    with contextlib.suppress(PermissionError):  # in a container
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    kernel.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
    kernel.bind((0, RTMGRP_LINK | RTMGRP_IPV4_ROUTE))
    listener = Listener(socket.if_nametoindex(interface), count)
    print("listening", flush=True)
    while kernel in (ready := select.select([kernel, sys.stdin], [], [])[0]) or sys.stdin not in ready:
        data = kernel.recv(1 << 16)
        now = time.monotonic()
        while len(data) >= 16:
            length, kind = struct.unpack_from("=IH", data)
            listener.take(now, kind, data[16:length])
            data = data[(length + 3) & ~3 :]
    for name, seconds in listener.times:
        print(name, seconds)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
