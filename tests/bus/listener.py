"""listener.py INTERFACE COUNT: the seconds from each time that the interface came up to the COUNTth route of ours.

As the kernel tells of them; printed when the input ends. Nothing but the standard library: it must not be slow.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import time

# linux/rtnetlink.h, linux/if.h
NEWLINK, NEWROUTE = 16, 24
RTMGRP_LINK, RTMGRP_IPV4_ROUTE = 0x1, 0x40
SO_RCVBUFFORCE = 33
IFF_UP, PROTOCOL = 0x1, 172


def main(interface: str, count: int) -> None:
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    kernel.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
    kernel.bind((0, RTMGRP_LINK | RTMGRP_IPV4_ROUTE))
    index = socket.if_nametoindex(interface)
    print("listening", flush=True)
    begun, routes, turns = 0.0, 0, []
    while kernel in (ready := select.select([kernel, sys.stdin], [], [])[0]) or sys.stdin not in ready:
        data = kernel.recv(1 << 16)
        now = time.monotonic()
        while len(data) >= 16:
            length, kind = struct.unpack_from("=IH", data)
            if kind == NEWLINK and not begun:
                link, flags = struct.unpack_from("=iI", data, 16 + 4)
                if link == index and flags & IFF_UP:
                    begun, routes = now, 0
            elif kind == NEWROUTE and data[16 + 5] == PROTOCOL:
                routes += 1
                if routes == count:
                    turns.append(now - begun)
                    begun = 0.0
            data = data[(length + 3) & ~3 :]
    print(*turns, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
