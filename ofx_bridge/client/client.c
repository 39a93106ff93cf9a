/* SPDX-License-Identifier: Apache-2.0 */
/* The calls on a client: opening, closing, and what is said of the daemon. */
#include <stdio.h>
#include <stdlib.h>

#include "failures.h"
#include "session.h"

int ck_version(void) {
    return CK_ABI;
}

int ck_protocol(void) {
    return CK_PROTOCOL_VERSION;
}

static ck_client *make_client(const char *name, int connect_ms) {
    ck_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    if (ck_condition_init(&client->changed) != 0) {
        free(client);
        return NULL;
    }
    ck_mutex_init(&client->mutex);
    client->process = ck_process();
    client->connect_seconds = connect_ms / 1000.0;
    ck_copy_text(name, client->name, sizeof client->name);
    return client;
}

int ck_open(int abi, const char *name, int connect_ms, ck_client **client) {
    *client = NULL;
    if (abi != CK_ABI)
        return ck_fail(CK_VERSION,
                       "the CorridorKey library has version %d and its caller needs %d; install the same "
                       "version of both.",
                       CK_ABI, abi);
    if (connect_ms < 1 || connect_ms > 60000)
        return ck_fail(CK_MISUSED,
                       "connecting may take 1 to 60000 ms, not %d; this is a fault of the plug-in, please "
                       "report it.",
                       connect_ms);
    *client = make_client(name, connect_ms);
    return *client != NULL ? CK_OK : ck_fail_no_memory();
}

static void end_session(ck_client *client) {
    while (client->frames != NULL)
        ck_session_forget(client, client->frames);
    for (int index = 0; index < CK_MAPPINGS; index++)
        ck_mapping_release(client->mappings[index]);
    ck_link_close(client->link);
}

void ck_close(ck_client *client) {
    if (client == NULL || client->process != ck_process())
        return;
    end_session(client);
    ck_condition_end(&client->changed);
    ck_mutex_end(&client->mutex);
    free(client);
}

/* Describe the daemon from its WELCOME. */
static void describe(const ck_reply *said, char *text, int size) {
    char line[CK_MODEL_ROOM + 512];
    const char *device = said->device[0] ? said->device : "its worker starts with the first frame";
    snprintf(line, sizeof line, "CorridorKey daemon %llu: %s, model %s, quality %s, protocol %u",
             (unsigned long long)said->pid, device, said->model, said->quality, (unsigned)said->version);
    ck_copy_text(line, text, size > 0 ? (size_t)size : 0);
}

int ck_describe(ck_client *client, char *text, int size) {
    ck_link *visit = NULL;
    if (size > 0)
        text[0] = 0;
    int status = ck_session_check_process(client);
    if (status == CK_OK)
        status = ck_link_open(client->name, 1, client->connect_seconds, &visit);
    if (status != CK_OK)
        return status;
    describe(&visit->reply, text, size);
    ck_link_close(visit);
    ck_retry(client);
    return CK_OK;
}

int ck_error(char *text, int size) {
    return ck_copy_text(ck_last_sentence(), text, size > 0 ? (size_t)size : 0);
}

void ck_retry(ck_client *client) {
    if (ck_session_check_process(client) != CK_OK)
        return;
    ck_mutex_lock(&client->mutex);
    client->down_until = 0;
    ck_mutex_unlock(&client->mutex);
}
