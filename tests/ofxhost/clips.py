"""Clips: as they are described, and in an instance, where pictures reach them."""

from ctypes import c_void_p
from dataclasses import dataclass
from typing import Any

import numpy as np

from ofxhost import abi, names
from ofxhost.images import Box, Image, Job, Picture
from ofxhost.properties import PropertySet
from ofxhost.session import Action, Refusal, Session

FETCHING = frozenset({abi.RENDER, abi.CHANGED})
FRAME_RANGE = (1.0, 100.0)


@dataclass(eq=False)
class ClipDescriptor:
    """A clip as a plug-in described it."""

    name: str
    properties: PropertySet

    @classmethod
    def define(cls, session: Session, name: str) -> "ClipDescriptor":
        """Return a clip to be described."""
        told = {"OfxPropType": "OfxTypeClip", "OfxPropName": name, "OfxPropLabel": name}
        return cls(name, PropertySet(session, names.CLIP_DESCRIPTOR, told))

    @property
    def is_optional(self) -> bool:
        """Whether an effect works without it."""
        return bool(self.properties.get("OfxImageClipPropOptional", 0))


class ClipImage:
    """One loan of an image to a plug-in."""

    def __init__(self, clip: "Clip", action: Action, image: Image, told: dict[str, Any]) -> None:
        """Tell what the image is."""
        self.clip, self.action, self.image = clip, action, image
        self.properties = PropertySet(clip.session, names.IMAGE, told)
        self.properties.loan = self

    def end(self) -> None:
        """Let the plug-in have it no longer."""
        self.clip.session.dismiss(self.properties)
        self.action.images.remove(self)


class Clip:
    """A clip of an instance."""

    def __init__(self, session: Session, effect: Any, descriptor: ClipDescriptor) -> None:
        """Begin unwired."""
        self.session, self.effect, self.descriptor, self.name = session, effect, descriptor, descriptor.name
        live = {
            "OfxImageClipPropConnected": lambda: int(self.is_connected()),
            "OfxImageEffectPropComponents": self.components_told,
            "OfxImageClipPropUnmappedComponents": self.components_told,
            "OfxImageEffectPropPixelDepth": self._depth,
            "OfxImageClipPropUnmappedPixelDepth": self._depth,
            "OfxImageEffectPropPreMultiplication": self.premult,
            "OfxImagePropPixelAspectRatio": self.aspect,
        }
        told = {
            **descriptor.properties.copied(),
            "OfxImageEffectPropFrameRate": 24.0,
            "OfxImageEffectPropUnmappedFrameRate": 24.0,
            "OfxImageEffectPropFrameRange": FRAME_RANGE,
            "OfxImageEffectPropUnmappedFrameRange": FRAME_RANGE,
            "OfxImageClipPropFieldOrder": "OfxImageFieldNone",
            "OfxImageClipPropContinuousSamples": 0,
        }
        self.properties = PropertySet(session, names.CLIP, told, live)
        self.handle = 0
        session.admit(self)

    def close(self) -> None:
        """Let its handles be dead."""
        self.session.dismiss(self.properties)
        self.session.dismiss(self)

    def picture(self) -> Picture | None:
        """Return the picture that is wired to it."""
        found: Picture | None = self.effect.current().pictures.get(self.name)
        return found

    def is_connected(self) -> bool:
        """Whether it says so."""
        return self.name == "Output" or self.session.mode.all_connected or self.picture() is not None

    def components(self) -> str:
        """What its images have."""
        return str(self.effect.output_components()) if self.name == "Output" else self.suited(self.picture())

    def suited(self, picture: Picture | None) -> str:
        """Return the components that this host gives a picture for this clip."""
        taken = [one for one in self.descriptor.properties.all("OfxImageEffectPropSupportedComponents")
                 if one in self.session.mode.components]  # fmt: skip
        if picture is not None and picture.components in taken:
            return picture.components
        return str(taken[0])

    def components_told(self) -> str:
        """What its components are said to be."""
        if self.is_connected() or self.session.mode.unwired_depth != abi.NO_DEPTH:
            return self.components()
        return abi.NO_COMPONENTS

    def premult(self) -> str:
        """What its alpha is."""
        picture = self.picture()
        if self.name == "Output":
            return str(self.effect.preference("OfxImageEffectPropPreMultiplication", abi.PREMULTIPLIED))
        return picture.premult if picture else abi.OPAQUE

    def aspect(self) -> float:
        """How wide its pixels are."""
        picture = self.effect.current().pictures.get("Source") if self.name == "Output" else self.picture()
        return picture.aspect if picture else 1.0

    def region_of_definition(self) -> tuple[float, ...]:
        """Return it in canonical coordinates; not every host does."""
        region = self._region()
        if region is None:
            raise Refusal(abi.FAILED)
        if self.session.mode.pixel_regions:
            return tuple(map(float, region))
        return canonical(region, self.effect.current().frame.scale, self.aspect())

    def fetch(self, time: float, action: Action | None) -> ClipImage:
        """Lend an image."""
        if action is None:
            raise Refusal(abi.FAILED, f"an image of clip {self.name} was fetched on a thread that is not the host's")
        if action.name not in FETCHING or (self.name == "Output" and action.name != abi.RENDER):
            raise Refusal(abi.FAILED, f"an image of clip {self.name} was fetched")
        if action.owner is not self.effect:
            raise Refusal(abi.BAD_HANDLE, f"an image of clip {self.name} of another instance was fetched")
        if time != action.job.frame.time:
            raise Refusal(abi.FAILED, f"an image of clip {self.name} was fetched at {time}, which was not asked for")
        image = action.job.images.get(self.name)
        if image is None:
            raise Refusal(abi.FAILED)
        loan = ClipImage(self, action, image, self._told(image, action.job))
        action.images.append(loan)
        return loan

    def _told(self, image: Image, job: Job) -> dict[str, Any]:
        x, y = job.frame.scale
        picture = self.picture()
        return {
            "OfxPropType": "OfxTypeImage",
            "OfxImageEffectPropPixelDepth": abi.FLOAT,
            "OfxImageEffectPropComponents": self.components(),
            "OfxImageEffectPropPreMultiplication": self.premult(),
            "OfxImageEffectPropRenderScale": (1 / x, 1 / y) if self.session.mode.inverse_scale else (x, y),
            "OfxImagePropPixelAspectRatio": self.aspect(),
            "OfxImagePropData": c_void_p(image.data).value,
            "OfxImagePropBounds": image.box,
            "OfxImagePropRegionOfDefinition": (picture.region if picture else self._region()) or image.box,
            "OfxImagePropRowBytes": image.row_bytes,
            "OfxImagePropField": "OfxFieldNone",
            "OfxImagePropUniqueIdentifier": f"{self.name} {job.frame.time} {id(image)}",
            **job.frame.misled.get(self.name, {}),
        }

    def _region(self) -> Box | None:
        picture = self.picture()
        if self.name == "Output":
            job: Job = self.effect.current()
            if "Output" in job.images:
                return job.images["Output"].box
            picture = job.pictures.get("Source")
        return picture.region if picture else None

    def _depth(self) -> str:
        return abi.FLOAT if self.is_connected() else self.session.mode.unwired_depth


def canonical(box: Box, scale: tuple[float, float], aspect: float) -> tuple[float, ...]:
    """Return a box of pixels in canonical coordinates."""
    x, y = aspect / scale[0], 1 / scale[1]
    return box[0] * x, box[1] * y, box[2] * x, box[3] * y


def pixels(region: tuple[float, ...], scale: tuple[float, float], aspect: float) -> Box:
    """Return a region of canonical coordinates in pixels, rounded outward."""
    x, y = scale[0] / aspect, scale[1]
    low = [int(np.floor(round(value, 6))) for value in (region[0] * x, region[1] * y)]
    high = [int(np.ceil(round(value, 6))) for value in (region[2] * x, region[3] * y)]
    return low[0], low[1], high[0], high[1]
