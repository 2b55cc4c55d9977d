from __future__ import annotations

from pptpd_manager.losses import HOLD_SECONDS, SECONDS, TIMES, Losses


def test_a_few_losses_are_put_back_and_then_it_is_left_alone_for_a_while() -> None:
    losses = Losses()
    for number in range(TIMES):
        losses = losses.lost(100.0 + number)
        assert not losses.held(100.0 + number)
    losses = losses.lost(106.0)
    assert losses.held(106.0) and losses.held(106.0 + HOLD_SECONDS - 0.1)
    assert not losses.held(106.0 + HOLD_SECONDS)
    assert losses.over(106.0 + HOLD_SECONDS)
    again = losses.lost(106.0 + HOLD_SECONDS)
    assert not again.held(106.0 + HOLD_SECONDS), "it is tried again"


def test_losses_now_and_then_are_put_back_for_ever() -> None:
    losses = Losses()
    for number in range(100):
        now = number * SECONDS / (TIMES - 1)
        losses = losses.lost(now)
        assert not losses.held(now) and not losses.over(now) and len(losses.times) <= TIMES
