"""How work that takes long tells how far it is, and can be stopped."""

from collections.abc import Callable

Watch = Callable[[str, float], None]
"""Called as watch(stage, fraction); may raise Cancelled to stop the work.

The fraction is of all the work for a frame, and of the stage for a download and what follows it.
"""
