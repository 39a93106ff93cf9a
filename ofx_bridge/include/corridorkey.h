/* SPDX-License-Identifier: Apache-2.0 */
/* The client of the CorridorKey daemon for hosts: keys a frame through memory that is shared with the daemon.

   C11, no library but the system's own. Numbers and pointers only: no callbacks, no structures by value, so that LuaJIT
   or any other language calls it directly.

       ck_client *client;
       ck_frame *frame;
       if (ck_open(CK_ABI, "Natron 2.5", 250, &client) != CK_OK) ...
       ck_slot(client, width, height, 0, &frame);               asks for memory
       while ((status = ck_poll(frame, 20, 0)) == CK_WAITING)   waits for it
           if (the artist pressed Escape) goto release;
       float *in = ck_plane(frame, CK_PLANE_IN);                plate in R, G, B, hint in A, the top row first
       ck_word(frame, "screen", "blue");                        parameters that differ from their defaults
       ck_submit(frame, CK_HAS_HINT, CK_PRIORITY_INTERACTIVE, "", 1001);
       while ((status = ck_poll(frame, 20, &progress)) == CK_WAITING) ...
       const float *out = ck_plane(frame, CK_PLANE_OUT);        straight foreground, matte in A
       release: ck_release(frame);

   Every call returns at once, but for ck_poll, which waits as long as it is told, and for those that connect
   (ck_slot, ck_describe), which take at most `connect_ms`. A daemon that is down is found so at once and remembered for
   2 seconds, in which calls fail without trying; one that has stopped answering is given up after 5 seconds.

   Threads: a client may be used by any number of threads at once, a frame by one at a time. A client that was
   inherited over fork belongs to the parent: in the child its calls fail. */
#ifndef CORRIDORKEY_H
#define CORRIDORKEY_H

#if defined(CK_STATIC) /* linked into the caller, and nobody else's */
#define CK_API
#elif defined(_WIN32)
#define CK_API __declspec(dllexport)
#else
#define CK_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define CK_ABI 1 /* what this header describes; rises with every change that breaks callers */

typedef struct ck_client ck_client; /* a session with the daemon, connected when it is needed */
typedef struct ck_frame ck_frame;   /* memory for one frame, and the request on its way */

/* What calls return. Below 0 the call failed, and ck_error tells why. */
enum ck_status {
    CK_OK = 0,
    CK_WAITING = 1,    /* not yet: call ck_poll again */
    CK_CANCELLED = 2,  /* stopped by ck_cancel */
    CK_REFUSED = -1,   /* the daemon said no: see ck_error, and ck_fact CK_FACT_CODE */
    CK_DOWN = -2,      /* no daemon runs, or it has ended: start it and try again */
    CK_SILENT = -3,    /* the daemon runs but does not answer */
    CK_UNSAFE = -4,    /* the runtime folder is not the user's alone: nothing was sent */
    CK_VERSION = -5,   /* this library and the daemon, or its caller, do not understand each other */
    CK_MISUSED = -6,   /* a call that cannot be right: an argument out of range, or not in this order */
    CK_NO_MEMORY = -7, /* of this process */
};

/* Planes of a frame: float32, rows top-down, without gaps, the channels of a pixel side by side. */
enum ck_plane {
    CK_PLANE_IN = 0,   /* 4 channels: plate, and in A the hint or the plate's alpha */
    CK_PLANE_OUT = 1,  /* 4 channels: straight foreground encoded as the plate, and the matte */
    CK_PLANE_MASK = 2, /* 2 channels, if asked for: inside, outside */
    CK_PLANE_HINT = 3, /* 1 channel, if asked for: the hint as it was used */
};

/* Optional planes, for ck_slot. */
enum { CK_WITH_MASKS = 1, CK_WITH_HINT = 2 };

/* What was written into the planes, for ck_submit. */
enum ck_content {
    CK_HAS_HINT = 1,    /* A of the in plane holds a hint */
    CK_HAS_ALPHA = 2,   /* A of the in plane holds the plate's own alpha; not together with a hint */
    CK_HAS_INSIDE = 4,  /* the first channel of the mask plane */
    CK_HAS_OUTSIDE = 8, /* the second one */
};

/* What ck_fact tells of a frame that is done. */
enum ck_fact {
    CK_FACT_EMPTY = 0,   /* 1: the hint was 0 everywhere, nothing was keyed, the matte is 0 */
    CK_FACT_KEPT = 1,    /* 1: the network did not run, its prediction was kept from before */
    CK_FACT_SECONDS = 2, /* from the daemon's receipt to its answer */
    CK_FACT_SCREEN = 3,  /* after ck_detect: index in the choices of `screen`, -1 if there is no screen */
    CK_FACT_CODE = 4,    /* after CK_REFUSED: enum ck_code of corridorkey_params.h */
};

/* The ABI that this library has; callers that load it at run time ask first. */
CK_API int ck_version(void);

/* The protocol's version that it speaks. */
CK_API int ck_protocol(void);

/* Make a client; connects to nothing.
   abi: CK_ABI of the header that the caller was made with; another one is CK_VERSION.
   name: host and version, for `ckey ps`; longer than 63 bytes it is cut.
   connect_ms: how long connecting may take, 1 to 60000; 250 where an artist waits. */
CK_API int ck_open(int abi, const char *name, int connect_ms, ck_client **client);

/* End the session. All frames of the client are released before; null is ignored. */
CK_API void ck_close(ck_client *client);

/* Ask for memory for a frame of width x height pixels with the `planes` CK_WITH_...; connects if need be.
   The frame is usable when ck_poll says CK_OK, and is released in any case once this has returned CK_OK. */
CK_API int ck_slot(ck_client *client, int width, int height, int planes, ck_frame **frame);

/* Wait at most `wait_ms` for what the frame is at: its memory, then its result.
   progress: 0 to 1, or null.
   CK_OK: it is there. CK_WAITING: not yet. Anything else is the last word on the request. */
CK_API int ck_poll(ck_frame *frame, int wait_ms, double *progress);

/* The memory of a plane, null if the frame has none such or its memory is not there yet; valid until ck_release.
   It is the daemon's from ck_submit until ck_poll says anything but CK_WAITING. */
CK_API float *ck_plane(ck_frame *frame, int plane);

/* Set a parameter of what is keyed in this frame, by its name in the parameter table; it stays until it is set again.
   Names and words have at most 64 bytes; the daemon checks what they say. */
CK_API int ck_flag(ck_frame *frame, const char *name, int value);
CK_API int ck_number(ck_frame *frame, const char *name, double value);
CK_API int ck_word(ck_frame *frame, const char *name, const char *word);

/* Key what lies in the planes.
   contents: CK_HAS_...
   priority: enum ck_priority of corridorkey_params.h.
   node: at most 127 bytes; an interactive frame of the same node that still waits is given up for this one, which
         ck_poll of that frame reports as CK_CANCELLED. Empty: none is.
   number: the frame's number, for logs. */
CK_API int ck_submit(ck_frame *frame, int contents, int priority, const char *node, int number);

/* Ask which screen the plate in the in plane has, encoded as `working_space`; see CK_FACT_SCREEN. */
CK_API int ck_detect(ck_frame *frame, const char *working_space);

/* Stop the request: at once where it waits, at the next block where it runs. ck_poll tells when it has. */
CK_API int ck_cancel(ck_frame *frame);

/* Give the frame's memory back, stopping what it is at; null is ignored. Pointers to its planes end here. */
CK_API void ck_release(ck_frame *frame);

/* What is known of the last request of a frame. */
CK_API double ck_fact(const ck_frame *frame, int fact);

/* Sentences for the artist about the result, one per line. Here and below text goes into `text` of `size` bytes, cut to
   fit and ended by a zero, and the length of the whole text is returned. */
CK_API int ck_notes(const ck_frame *frame, char *text, int size);

/* What the frame is at, in a word: queue, load, infer. */
CK_API int ck_stage(const ck_frame *frame, char *text, int size);

/* Connect anew, and describe the daemon in one line: device, model, quality, process, version. CK_OK, or why not. */
CK_API int ck_describe(ck_client *client, char *text, int size);

/* Why the last call of this thread failed: the cause; the next step. Empty if none has. */
CK_API int ck_error(char *text, int size);

/* Forget that the daemon was down: the next call tries again at once. */
CK_API void ck_retry(ck_client *client);

#ifdef __cplusplus
}
#endif

#endif
