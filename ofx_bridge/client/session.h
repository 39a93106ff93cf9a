/* SPDX-License-Identifier: Apache-2.0 */
/* A client's session: its frames and what each is at, shared by the threads of a host. Not seen by callers.

   One thread at a time reads from the daemon, whichever waits; the others sleep until it has something for them or goes
   away itself. Whoever reads takes up the answers to all frames. */
#ifndef CK_SESSION_H
#define CK_SESSION_H

#include "../include/corridorkey.h"
#include "link.h"
#include "sentence.h"
#include "system.h"

enum {
    CK_NAME_ROOM = 64,
    CK_NODE_ROOM = 128,
    CK_PARAM_LIMIT = 64, /* of a frame */
    CK_PARAM_ROOM = 65,  /* bytes of a parameter's name, and of its word */
    CK_MAPPINGS = 16,    /* of a session */
};

/* Memory that is mapped; in use as long as the session or a frame refers to it. */
typedef struct ck_mapping {
    uint32_t slot;
    void *memory;
    uint64_t size;
    int references;
} ck_mapping;

/* Where a frame's memory is. */
enum ck_frame_state {
    CK_FRAME_QUEUED,  /* the session has all the slots that it may have: waits for one */
    CK_FRAME_ASKING,  /* SLOT was sent */
    CK_FRAME_PAUSED,  /* the daemon was busy: SLOT is sent again at `again` */
    CK_FRAME_GRANTED, /* SLOT_READY has come; the memory has to be mapped */
    CK_FRAME_OURS,    /* the caller's to write and read */
    CK_FRAME_AWAY,    /* the daemon's, until the answer */
    CK_FRAME_ENDED,   /* gone for good; `outcome` says why */
};

typedef struct ck_param_value {
    char name[CK_PARAM_ROOM], word[CK_PARAM_ROOM];
    double number;
    enum ck_kind kind;
} ck_param_value;

/* The request that a frame is sent with. */
typedef struct ck_errand {
    int is_detect;
    int contents, priority, number;
    char node[CK_NODE_ROOM];
    char space[CK_PARAM_ROOM];
} ck_errand;

struct ck_frame {
    ck_client *client;
    ck_frame *next; /* of the client, in the order in which they were asked for */
    enum ck_frame_state state;
    ck_layout layout;
    ck_offsets offsets;
    uint32_t slot, gen; /* slot 0: none, or one of a daemon that has ended */
    ck_mapping *mapping;
    uint64_t id;  /* of the request that is waited for */
    double since; /* when it began to be what it is at */
    double asked; /* when the daemon was asked about it */
    double again; /* when a request that met a busy daemon is sent again; 0 if it need not be */
    int outcome;  /* what ck_poll says of it when it is at nothing */
    char sentence[CK_SENTENCE_ROOM];
    ck_errand errand;
    ck_param_value params[CK_PARAM_LIMIT];
    int param_count;
    char stage[CK_WORD_ROOM];
    double fraction;
    double facts[CK_FACT_CODE + 1];
    char notes[CK_NOTES_ROOM];
};

struct ck_client {
    ck_mutex mutex; /* guards all below, and what frames are at */
    ck_condition changed;
    int64_t process;
    char name[CK_NAME_ROOM];
    double connect_seconds;
    ck_link *link;
    uint32_t slot_limit;
    double heard;   /* when anything last came */
    int broken;     /* whether the daemon takes nothing any more */
    int connecting; /* whether a thread is at connecting, without the mutex */
    int reading;    /* whether a thread waits for the link, without the mutex */
    ck_link *left;  /* a link that is closed when that thread is back */
    ck_mapping *mappings[CK_MAPPINGS];
    ck_frame *frames;
    double down_until; /* until when connecting is not tried */
    int down_status;
    char down_sentence[CK_SENTENCE_ROOM];
};

/* CK_OK, or CK_MISUSED in a child that was forked. */
int ck_session_check_process(const ck_client *client);

/* All of these are called with the client's mutex held. */

/* Connect unless connected; CK_OK, or why not. Gives up the mutex meanwhile. */
int ck_session_connect(ck_client *client);

/* The daemon is lost: end every frame that waits for it with `status` and this thread's sentence. */
void ck_session_lose(ck_client *client, int status);

/* Send; if the daemon takes nothing any more, that shows with the next ck_session_receive. */
void ck_session_send(ck_client *client, const ck_writer *message);

/* End what a frame is at with `status` and this thread's sentence. */
void ck_session_end(ck_frame *frame, int status);

/* Give a slot back that no frame of this client has. */
void ck_session_send_slot_back(ck_client *client, uint32_t slot);

/* Let go of the memory of a slot that is no more. */
void ck_session_drop_memory(ck_client *client, uint32_t slot);

/* Let frames that wait for a slot of the session have the ones that are free. */
void ck_session_ask_for_slots(ck_client *client);

/* Send a frame's request, for the first time or again under the same number. */
void ck_session_send_request(ck_client *client, ck_frame *frame);

/* Take up everything that has come. */
void ck_session_receive(ck_client *client);

/* Send again what met a busy daemon, and ask after what nothing was heard of. */
void ck_session_look_after(ck_client *client, ck_frame *frame);

/* Map the memory that a frame was granted, if it has come; gives up the mutex meanwhile. */
void ck_session_map(ck_client *client, ck_frame *frame);

/* Wait until something has happened or ck_now() is `until`; gives up the mutex meanwhile. */
void ck_session_wait(ck_client *client, double until);

/* Give a frame's slot back to the daemon, with the frame that may be on its way in it, and forget its memory. */
void ck_session_give_back(ck_client *client, ck_frame *frame);

/* Take a frame out of the client's list and free it. */
void ck_session_forget(ck_client *client, ck_frame *frame);

/* Let go of memory that a frame or the session referred to. */
void ck_mapping_release(ck_mapping *mapping);

#endif
