"""A strict fake of Nuke for tests: real behaviour of graph, knobs, files and renders, no mock.

>>> from nukehost import NukeHost
>>> with NukeHost() as host:
...     plate = host.create("Constant", color=0.5, name="Plate", format="64 36 0 0 64 36 1 tiny")
...     float(host.pixels("Plate", frame=1).rgba()[0, 0, 0])
0.5

A NukeHost is a context: as long as it runs, `import nuke` finds `host.nuke`, and `corridorkey_nuke` is imported
afresh. Everything happens on the thread that entered it, Nuke's main thread.

The graph. `host.load(text or Path)` opens a script, `host.paste` adds one, `host.save()` gives its text. `host.create`
makes a node as an artist does (class, gizmo on `host.plugin_path`, or a gizmo's Path; then inputs, then knobs);
`host.source("Plate", lambda frame, view: array, (width, height))` one with pixels of a test's own. `host.get`,
`set`, `animate`, `press` take "Node.knob" or "Group.Node.knob"; `connect`, `go_to`, `set_root` what they say.
`host.node(name)` is a node as Python has it.

Pictures. `host.pixels(node, frame, view)` is what a viewer shows: `.planes` by full channel name over `.box`,
`.format`, `.metadata`, `.rgba()` over the format with the top row first; NukeError where a viewer shows an error, of
which `host.error(node, frame)` is the text. `host.render(write, first, last)` renders as the farm does.

The artist. `host.messages`, `host.asked`; `host.answers` for nuke.ask; `host.progress` bars (`.cancel()`);
`host.cancels_progress_at` polls for each new one; `host.cancel_render_after(frames)`; `host.renders` with `.written`.
`host.run_until(condition, seconds)` is the event loop: what other threads post runs there and nowhere else.

What must not be done is a sentence in `host.faults`, raised where it is done and again by the end of `with`, unless
`host.take_faults()` took it: calls off the main thread, executeInMainThread on it or in a terminal, dialogs in
callbacks, renders or a terminal, nodes made or deleted in onCreate or knobChanged, callbacks that raise, lists for
nuke.execute. What Nuke itself refuses is the exception of Nuke.

As strict as can be where nobody told how Nuke is: a bare name in a group's own knobs is a node beside the group, one
inside it is `this.NAME`; knobs of an EXR are there only once `file_type` is exr; a Read keeps what it read, missing
files too, until its `reload`; `before` and `after` of a Read are hold, loop, bounce and black. Outside its bounding
box a picture repeats its edge; Read (of another data window than the display window), BlackOutside and Crop add one
black pixel around. `script.parse` reads the text of a gizmo into a tree without any of this.
"""

from nukehost.errors import Fault, NukeError
from nukehost.host import NukeHost
from nukehost.loading import LoadError
from nukehost.pictures import Format, Picture
from nukehost.words import ScriptError

__all__ = ["Fault", "Format", "LoadError", "NukeError", "NukeHost", "Picture", "ScriptError"]
