"""What a file says about its colours."""

import OpenEXR
import pytest

from corridorkey_models.params import WORKING_SPACES
from corridorkey_server.footage.tags import INTEROP_IDS, space_of_exr, space_of_name


def test_every_working_space_has_an_id_that_leads_back():
    """What is written for a working space is read as the same one."""
    assert set(INTEROP_IDS) == set(WORKING_SPACES) - {"auto"}
    assert all(space_of_name(name, "tag")[0] == space for space, name in INTEROP_IDS.items())


def test_container_flag_comes_before_id_and_primaries():
    """The order is that of the Color Interop Forum: flag, id, primaries."""
    tagged = {
        "colorInteropID": "lin_ap1_scene",
        "chromaticities": (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329),
    }
    assert space_of_exr(tagged) == ("acescg", "colorInteropID lin_ap1_scene")
    assert space_of_exr(tagged | {"acesImageContainerFlag": 1})[0] == "aces2065_1"


@pytest.mark.parametrize(
    "name", ["lin_rec709_scene", "lin_ap1_scene", "lin_ap0_scene", "lin_rec2020_scene", "lin_p3d65_scene"]
)
def test_primaries_of_openexr_are_known(name):
    """The primaries that OpenEXR itself has for an id lead to the same working space as the id."""
    primaries = OpenEXR.colorInteropIDToChromaticities(name)
    assert space_of_exr({"chromaticities": primaries})[0] == space_of_name(name, "tag")[0]


def test_unknown_tags_are_refused_with_a_reason():
    """A tag that is not understood is never taken for something else."""
    for attributes, word in (
        ({"colorInteropID": "g22_adobergb_scene"}, "g22_adobergb_scene"),
        ({"colorInteropID": "data"}, "data"),
        ({"chromaticities": (0.684, 0.313, 0.221, 0.848, 0.0861, -0.102, 0.3127, 0.329)}, "red 0.684"),
    ):
        space, reason = space_of_exr(attributes)
        assert space is None
        assert word in reason


def test_untagged_exr_is_assumed_linear():
    """An EXR without a tag is linear Rec.709, and the reason says that this is an assumption."""
    assert space_of_exr({}) == ("linear_rec709", "EXR without a tag, assumed")
