"""Keeps the tunnels' links to the MTU of the ways to their servers (mtu.py), also when that changes under them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Address

from pptpd_manager import journal, mtu, pppd
from pptpd_manager.config import TunnelConfig
from pptpd_manager.labels import unit_name
from pptpd_manager.netlink import Netlink
from pptpd_manager.optionfile import OptionFiles
from pptpd_manager.routes import Link, Path
from pptpd_manager.tunnel import State, Tunnel

log = logging.getLogger(__name__)


class Bounds:
    """What each link has to keep to, and what was learnt of the paths. clock: monotonic seconds."""

    def __init__(self, netlink: Netlink, files: OptionFiles, clock: Callable[[], float]) -> None:
        self._netlink, self._files, self._clock = netlink, files, clock
        self._links: dict[str, mtu.Bound] = {}
        self._learnt = mtu.Learnt()

    def measured(self, path: Path, address: IPv4Address) -> Path:
        """The path with its MTU. Raises OSError."""
        path = self._netlink.measured(path, address)
        return replace(path, mtu=self._learnt.bounded(path, address, path.mtu, self._clock()))

    def learn(self, t: Tunnel) -> None:
        """Keep what routers have said of the path of a run that ends: the kernel may forget it with our route."""
        if t.path and t.address and (found := self._netlink.learnt(t.path, t.address)):
            self._learnt.note(t.path, t.address, found, self._clock())

    def forget(self, name: str) -> None:
        """There is no such tunnel any more."""
        self._links.pop(name, None)

    def sync(self, tunnels: Iterable[Tunnel], way: Callable[[IPv4Address], Path | None]) -> None:
        """Have the links keep to what goes in one piece now. way: to an address outside of every tunnel."""
        for t in tunnels:
            known = self._links.get(t.name)
            if not (t.link and t.link.usable):
                if known:  # pppd may give it another one when it comes back
                    self._links[t.name] = replace(known, ceiling=0)
            elif t.state is State.UP and t.config and t.address:
                path = way(t.address)
                if path and path == t.path:  # on another one it is about to be dialled anew
                    self._bind(t, t.link, t.config, self.measured(path, t.address).mtu)

    def _bind(self, t: Tunnel, link: Link, config: TunnelConfig, outside: int) -> None:
        """Give link the MTU that outside calls for, unless that was done already: whoever changed it since may."""
        bound = self._bound(t, link)
        fitting = mtu.following(config, outside, bound)
        self._links[t.name] = replace(bound, told=fitting)
        if fitting == bound.told:
            return
        text = self._files.read(t.name)
        fields = journal.of_tunnel(t.name, unit_name(t.name), run=t.run)
        try:
            if text:  # first, so that also the next manager knows how far it may be raised again
                self._files.rewrite(t.name, pppd.noted(text, bound.ceiling))
            self._netlink.set_mtu(link.index, fitting)
        except OSError as error:
            log.warning("tunnel %s: its MTU cannot be made %d: %s", t.name, fitting, error.strerror, extra=fields)
            return
        log.info("tunnel %s: MTU %d now, as the way to %s takes %d", t.name, fitting, t.address, outside, extra=fields)

    def _bound(self, t: Tunnel, link: Link) -> mtu.Bound:
        """What link has to keep to, as known or, of a run that another manager began, noted."""
        known = self._links.get(t.name)
        if known and known.run == t.run:
            return known if known.ceiling else replace(known, ceiling=link.mtu, told=link.mtu)
        record = pppd.record(self._files.read(t.name))
        if record is None or record.run != t.run:
            return mtu.Bound(t.run, True, link.mtu, link.mtu)
        return mtu.Bound(t.run, record.mppe, record.link_mtu or link.mtu, link.mtu)
