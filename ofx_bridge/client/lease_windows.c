/* SPDX-License-Identifier: Apache-2.0 */
/* Windows: the lease, over which names of shared memory come, and that memory. Knows nothing of what the messages say.
   Written from the manuals and compiled, but no Windows has run it. Windows backs a page when it is first touched. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sockets_windows.h"
#include "stream.h"

enum {
    NAME_SIZE = 16,                           /* bytes of a region's name */
    NAMED_SIZE = 8 + NAME_SIZE,               /* a region in a message: its size and its name */
    BODY = 1 + NAMED_SIZE + CK_LEASE_MESSAGE, /* the longest message, with the number of its regions and one of them */
};

struct ck_lease {
    ck_socket socket;
    uint8_t message[CK_LEAD + BODY];
    size_t got; /* bytes of it */
};

void *ck_region_map(const ck_region *region, size_t size) {
    /* Of size 0 it would map all there is; more than there is it refuses itself. */
    if (size == 0 || region->handle == -1)
        return NULL;
    return MapViewOfFile((HANDLE)region->handle, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, size);
}

void ck_region_unmap(void *memory, size_t size) {
    (void)size;
    if (memory != NULL)
        UnmapViewOfFile(memory);
}

void ck_region_close(ck_region *region) {
    if (region->handle != -1)
        CloseHandle((HANDLE)region->handle);
    region->handle = -1;
}

int ck_lease_open(const char *path, double until, ck_lease **lease) {
    *lease = calloc(1, sizeof **lease);
    if (*lease == NULL)
        return -3;
    int failed = ck_connect(path, 1, until, &(*lease)->socket);
    if (failed) {
        free(*lease);
        *lease = NULL;
    }
    return failed;
}

/* Receive what the message at hand lacks. */
static enum ck_received receive_stream(ck_lease *lease) {
    for (;;) {
        size_t whole = ck_whole_size(lease->message, lease->got, BODY), got;
        if (whole == 0)
            return CK_RECEIVED_GONE;
        if (lease->got == whole)
            return CK_RECEIVED_SOME;
        enum ck_received part = ck_socket_receive(lease->socket, lease->message + lease->got, whole - lease->got, &got);
        if (part != CK_RECEIVED_SOME)
            return part;
        lease->got += got;
    }
}

/* Open the memory with this name. 0, or -1. */
static int open_region(const uint8_t *name, ck_region *region) {
    wchar_t text[64] = L"Local\\ckey-";
    size_t length = wcslen(text);
    for (int index = 0; index < NAME_SIZE; index++, length += 2) {
        text[length] = L"0123456789abcdef"[name[index] >> 4];
        text[length + 1] = L"0123456789abcdef"[name[index] & 15];
    }
    text[length] = L'\0';
    HANDLE opened = OpenFileMappingW(FILE_MAP_READ | FILE_MAP_WRITE, FALSE, text);
    if (opened == NULL)
        return -1;
    region->handle = (intptr_t)opened;
    return 0;
}

enum ck_received ck_lease_receive(ck_lease *lease, uint8_t *data, size_t *size, ck_region *region) {
    const uint8_t *body = lease->message + CK_LEAD;
    *size = 0;
    region->handle = -1;
    enum ck_received received = receive_stream(lease);
    if (received != CK_RECEIVED_SOME)
        return received;
    size_t length = lease->got - CK_LEAD, start = 1 + (size_t)body[0] * NAMED_SIZE;
    if (body[0] > 1 || length <= start || length - start > CK_LEASE_MESSAGE)
        return CK_RECEIVED_GONE;
    if (body[0] == 1 && open_region(body + 1 + 8, region) != 0)
        return CK_RECEIVED_GONE;
    *size = length - start;
    memcpy(data, body + start, *size);
    lease->got = 0;
    return CK_RECEIVED_SOME;
}

ck_socket ck_lease_socket(const ck_lease *lease) {
    return lease->socket;
}

void ck_lease_close(ck_lease *lease) {
    if (lease == NULL)
        return;
    ck_socket_close(lease->socket);
    free(lease);
}
