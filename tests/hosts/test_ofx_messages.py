"""What an artist is told of frames that fail: each failure once, where it belongs, and no more when it is over."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from daemons import asking
from ofx_failing import GOOD, SIZE, check_black, check_failed, check_good, check_silent, opened, pictures_of, results_of
from ofx_shots import LINEAR, effect_of, shown
from ofxhost import FUSION, MLT, NUKE, RESOLVE, STRICT, Mode, Picture

PIXELS = np.ones((9, 9, 4), np.float32)
UNKNOWN = [replace(mode, name="corridorkey.test.other") for mode in (STRICT, FUSION, MLT)]

kinds = pytest.mark.parametrize("mode", [STRICT, NUKE, RESOLVE, MLT, FUSION], ids=lambda mode: mode.label)


def has_nodes(mode: Mode) -> bool:
    """Whether a host shows messages on nodes, not as dialogs."""
    return ("OfxMessageSuite", 2) in mode.suites and not mode.broken_persistent


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("mode", UNKNOWN, ids=lambda mode: mode.label)
def test_a_failure_is_said_once(mode: Mode, binary: Path) -> None:
    """As long as it stays the same; another one is said, and the first one again when it comes back."""
    with opened(binary, mode) as (host, effect):
        for _ in range(10):
            check_black(effect.render(GOOD), 1)
        effect.set("working_space", "auto")
        for _ in range(10):
            check_black(effect.render(GOOD), 1)
        effect.set("working_space", shown(LINEAR))
        for _ in range(10):
            check_black(effect.render(GOOD), 1)
    texts = [message.text for message in host.messages]
    assert ["no CorridorKey daemon" in text for text in texts] == [True, False, True]
    assert "choose the Working Space" in texts[1]
    assert {message.is_persistent for message in host.messages} == {has_nodes(mode)}


@pytest.mark.slow
@pytest.mark.usefixtures("nowhere")
@kinds
def test_nodes_that_fail_together(mode: Mode, binary: Path) -> None:
    """Each node shows why it failed; where a message is a dialog there is one for all of them."""
    with opened(binary, mode) as (host, first):
        effects = [first, effect_of(host), effect_of(host)]
        for _ in range(5):
            for effect in effects:
                check_black(effect.render(GOOD), 1)
        assert len(host.messages) == (3 if has_nodes(mode) else 1)
        assert all((effect.persistent is not None) == has_nodes(mode) for effect in effects)


@kinds
@pytest.mark.usefixtures("echo")
def test_a_failure_that_comes_back_is_said_again(mode: Mode, binary: Path) -> None:
    """After frames that were keyed the artist hears of the same fault anew."""
    bad = pictures_of(asking(green=-668))
    with opened(binary, mode) as (host, effect):
        for _ in range(2):
            check_failed(effect.render(bad), "", 5, mode)
            check_black(effect.render(bad), 5)
            check_good(effect)
        assert len(host.messages) == 2


@pytest.mark.slow
def test_threads_that_fail_and_threads_that_do_not(binary: Path, crew: ThreadPoolExecutor) -> None:
    """Of one node: what it shows follows what happened, is never set twice, and is gone after the last good frame."""
    bad = {"Source": Picture(PIXELS), "AlphaHint": Picture(PIXELS[..., :3])}  # has no alpha
    good = {"Source": Picture(PIXELS, at=(500, 500)), "AlphaHint": Picture(PIXELS[..., :3])}  # is not seen
    with opened(binary, STRICT, hint_channel="alpha") as (_, effect):

        def work(thread: int) -> None:
            for turn in range(200):
                is_good = (turn + thread) % 2 == 0
                result = effect.render(good if is_good else bad, extent=SIZE)
                assert result.status == (0 if is_good else 1)

        results_of([crew.submit(work, thread) for thread in range(8)])
        effect.render(good, extent=SIZE)
        assert effect.persistent is None


@pytest.mark.slow
@kinds
@pytest.mark.usefixtures("echo")
def test_an_abort_says_nothing_new_and_takes_nothing_back(mode: Mode, binary: Path) -> None:
    """A failure that is shown stays so while frames are aborted."""
    bad = pictures_of(asking(green=-668))
    with opened(binary, mode) as (host, effect):
        check_failed(effect.render(bad), "", 5, mode)
        shown = effect.persistent
        check_silent(effect.render(GOOD, abort_after=0))
        assert effect.persistent == shown
        check_black(effect.render(bad), 5)
        assert len(host.messages) == 1
