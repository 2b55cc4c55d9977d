"""The parts of the benchmarks: each is a module here, run in a guest of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """name: of its result; module: what is run, with those words; seconds: after which it is given up.

    packages: Debian's packages of this version and of one before it are in the guest.
    """

    name: str
    module: str
    words: tuple[str, ...] = ()
    seconds: int = 3600
    memory: str = "1024M"
    packages: bool = False


PARTS = (
    Part("connect", "connect", seconds=2400),
    *(
        Part(f"recovery-{fault}", "recovery", ("--fault", fault), seconds=3600)
        for fault in ("ended", "away", "absent", "drop", "long-drop")
    ),
    Part("restart", "restart", seconds=1200, packages=True),
    Part("memory", "memory", seconds=3600, memory="4096M"),
    Part("start", "start", seconds=600),
    Part("processor", "processor", seconds=1500, memory="3072M"),
    Part("throughput", "throughput", seconds=2400),
    Part("endurance", "endurance", seconds=3600),
    Part("hundred", "hundred", seconds=7200, memory="4096M"),
)
