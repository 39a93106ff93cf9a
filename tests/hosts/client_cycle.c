/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of a client from several threads at once, each in every way that a frame can end: client_cycle THREADS FRAMES.
   Half of the frames go through one client that all threads share, the others through clients of their own, which come
   and go. Meant for sanitizers, against a daemon that gives back what it gets, where CKEY_RUNTIME says. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../ofx_bridge/include/corridorkey.h"

enum { MOST_THREADS = 64, CONNECT_MS = 10000, PATIENCE = 3000, SLICE_MS = 10 };

enum end { RESULT, CANCEL_AWAY, RELEASE_AWAY, RELEASE_UNUSED, CANCEL_EARLY, RELEASE_EARLY, END_COUNT };

static ck_client *shared;
static int frame_count;
static atomic_int keyed, cancelled, failed;

static void complain(const char *what, int status) {
    char sentence[512] = "";
    ck_error(sentence, sizeof sentence);
    fprintf(stderr, "%s: %d %s\n", what, status, sentence);
    atomic_fetch_add(&failed, 1);
}

static void expect(const char *what, int status, int wanted) {
    if (status != wanted)
        complain(what, status);
}

static int wait_for(ck_frame *frame) {
    double progress;
    int status = CK_WAITING;
    for (int slice = 0; slice < PATIENCE && status == CK_WAITING; slice++)
        status = ck_poll(frame, SLICE_MS, &progress);
    return status;
}

/* Fill the in plane; the first red beyond 1000 has the worker busy for that many seconds. */
static void fill(ck_frame *frame, int pixels, int number, int is_slow) {
    float *in = ck_plane(frame, CK_PLANE_IN);
    for (int i = 0; i < 4 * pixels; i++)
        in[i] = (float)(number % 97) + (float)i;
    in[0] = is_slow ? 1000.01f : 0.5f;
    in[1] = 0.5f;
}

static void check_result(ck_frame *frame, int pixels) {
    char notes[256], stage[32];
    const float *in = ck_plane(frame, CK_PLANE_IN), *out = ck_plane(frame, CK_PLANE_OUT);
    for (int i = 0; i < 4 * pixels; i++)
        if (in[i] != out[i]) {
            complain("another frame's pixels", i);
            return;
        }
    ck_notes(frame, notes, sizeof notes);
    ck_stage(frame, stage, sizeof stage);
    if (ck_fact(frame, CK_FACT_SECONDS) <= 0)
        complain("no time was taken", 0);
}

static void expect_end(ck_frame *frame, int pixels, enum end end) {
    int status = wait_for(frame);
    if (status == CK_OK) {
        check_result(frame, pixels);
        atomic_fetch_add(&keyed, 1);
    } else if (status == CK_CANCELLED && end == CANCEL_AWAY) {
        atomic_fetch_add(&cancelled, 1);
    } else {
        complain("no result", status);
    }
}

static void send(ck_frame *frame, int pixels, int number, enum end end) {
    fill(frame, pixels, number, end != RESULT);
    expect("ck_word", ck_word(frame, "working_space", "linear_rec709"), CK_OK);
    expect("ck_number", ck_number(frame, "despill", 0.5), CK_OK);
    expect("ck_submit", ck_submit(frame, CK_HAS_HINT, number % 2, "", number), CK_OK);
    if (end == CANCEL_AWAY)
        expect("ck_cancel", ck_cancel(frame), CK_OK);
    if (end != RELEASE_AWAY)
        expect_end(frame, pixels, end);
}

static void work_on(ck_client *client, int number) {
    enum end end = (enum end)(number % END_COUNT);
    int width = 8 + number % 5 * 8, height = 9;
    ck_frame *frame;
    int status = ck_slot(client, width, height, number % 4, &frame);
    if (status != CK_OK) {
        complain("ck_slot", status);
        return;
    }
    if (end == CANCEL_EARLY) {
        expect("ck_cancel", ck_cancel(frame), CK_OK);
    } else if (end != RELEASE_EARLY) {
        expect("memory", wait_for(frame), CK_OK);
        if (end != RELEASE_UNUSED && ck_plane(frame, CK_PLANE_IN))
            send(frame, width * height, number, end);
    }
    ck_release(frame);
}

static void work_alone(int number) {
    char line[256];
    ck_client *own;
    if (ck_open(CK_ABI, "cycle, alone", CONNECT_MS, &own) != CK_OK) {
        complain("ck_open", 0);
        return;
    }
    for (int i = 0; i < END_COUNT; i++)
        work_on(own, number + i);
    expect("ck_describe", ck_describe(own, line, sizeof line), CK_OK);
    ck_close(own);
}

static void *work(void *begin) {
    int first = *(int *)begin;
    for (int number = first; number < first + frame_count / 2; number++) {
        work_on(shared, number);
        if (number % END_COUNT == 0)
            work_alone(number);
    }
    return NULL;
}

int main(int count, char **words) {
    pthread_t threads[MOST_THREADS];
    int firsts[MOST_THREADS];
    int thread_count = count == 3 ? atoi(words[1]) : 0;
    frame_count = count == 3 ? atoi(words[2]) : 0;
    if (thread_count < 1 || thread_count > MOST_THREADS || frame_count < 1)
        return 2;
    if (ck_open(CK_ABI, "cycle", CONNECT_MS, &shared) != CK_OK)
        return 3;
    for (int i = 0; i < thread_count; i++) {
        firsts[i] = i * frame_count + i;
        if (pthread_create(&threads[i], NULL, work, &firsts[i]) != 0)
            return 4;
    }
    for (int i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    ck_close(shared);
    printf("keyed %d cancelled %d failed %d\n", keyed, cancelled, failed);
    return failed ? 1 : 0;
}
