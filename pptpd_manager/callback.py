"""The guard around every GLib callback: an exception is a bug to be logged, not the end of the source."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from gi.repository import GLib

from pptpd_manager.freed import called

log = logging.getLogger(__name__)


def guarded(callback: Callable[..., Any]) -> Callable[..., Any]:
    """callback, which GLib may call for ever: one that raises is logged with its traceback and goes on."""

    @functools.wraps(callback)
    def call(*arguments: Any) -> Any:
        called()
        try:
            return callback(*arguments)
        except Exception:
            log.exception("internal error in %s", getattr(callback, "__qualname__", callback))
            return GLib.SOURCE_CONTINUE

    return call
