"""A strict OFX image-effect host for tests, on Linux x86-64 only (see abi.py why).

It behaves as a mode says, keeps to the standard, and notices where a plug-in does not:

>>> from ofxhost import NUKE, Host, Picture
>>> def key(binary, plate, hint):
...     with Host(binary, NUKE) as host:
...         effect = host.create("OfxImageEffectContextGeneral")
...         effect.set("screen", "blue")
...         pictures = {"Source": Picture(plate, at=(-3, 7)), "AlphaHint": Picture(hint)}
...         return effect.render(pictures, time=5.0, extent=(1920, 1080)).pixels

Pictures are numpy arrays with the top row first; so is what a render gives. What `render` may be asked is Frame. Each
broken rule is a sentence in `host.faults`, and the call during which it was broken raises AssertionError with it. The
memory around images, what a plug-in leaves open, its handles and its strings are watched too. A process that ends
within the call that began it is noticed, a thread or a descriptor of which that holds is not. There are no suites for
memory and threads, no memory for images, and float32 is the only depth of images.
"""

from ofxhost.abi import FILTER, GENERAL, OPAQUE, PREMULTIPLIED, UNPREMULTIPLIED
from ofxhost.effects import Effect, Result
from ofxhost.host import Host
from ofxhost.images import Frame, Picture
from ofxhost.modes import (
    FUSION,
    MLT,
    MODES,
    NATRON,
    NUKE,
    RESOLVE,
    RESOLVE_BLACK,
    SILHOUETTE,
    STRICT,
    VEGAS,
    Mode,
)  # fmt: skip
from ofxhost.session import Message, Progress

__all__ = [
    "FILTER", "FUSION", "GENERAL", "MLT", "MODES", "NATRON", "NUKE", "OPAQUE", "PREMULTIPLIED", "RESOLVE",
    "RESOLVE_BLACK", "SILHOUETTE", "STRICT", "UNPREMULTIPLIED", "VEGAS", "Effect", "Frame", "Host", "Message", "Mode",
    "Picture", "Progress", "Result",
]  # fmt: skip
