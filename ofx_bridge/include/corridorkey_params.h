/* SPDX-License-Identifier: Apache-2.0 */
/* The parameter table and the protocol's constants, rendered from models/corridorkey_models/params.py and
   server/corridorkey_server/protocol.py. Do not edit: `pytest --update tests/contract` writes it anew. */
#ifndef CORRIDORKEY_PARAMS_H
#define CORRIDORKEY_PARAMS_H

#define CK_PROTOCOL_VERSION 1 /* what this side speaks */
#define CK_PROTOCOL_OLDEST 1 /* what it still understands */
#define CK_MESSAGE_LIMIT 65536 /* bytes */
#define CK_TOKEN_SIZE 16 /* bytes of a session's token */
#define CK_SIDE_LIMIT 32768 /* pixels, width or height of a frame */
#define CK_SLOTS 3 /* of a session, at most */
#define CK_PAGE 4096 /* bytes; every plane of a slot begins at a multiple of it */
#define CK_HEADER_SIZE 104 /* bytes at the start of a slot */
#define CK_MARK "CKP1" /* 4 bytes, first frame of every message */
#define CK_SLOT_MARK "CKSLOT1\000" /* 8 bytes, first bytes of a slot */

/* Priorities and codes go over the wire as their words, which are found here by number. */
enum ck_priority {
    CK_PRIORITY_INTERACTIVE,
    CK_PRIORITY_PREVIEW,
    CK_PRIORITY_BATCH
};
#define CK_PRIORITY_COUNT 3

static const char *const ck_priorities[CK_PRIORITY_COUNT] = {
    "interactive",
    "preview",
    "batch"
};

enum ck_code {
    CK_CODE_INPUT, /* the request cannot work as it stands: a parameter, or parameters that do not fit together */
    CK_CODE_CHECKPOINT, /* the weights are missing, damaged or not CorridorKey's */
    CK_CODE_RESOURCE, /* the machine could not do it this time: out of memory, disk full */
    CK_CODE_INTERNAL, /* a fault in the daemon; its log has the details */
    CK_CODE_WORKER, /* the worker stopped twice on this frame */
    CK_CODE_DRAINING, /* the daemon is about to stop; connect again and repeat the request */
    CK_CODE_MALFORMED, /* the message is no message of this protocol */
    CK_CODE_UNSUPPORTED, /* the message or the feature is not known here */
    CK_CODE_VERSION, /* client and daemon share no version */
    CK_CODE_SESSION, /* the request needs a session, or the token opens none */
    CK_CODE_SLOT, /* no such slot in this session, or not the client's at the moment */
    CK_CODE_LIMIT /* larger than this daemon allows */
};
#define CK_CODE_COUNT 12

static const char *const ck_codes[CK_CODE_COUNT] = {
    "input",
    "checkpoint",
    "resource",
    "internal",
    "worker",
    "draining",
    "malformed",
    "unsupported",
    "version",
    "session",
    "slot",
    "limit"
};

enum ck_stage {
    CK_STAGE_PREDICT,
    CK_STAGE_FINISH,
    CK_STAGE_VIEW
};
#define CK_STAGE_COUNT 3

static const char *const ck_stages[CK_STAGE_COUNT] = {
    "predict",
    "finish",
    "view"
};

enum ck_kind {
    CK_KIND_BOOL,
    CK_KIND_FLOAT,
    CK_KIND_CHOICE
};

typedef struct ck_param {
    const char *name;
    enum ck_kind kind;
    double default_value;       /* a bool's is 0 or 1, a choice's the index of its word */
    double low, high;           /* inclusive range of a float, else 0 */
    const char *label;
    const char *tooltip;
    enum ck_stage stage;        /* the earliest that a change makes necessary */
    const char *const *choices; /* words of a choice in their permanent order, else null */
    const char *const *labels;  /* what an artist reads for each */
    int choice_count;
} ck_param;

static const char *const ck_choices_screen[] = {
    "green",
    "blue"
};
static const char *const ck_labels_screen[] = {
    "Green",
    "Blue"
};
static const char *const ck_choices_working_space[] = {
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
    "sony_slog3"
};
static const char *const ck_labels_working_space[] = {
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
    "Sony S-Log3"
};
static const char *const ck_choices_quality[] = {
    "full",
    "high",
    "half",
    "draft"
};
static const char *const ck_labels_quality[] = {
    "Full (2048)",
    "High (1536)",
    "Half (1024)",
    "Draft (512)"
};
static const char *const ck_choices_hint_source[] = {
    "auto",
    "input",
    "source_alpha",
    "chroma"
};
static const char *const ck_labels_hint_source[] = {
    "Auto",
    "Input",
    "Source alpha",
    "Chroma"
};
static const char *const ck_choices_hint_channel[] = {
    "auto",
    "alpha",
    "red",
    "green",
    "blue",
    "luminance"
};
static const char *const ck_labels_hint_channel[] = {
    "Auto",
    "Alpha",
    "Red",
    "Green",
    "Blue",
    "Luminance"
};
static const char *const ck_choices_foreground_source[] = {
    "plate_core",
    "model",
    "plate_despilled"
};
static const char *const ck_labels_foreground_source[] = {
    "Plate core",
    "Model",
    "Plate despilled"
};
static const char *const ck_choices_output[] = {
    "premultiplied",
    "foreground",
    "matte",
    "hint",
    "checker",
    "plate"
};
static const char *const ck_labels_output[] = {
    "Premultiplied",
    "Foreground",
    "Matte",
    "Hint",
    "Checker",
    "Plate"
};
static const char *const ck_choices_output_space[] = {
    "same",
    "linear_rec709",
    "acescg",
    "aces2065_1",
    "linear_rec2020",
    "linear_p3d65",
    "davinci_wide_gamut_linear"
};
static const char *const ck_labels_output_space[] = {
    "Same",
    "Linear Rec.709",
    "ACEScg",
    "ACES2065-1",
    "Linear Rec.2020",
    "Linear P3-D65",
    "DaVinci Wide Gamut Linear"
};

#define CK_PARAM_COUNT 23

static const ck_param ck_params[CK_PARAM_COUNT] = {
    {"screen", CK_KIND_CHOICE, 0.0, 0.0, 0.0,
     "Screen",
     "Colour of the screen. Chooses the checkpoint, the despill channel and the chroma hint.",
     CK_STAGE_PREDICT, ck_choices_screen, ck_labels_screen, 2},
    {"working_space", CK_KIND_CHOICE, 0.0, 0.0, 0.0,
     "Working space",
     "How the plate is encoded. The foreground comes back in the same encoding.",
     CK_STAGE_PREDICT, ck_choices_working_space, ck_labels_working_space, 13},
    {"quality", CK_KIND_CHOICE, 0.0, 0.0, 0.0,
     "Quality",
     "Size the network works at: full 2048, high 1536, half 1024, draft 512.",
     CK_STAGE_PREDICT, ck_choices_quality, ck_labels_quality, 4},
    {"hint_source", CK_KIND_CHOICE, 0.0, 0.0, 0.0,
     "Hint source",
     "Where the rough matte comes from: auto takes the hint input if one is wired, else a chroma"
     " hint.",
     CK_STAGE_PREDICT, ck_choices_hint_source, ck_labels_hint_source, 4},
    {"hint_channel", CK_KIND_CHOICE, 0.0, 0.0, 0.0,
     "Hint channel",
     "Channel of the hint image that holds the rough matte: auto takes alpha if there is one, or"
     " the colour of a grey picture whose alpha is 1 everywhere, else luminance.",
     CK_STAGE_PREDICT, ck_choices_hint_channel, ck_labels_hint_channel, 6},
    {"hint_invert", CK_KIND_BOOL, 0.0, 0.0, 0.0,
     "Invert hint",
     "Use one minus the hint, for a hint that is white on the screen.",
     CK_STAGE_PREDICT, 0, 0, 0},
    {"hint_erode", CK_KIND_FLOAT, 0.0, -50.0, 50.0,
     "Hint erode",
     "Shrinks the hint, in pixels at 1920 wide; negative grows it. The network fills in better "
     "than it removes.",
     CK_STAGE_PREDICT, 0, 0, 0},
    {"hint_blur", CK_KIND_FLOAT, 0.0, 0.0, 50.0,
     "Hint blur",
     "Softens the hint: sigma of a Gaussian, in pixels at 1920 wide.",
     CK_STAGE_PREDICT, 0, 0, 0},
    {"refiner_scale", CK_KIND_FLOAT, 1.0, 0.0, 2.0,
     "Refiner",
     "Strength of the network's edge refiner: 1 as trained, 0 leaves the coarse prediction.",
     CK_STAGE_PREDICT, 0, 0, 0},
    {"despill", CK_KIND_FLOAT, 0.5, 0.0, 1.0,
     "Despill",
     "How much of the screen colour's excess over the mean of the other channels is taken from "
     "the foreground.",
     CK_STAGE_FINISH, 0, 0, 0},
    {"despeckle", CK_KIND_BOOL, 0.0, 0.0, 0.0,
     "Despeckle",
     "Removes islands of matte smaller than the despeckle size. Fly-away hair is islands too.",
     CK_STAGE_FINISH, 0, 0, 0},
    {"despeckle_size", CK_KIND_FLOAT, 400.0, 1.0, 100000.0,
     "Despeckle size",
     "Area below which an island is removed, in pixels at 1920 wide; scaled by the square of the"
     " width.",
     CK_STAGE_FINISH, 0, 0, 0},
    {"foreground_source", CK_KIND_CHOICE, 0.0, 0.0, 0.0,
     "Foreground source",
     "plate_core: the despilled plate where the matte is solid, the model at edges. model: the "
     "model's colour alone. plate_despilled: the despilled plate everywhere.",
     CK_STAGE_FINISH, ck_choices_foreground_source, ck_labels_foreground_source, 3},
    {"highlight_restore", CK_KIND_FLOAT, 1.0, 0.0, 1.0,
     "Highlight restore",
     "Gives back plate values above 1, which the network cannot see.",
     CK_STAGE_FINISH, 0, 0, 0},
    {"gamut_restore", CK_KIND_FLOAT, 1.0, 0.0, 1.0,
     "Gamut restore",
     "Gives back colours outside Rec.709 in the solid part of the matte.",
     CK_STAGE_FINISH, 0, 0, 0},
    {"matte_black", CK_KIND_FLOAT, 0.0, 0.0, 1.0,
     "Matte black",
     "Matte values up to this become 0.",
     CK_STAGE_FINISH, 0, 0, 0},
    {"matte_white", CK_KIND_FLOAT, 1.0, 0.0, 1.0,
     "Matte white",
     "Matte values from this on become 1.",
     CK_STAGE_FINISH, 0, 0, 0},
    {"matte_gamma", CK_KIND_FLOAT, 1.0, 0.1, 10.0,
     "Matte gamma",
     "Gamma of the matte between black and white; above 1 lifts it.",
     CK_STAGE_FINISH, 0, 0, 0},
    {"matte_grow", CK_KIND_FLOAT, 0.0, -50.0, 50.0,
     "Matte grow",
     "Grows the matte, in pixels at 1920 wide; negative shrinks it.",
     CK_STAGE_FINISH, 0, 0, 0},
    {"matte_blur", CK_KIND_FLOAT, 0.0, 0.0, 50.0,
     "Matte blur",
     "Softens the matte's edge: sigma of a Gaussian, in pixels at 1920 wide.",
     CK_STAGE_FINISH, 0, 0, 0},
    {"overscan", CK_KIND_BOOL, 0.0, 0.0, 0.0,
     "Overscan",
     "Keys the whole data window instead of the display window.",
     CK_STAGE_PREDICT, 0, 0, 0},
    {"output", CK_KIND_CHOICE, 0.0, 0.0, 0.0,
     "Output",
     "What a host shows: the premultiplied foreground, or one part of the result.",
     CK_STAGE_VIEW, ck_choices_output, ck_labels_output, 6},
    {"output_space", CK_KIND_CHOICE, 0.0, 0.0, 0.0,
     "Output space",
     "Encoding of the foreground: the plate's own, or a linear space.",
     CK_STAGE_FINISH, ck_choices_output_space, ck_labels_output_space, 7}
};

#endif
