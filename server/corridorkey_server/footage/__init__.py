"""Frames on disk: stills, sequences and movies, in and out, with their windows, headers and colour tags.

Knows no keying and loads no torch.
"""

import OpenEXR
import OpenImageIO as oiio

# Frames are read and written by a few threads at once: a pool of the library's own inside each of them would
# fight the others and the network for the same cores. 0 means that the calling thread does the work.
OpenEXR.set_global_thread_count(0)
oiio.attribute("threads", 1)
oiio.attribute("exr_threads", 1)
