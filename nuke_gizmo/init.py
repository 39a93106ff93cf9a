"""Tells Nuke, with a GUI and without, where CorridorKey's nodes, icons and Python package are."""

import nuke

nuke.pluginAddPath("./python")
nuke.pluginAddPath(["./live", "./icons"], addToSysPath=False)
