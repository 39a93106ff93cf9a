-- SPDX-License-Identifier: Apache-2.0
-- The parameter table and the protocol's constants, rendered from models/corridorkey_models/params.py and
-- server/corridorkey_server/protocol.py. Do not edit: `pytest --update tests/contract` writes it anew.
return {
    protocol_version = 1, -- what this side speaks
    protocol_oldest = 1, -- what it still understands
    message_limit = 65536, -- bytes
    token_size = 16, -- bytes of a session's token
    side_limit = 32768, -- pixels, width or height of a frame
    slots = 3, -- of a session, at most
    page = 4096, -- bytes; every plane of a slot begins at a multiple of it
    header_size = 104, -- bytes at the start of a slot
    mark = "CKP1", -- first frame of every message
    slot_mark = "CKSLOT1\000", -- first bytes of a slot
    priorities = {
        "interactive",
        "preview",
        "batch",
    },
    codes = {
        "input", -- the request cannot work as it stands: a parameter, or parameters that do not fit together
        "checkpoint", -- the weights are missing, damaged or not CorridorKey's
        "resource", -- the machine could not do it this time: out of memory, disk full
        "internal", -- a fault in the daemon; its log has the details
        "worker", -- the worker stopped twice on this frame
        "draining", -- the daemon is about to stop; connect again and repeat the request
        "malformed", -- the message is no message of this protocol
        "unsupported", -- the message or the feature is not known here
        "version", -- client and daemon share no version
        "session", -- the request needs a session, or the token opens none
        "slot", -- no such slot in this session, or not the client's at the moment
        "limit", -- larger than this daemon allows
    },
    params = {
        {
            name = "screen",
            kind = "choice",
            default = "green",
            label = "Screen",
            tooltip = "Colour of the screen. Chooses the checkpoint, the despill channel and the chroma hint.",
            stage = "predict",
            choices = {
                "green",
                "blue",
            },
            labels = {
                "Green",
                "Blue",
            },
        },
        {
            name = "working_space",
            kind = "choice",
            default = "auto",
            label = "Working space",
            tooltip = "How the plate is encoded. The foreground comes back in the same encoding.",
            stage = "predict",
            choices = {
                "auto",
                "linear_rec709",
                "srgb",
                "rec709_g24",
                "acescg",
                "aces2065_1",
                "linear_rec2020",
                "linear_p3d65",
                "davinci_intermediate",
                "davinci_wide_gamut_linear",
                "arri_logc3",
                "arri_logc4",
                "sony_slog3",
            },
            labels = {
                "Auto",
                "Linear Rec.709",
                "sRGB",
                "Rec.709 gamma 2.4",
                "ACEScg",
                "ACES2065-1",
                "Linear Rec.2020",
                "Linear P3-D65",
                "DaVinci Intermediate",
                "DaVinci Wide Gamut Linear",
                "ARRI LogC3",
                "ARRI LogC4",
                "Sony S-Log3",
            },
        },
        {
            name = "quality",
            kind = "choice",
            default = "full",
            label = "Quality",
            tooltip = "Size the network works at: full 2048, high 1536, half 1024, draft 512.",
            stage = "predict",
            choices = {
                "full",
                "high",
                "half",
                "draft",
            },
            labels = {
                "Full (2048)",
                "High (1536)",
                "Half (1024)",
                "Draft (512)",
            },
        },
        {
            name = "hint_source",
            kind = "choice",
            default = "auto",
            label = "Hint source",
            tooltip = "Where the rough matte comes from: auto takes the hint input if one is wired, else a chroma"
                .. " hint.",
            stage = "predict",
            choices = {
                "auto",
                "input",
                "source_alpha",
                "chroma",
            },
            labels = {
                "Auto",
                "Input",
                "Source alpha",
                "Chroma",
            },
        },
        {
            name = "hint_channel",
            kind = "choice",
            default = "auto",
            label = "Hint channel",
            tooltip = "Channel of the hint image that holds the rough matte: auto takes alpha if there is one, or"
                .. " the colour of a grey picture whose alpha is 1 everywhere, else luminance.",
            stage = "predict",
            choices = {
                "auto",
                "alpha",
                "red",
                "green",
                "blue",
                "luminance",
            },
            labels = {
                "Auto",
                "Alpha",
                "Red",
                "Green",
                "Blue",
                "Luminance",
            },
        },
        {
            name = "hint_invert",
            kind = "bool",
            default = false,
            label = "Invert hint",
            tooltip = "Use one minus the hint, for a hint that is white on the screen.",
            stage = "predict",
        },
        {
            name = "hint_erode",
            kind = "float",
            default = 0.0,
            low = -50.0,
            high = 50.0,
            label = "Hint erode",
            tooltip = "Shrinks the hint, in pixels at 1920 wide; negative grows it. The network fills in better "
                .. "than it removes.",
            stage = "predict",
        },
        {
            name = "hint_blur",
            kind = "float",
            default = 0.0,
            low = 0.0,
            high = 50.0,
            label = "Hint blur",
            tooltip = "Softens the hint: sigma of a Gaussian, in pixels at 1920 wide.",
            stage = "predict",
        },
        {
            name = "refiner_scale",
            kind = "float",
            default = 1.0,
            low = 0.0,
            high = 2.0,
            label = "Refiner",
            tooltip = "Strength of the network's edge refiner: 1 as trained, 0 leaves the coarse prediction.",
            stage = "predict",
        },
        {
            name = "despill",
            kind = "float",
            default = 0.5,
            low = 0.0,
            high = 1.0,
            label = "Despill",
            tooltip = "How much of the screen colour's excess over the mean of the other channels is taken from "
                .. "the foreground.",
            stage = "finish",
        },
        {
            name = "despeckle",
            kind = "bool",
            default = false,
            label = "Despeckle",
            tooltip = "Removes islands of matte smaller than the despeckle size. Fly-away hair is islands too.",
            stage = "finish",
        },
        {
            name = "despeckle_size",
            kind = "float",
            default = 400.0,
            low = 1.0,
            high = 100000.0,
            label = "Despeckle size",
            tooltip = "Area below which an island is removed, in pixels at 1920 wide; scaled by the square of the"
                .. " width.",
            stage = "finish",
        },
        {
            name = "foreground_source",
            kind = "choice",
            default = "plate_core",
            label = "Foreground source",
            tooltip = "plate_core: the despilled plate where the matte is solid, the model at edges. model: the "
                .. "model's colour alone. plate_despilled: the despilled plate everywhere.",
            stage = "finish",
            choices = {
                "plate_core",
                "model",
                "plate_despilled",
            },
            labels = {
                "Plate core",
                "Model",
                "Plate despilled",
            },
        },
        {
            name = "highlight_restore",
            kind = "float",
            default = 1.0,
            low = 0.0,
            high = 1.0,
            label = "Highlight restore",
            tooltip = "Gives back plate values above 1, which the network cannot see.",
            stage = "finish",
        },
        {
            name = "gamut_restore",
            kind = "float",
            default = 1.0,
            low = 0.0,
            high = 1.0,
            label = "Gamut restore",
            tooltip = "Gives back colours outside Rec.709 in the solid part of the matte.",
            stage = "finish",
        },
        {
            name = "matte_black",
            kind = "float",
            default = 0.0,
            low = 0.0,
            high = 1.0,
            label = "Matte black",
            tooltip = "Matte values up to this become 0.",
            stage = "finish",
        },
        {
            name = "matte_white",
            kind = "float",
            default = 1.0,
            low = 0.0,
            high = 1.0,
            label = "Matte white",
            tooltip = "Matte values from this on become 1.",
            stage = "finish",
        },
        {
            name = "matte_gamma",
            kind = "float",
            default = 1.0,
            low = 0.1,
            high = 10.0,
            label = "Matte gamma",
            tooltip = "Gamma of the matte between black and white; above 1 lifts it.",
            stage = "finish",
        },
        {
            name = "matte_grow",
            kind = "float",
            default = 0.0,
            low = -50.0,
            high = 50.0,
            label = "Matte grow",
            tooltip = "Grows the matte, in pixels at 1920 wide; negative shrinks it.",
            stage = "finish",
        },
        {
            name = "matte_blur",
            kind = "float",
            default = 0.0,
            low = 0.0,
            high = 50.0,
            label = "Matte blur",
            tooltip = "Softens the matte's edge: sigma of a Gaussian, in pixels at 1920 wide.",
            stage = "finish",
        },
        {
            name = "overscan",
            kind = "bool",
            default = false,
            label = "Overscan",
            tooltip = "Keys the whole data window instead of the display window.",
            stage = "predict",
        },
        {
            name = "output",
            kind = "choice",
            default = "premultiplied",
            label = "Output",
            tooltip = "What a host shows: the premultiplied foreground, or one part of the result.",
            stage = "view",
            choices = {
                "premultiplied",
                "foreground",
                "matte",
                "hint",
                "checker",
                "plate",
            },
            labels = {
                "Premultiplied",
                "Foreground",
                "Matte",
                "Hint",
                "Checker",
                "Plate",
            },
        },
        {
            name = "output_space",
            kind = "choice",
            default = "same",
            label = "Output space",
            tooltip = "Encoding of the foreground: the plate's own, or a linear space.",
            stage = "finish",
            choices = {
                "same",
                "linear_rec709",
                "acescg",
                "aces2065_1",
                "linear_rec2020",
                "linear_p3d65",
                "davinci_wide_gamut_linear",
            },
            labels = {
                "Same",
                "Linear Rec.709",
                "ACEScg",
                "ACES2065-1",
                "Linear Rec.2020",
                "Linear P3-D65",
                "DaVinci Wide Gamut Linear",
            },
        },
    },
}
