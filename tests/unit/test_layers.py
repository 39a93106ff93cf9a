"""Channels by name."""

import pytest

from corridorkey_models.errors import InputError
from corridorkey_server.footage.layers import Part, choose

NUKE = (Part("", ("A", "B", "G", "R", "Z", "fg.A", "fg.B", "fg.G", "fg.R", "matte.A", "motion.X", "motion.Y")),)
PARTS = (
    Part("depth", ("Z",)),
    Part("beauty", ("B", "G", "R")),
    Part("fg", ("fg.blue", "fg.green", "fg.red")),
    Part("matte", ("A",)),
)


@pytest.mark.parametrize(
    ("parts", "layer", "part", "channels"),
    [
        (NUKE, None, 0, {"R": "R", "G": "G", "B": "B", "A": "A"}),
        (NUKE, "rgba", 0, {"R": "R", "G": "G", "B": "B", "A": "A"}),
        (NUKE, "fg", 0, {"R": "fg.R", "G": "fg.G", "B": "fg.B", "A": "fg.A"}),
        (NUKE, "matte", 0, {"A": "matte.A"}),
        (NUKE, "matte.A", 0, {"A": "matte.A"}),
        (NUKE, "Z", 0, {"Z": "Z"}),
        (NUKE, "motion", 0, {"X": "motion.X", "Y": "motion.Y"}),
        (PARTS, None, 1, {"R": "R", "G": "G", "B": "B"}),
        (PARTS, "fg", 2, {"R": "fg.red", "G": "fg.green", "B": "fg.blue"}),
        (PARTS, "matte", 3, {"A": "A"}),
        (PARTS, "matte.A", 3, {"A": "A"}),
        ((Part("", ("A", "Y")),), None, 0, {"Y": "Y", "A": "A"}),
        ((Part("", ("A",)),), None, 0, {"A": "A"}),
        ((Part("", ("b.B", "b.G", "b.R")),), None, 0, {"R": "b.R", "G": "b.G", "B": "b.B"}),
        ((Part("", ("roto",)),), None, 0, {"roto": "roto"}),
    ],
)  # fmt: skip
def test_choice(parts, layer, part, channels):
    """A layer is a part, a prefix or a channel; without one it is the main picture, red first."""
    chosen = choose(parts, layer)
    assert (chosen.part, list(chosen.channels.items())) == (part, list(channels.items()))


def test_missing_layer_lists_what_there_is():
    """An artist who mistypes a layer sees the names to choose from."""
    with pytest.raises(
        InputError, match="no layer 'foreground'; choose one of depth, Z, beauty, R, G, B, fg, matte, A"
    ):
        choose(sort_like_artists(PARTS), "foreground")


def sort_like_artists(parts):
    """Parts with their colour channels in the order R, G, B."""
    return [Part(part.name, tuple(reversed(part.channels))) for part in parts]


def test_several_layers_without_a_colour_must_be_named():
    """Between two layers without R, G, B the artist chooses."""
    with pytest.raises(InputError, match=r"no R, G, B or Y; choose one of a, b\."):
        choose((Part("", ("a.R", "a.G", "a.B", "b.R", "b.G", "b.B")),), None)
