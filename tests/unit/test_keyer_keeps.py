"""What a Keyer keeps from one frame to the next, and how long its stages take."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from corridorkey_models.errors import Cancelled, ResourceError
from corridorkey_models.greenformer import GreenFormer, Prediction
from corridorkey_models.kept import KeptPredictions
from corridorkey_models.keyed import STAGES, Keyed, Masks, Pixels
from corridorkey_models.keyer import Keyer
from corridorkey_models.params import PARAMS, Param, Params, Stage
from corridorkey_models.predictors import Network, Predictor, Procedural
from corridorkey_models.watch import Watch
from fakes import HintAsMatte
from made_up_weights import made_up_state_dict

LINEAR = Params(working_space="linear_rec709")
HALF, FULL = np.full((90, 160), 0.5), np.ones((90, 160))


def keeping(predictor: Predictor | None = None) -> Keyer:
    """Return a Keyer with room for every prediction."""
    return Keyer(predictor or HintAsMatte(), KeptPredictions(1 << 30))


def procedural() -> Procedural:
    """Return what predicts without weights."""
    return Procedural(torch.device("cpu"))


def picture() -> Pixels:
    """A plate in [0.05, 0.8] without any structure to rely on."""
    return np.random.default_rng(3).uniform(0.05, 0.8, (90, 160, 3)).astype(np.float32)


def green_screen() -> Pixels:
    """A grey square and a reddish one, brighter than 1, on an uneven green screen."""
    plate = np.broadcast_to(np.float32([0.08, 0.45, 0.1]), (90, 160, 3)) * np.linspace(1, 0.8, 160)[:, None]
    plate[30:60, 50:80], plate[30:60, 90:100] = 0.3, (1.4, 0.2, 0.1)
    return plate.astype(np.float32)


def square_hint() -> Pixels:
    """A rough matte of the subject, with alpha, whose channels all differ."""
    hint = np.zeros((90, 160, 4), np.float32)
    hint[25:65, 45:105] = (0.9, 0.6, 0.8, 1.0)
    return hint


def same(one: Keyed, other: Keyed) -> bool:
    """Whether two results are the same bit for bit."""
    names = ("foreground", "matte", "hint")
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in names)


OTHERWISE = {
    "working_space": "srgb", "hint_source": "source_alpha", "hint_channel": "red", "despeckle_size": 30.0,
    "matte_white": 0.7, "output_space": "acescg",
}  # fmt: skip


def changed(param: Param) -> Params:
    """Return parameters of which one is not at its default."""
    value = OTHERWISE.get(param.name, not param.default if param.kind == "bool" else None)
    if value is None:
        value = param.choices[1] if param.kind == "choice" else (param.default + 2 * param.high) / 3
    return replace(LINEAR, **{"despeckle": param.name == "despeckle_size", param.name: value})


@pytest.mark.parametrize("param", PARAMS, ids=lambda param: param.name)
def test_a_kept_prediction_changes_no_pixel(param: Param) -> None:
    """After any parameter was changed, keying with what was kept gives the bits of keying afresh.

    What only touches finishing, or only the view, does not predict again.
    """
    plate = np.concatenate([green_screen(), square_hint()[..., 3:] * 0.5], axis=2)
    keyer = keeping(procedural())
    assert not keyer.key(plate, square_hint(), LINEAR).kept
    again = keyer.key(plate, square_hint(), changed(param))
    assert same(again, Keyer(procedural()).key(plate, square_hint(), changed(param)))
    assert again.kept or param.stage == Stage.PREDICT


def test_finishing_leaves_a_kept_prediction_alone() -> None:
    """One prediction, finished in many ways one after the other, gives each time the bits of keying afresh."""
    keyer = keeping(procedural())
    masks = Masks(inside=np.float32(green_screen()[..., 0] > 1), outside=square_hint()[..., 0] * 0)
    every = {"despeckle": True, "despeckle_size": 1e5, "despill": 1.0, "matte_grow": 9.0, "matte_blur": 9.0}
    ways = [LINEAR, Params.parse(every | {"working_space": "linear_rec709", "foreground_source": "model"})]
    ways += [replace(LINEAR, foreground_source="plate_despilled", matte_gamma=2.0), LINEAR]
    keyed = [keyer.key(green_screen(), square_hint(), params, masks) for params in ways]
    afresh = [Keyer(procedural()).key(green_screen(), square_hint(), params, masks) for params in ways]
    assert [each.kept for each in keyed] == [False, True, True, True]
    assert all(same(*pair) for pair in zip(keyed, afresh, strict=True))


def test_a_caller_may_write_into_a_result() -> None:
    """What a host does with its arrays does not reach the prediction that is kept."""
    keyer = keeping()
    params = replace(LINEAR, foreground_source="model", despill=0.0)
    first = keyer.key(picture(), HALF, params)
    before = replace(first, **{name: getattr(first, name).copy() for name in ("foreground", "matte", "hint")})
    for part in (first.foreground, first.matte, first.hint):
        part[:] = np.nan
    again = keyer.key(picture(), HALF, params)
    assert again.kept
    assert same(again, before)


def test_what_is_seen_decides_and_not_the_frame() -> None:
    """Another plate, hint or mask predicts again; the same picture and hint in other arrays do not."""
    keyer, dot = keeping(), picture()
    dot[40, 70, 1] += 0.001
    inside = np.zeros((90, 160))
    inside[3, 3] = 1
    kept = [
        keyer.key(plate, wired, LINEAR, Masks(mask)).kept
        for plate, wired, mask in [
            (picture(), HALF, None), (picture().copy(), HALF.astype(np.float32), None),
            (dot, HALF, None), (picture(), HALF + 0.01, None), (picture(), HALF, inside), (picture(), HALF, inside * 0),
        ]
    ]  # fmt: skip
    assert kept == [False, True, False, False, False, True]


def test_the_network_keeps_by_size_and_refiner() -> None:
    """Another quality or refiner strength predicts again, and coming back finds what was kept, bit for bit."""
    network = GreenFormer(128)
    network.load_state_dict(made_up_state_dict(128))
    keyer = keeping(Network(network, "made up", torch.device("cpu"), {"full": 128, "draft": 64}))
    ways = [LINEAR, replace(LINEAR, refiner_scale=0.5), replace(LINEAR, quality="draft"), LINEAR]
    keyed = [keyer.key(green_screen(), square_hint(), params) for params in ways]
    assert [each.kept for each in keyed] == [False, False, False, True]
    assert same(keyed[0], keyed[3])
    assert len({each.matte.tobytes() for each in keyed}) == 3


def test_keyers_can_share_what_they_keep() -> None:
    """Two models never take each other's predictions."""

    class Other(HintAsMatte):
        identity = "another"

    kept = KeptPredictions(1 << 30)
    keyers = [Keyer(HintAsMatte(), kept), Keyer(Other(), kept), Keyer(HintAsMatte(), kept)]
    assert [keyer.key(picture(), FULL, LINEAR).kept for keyer in keyers] == [False, False, True]
    assert [keyer.identity for keyer in keyers] == ["hint as matte", "another", "hint as matte"]


@pytest.mark.parametrize("error", [Cancelled("stopped."), ResourceError("broken."), torch.OutOfMemoryError()])
def test_a_prediction_that_did_not_end_is_not_kept(error: Exception) -> None:
    """After a stop or a failure in the model nothing is kept, and the next try predicts."""

    class Fails(HintAsMatte):
        def predict(self, seen: Tensor, params: Params, watch: Watch | None) -> Prediction:
            if params.despill == 1:
                raise error
            return super().predict(seen, params, watch)

    keyer = keeping(Fails())
    with pytest.raises((Cancelled, ResourceError)):
        keyer.key(picture(), FULL, replace(LINEAR, despill=1.0))
    assert keyer.kept is not None
    assert keyer.kept.nbytes == 0
    assert not keyer.key(picture(), FULL, LINEAR).kept


def test_a_prediction_that_is_not_finite_is_not_kept() -> None:
    """Asking again tries again: a device that hiccuped once does not spoil a frame for good."""

    class Once(HintAsMatte):
        calls = 0

        def predict(self, seen: Tensor, params: Params, watch: Watch | None) -> Prediction:
            Once.calls += 1
            good = super().predict(seen, params, watch)
            return good if Once.calls > 1 else Prediction(good.alpha * torch.nan, good.foreground)

    keyer = keeping(Once())
    with pytest.raises(ResourceError, match="not finite"):
        keyer.key(picture(), FULL, LINEAR)
    keyed = keyer.key(picture(), FULL, LINEAR)
    assert not keyed.kept
    assert keyed.matte.min() == 1


def test_a_stop_in_finishing_keeps_the_prediction() -> None:
    """A knob that is dragged on while a frame is finished does not cost a second prediction."""

    def watch(stage: str, fraction: float) -> None:
        if stage == "finish":
            raise Cancelled(str(fraction))

    keyer = keeping()
    with pytest.raises(Cancelled):
        keyer.key(picture(), FULL, LINEAR, watch=watch)
    assert keyer.key(picture(), FULL, LINEAR).kept


def test_a_kept_prediction_still_tells_how_far_it_is() -> None:
    """Without the model, watch hears of finishing alone, up to the end."""
    keyer, heard = keeping(), []
    for _ in range(2):
        heard.clear()
        keyer.key(picture(), FULL, LINEAR, watch=lambda stage, part: heard.append((stage, part)))
    assert [stage for stage, _ in heard] == ["finish", "finish"]
    assert heard[-1][1] == 1


class Slow(HintAsMatte):
    """Takes a fifth of a second to look and another to predict."""

    def look(self, *args: object) -> Tensor:
        """See `predictors.Predictor.look`."""
        time.sleep(0.2)
        return super().look(*args)  # type: ignore[arg-type]

    def predict(self, *args: object) -> Prediction:
        """See `predictors.Predictor.predict`."""
        time.sleep(0.2)
        return super().predict(*args)  # type: ignore[arg-type]


def test_timings_tell_the_stages_apart() -> None:
    """Looking belongs to pre, the model alone to infer, and all stages together to no more than passed."""
    start = time.perf_counter()
    timings = Keyer(Slow()).key(picture(), FULL, LINEAR).timings
    assert sum(timings.values()) <= time.perf_counter() - start
    assert tuple(timings) == STAGES
    assert min(timings["pre"], timings["infer"]) >= 0.2
    assert min(timings.values()) > 0


def test_timings_of_what_was_not_needed_are_zero() -> None:
    """A kept prediction takes no time of the model, an empty frame none of model or finishing."""
    keyer = keeping(Slow())
    keyer.key(picture(), FULL, LINEAR)
    kept = keyer.key(picture(), FULL, LINEAR).timings
    assert kept["infer"] == 0
    assert min(kept["pre"], kept["post"], kept["write"]) > 0
    empty = keyer.key(picture(), np.zeros((90, 160)), LINEAR).timings
    assert (empty["infer"], empty["post"]) == (0, 0)
    assert min(empty["pre"], empty["write"]) > 0
