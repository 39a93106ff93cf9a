/* SPDX-License-Identifier: Apache-2.0 */
/* Linux and macOS: the lease, over which descriptors of shared memory come, and that memory. Knows nothing of what the
   messages say. No Mac has run it; the form of the lease that is used there is tested on Linux. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__APPLE__)
#include <mach/vm_inherit.h>
#endif

#include "sockets_posix.h"
#include "stream.h"

#if defined(__APPLE__)
#define MAP_FLAGS MAP_SHARED
#define RECEIVE_FLAGS 0
#define LEASE_TYPE SOCK_STREAM
#else
#define MAP_FLAGS (MAP_SHARED | MAP_POPULATE)
#define RECEIVE_FLAGS MSG_CMSG_CLOEXEC
#ifndef LEASE_TYPE /* the tests also compile the form of macOS */
#define LEASE_TYPE SOCK_SEQPACKET
#endif
#endif

/* F_GET_SEALS and F_SEAL_SHRINK, which older headers lack. */
enum { GET_SEALS = 1034, SEAL_SHRINK = 2 };

/* Descriptors that a system passes at once: those that did not fit might stay open unseen. */
enum { MOST_RIGHTS = 512 };

struct ck_lease {
    ck_socket socket;
    uint8_t message[CK_LEAD + CK_LEASE_MESSAGE]; /* on a stream with its lead */
    size_t got;                                  /* bytes of it */
    int descriptor;                              /* that came with it, -1 if none did */
};

static int keep_from_children(void *memory, size_t size) {
#if defined(__APPLE__)
    return minherit(memory, size, VM_INHERIT_NONE);
#else
    return madvise(memory, size, MADV_DONTFORK);
#endif
}

/* Whether `size` bytes of a region are there and stay there: beyond its end a mapping raises SIGBUS. */
static int holds(int descriptor, size_t size) {
    struct stat status;
    if (size == 0 || fstat(descriptor, &status) != 0 || status.st_size < 0 || size > (uint64_t)status.st_size)
        return 0;
#if defined(__linux__)
    int seals = fcntl(descriptor, GET_SEALS);
    return seals != -1 && (seals & SEAL_SHRINK) != 0;
#else
    return 1;
#endif
}

void *ck_region_map(const ck_region *region, size_t size) {
    if (!holds((int)region->handle, size))
        return NULL;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_FLAGS, (int)region->handle, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (keep_from_children(memory, size) != 0) {
        munmap(memory, size);
        return NULL;
    }
    return memory;
}

void ck_region_unmap(void *memory, size_t size) {
    if (memory != NULL)
        munmap(memory, size);
}

void ck_region_close(ck_region *region) {
    if (region->handle >= 0)
        close((int)region->handle);
    region->handle = -1;
}

int ck_lease_open(const char *path, double until, ck_lease **lease) {
    *lease = calloc(1, sizeof **lease);
    if (*lease == NULL)
        return -3;
    (*lease)->descriptor = -1;
    int failed = ck_connect(path, LEASE_TYPE, until, &(*lease)->socket);
    if (failed) {
        free(*lease);
        *lease = NULL;
    }
    return failed;
}

/* Keep a descriptor for the message at hand. 0; -1, and it is closed, if the message has one already. */
static int keep(ck_lease *lease, int descriptor) {
    /* macOS cannot receive it close-on-exec. */
    int is_inherited = RECEIVE_FLAGS == 0 && fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0;
    if (is_inherited || lease->descriptor >= 0) {
        close(descriptor);
        return -1;
    }
    lease->descriptor = descriptor;
    return 0;
}

/* Keep the descriptor that came. 0; -1 if more than one did: the first of them is still to be closed. */
static int keep_rights(ck_lease *lease, struct msghdr *header) {
    int failed = 0;
    for (struct cmsghdr *beside = CMSG_FIRSTHDR(header); beside != NULL; beside = CMSG_NXTHDR(header, beside)) {
        if (beside->cmsg_level != SOL_SOCKET || beside->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (beside->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t index = 0; index < count; index++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(beside) + index * sizeof descriptor, sizeof descriptor);
            failed |= keep(lease, descriptor);
        }
    }
    return failed;
}

/* Receive at most `room` bytes behind those that are there, and what comes beside them. */
static enum ck_received receive_part(ck_lease *lease, size_t room) {
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(MOST_RIGHTS * sizeof(int))];
    } rights;
    struct iovec bytes = {.iov_base = lease->message + lease->got, .iov_len = room};
    struct msghdr header = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};
    ssize_t got;
    do
        got = recvmsg((int)lease->socket, &header, RECEIVE_FLAGS);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? CK_RECEIVED_NOTHING : CK_RECEIVED_GONE;
    if (keep_rights(lease, &header) != 0 || got == 0 || (header.msg_flags & MSG_TRUNC) != 0)
        return CK_RECEIVED_GONE;
    if ((header.msg_flags & MSG_CTRUNC) != 0)
        return lease->descriptor < 0 ? CK_RECEIVED_FULL : CK_RECEIVED_GONE;
    lease->got += (size_t)got;
    return CK_RECEIVED_SOME;
}

/* Receive what the message at hand lacks. */
static enum ck_received receive_stream(ck_lease *lease) {
    for (;;) {
        size_t whole = ck_whole_size(lease->message, lease->got, CK_LEASE_MESSAGE);
        if (whole == 0)
            return CK_RECEIVED_GONE;
        if (lease->got == whole)
            return CK_RECEIVED_SOME;
        enum ck_received part = receive_part(lease, whole - lease->got);
        if (part != CK_RECEIVED_SOME)
            return part;
    }
}

static void drop_descriptor(ck_lease *lease) {
    if (lease->descriptor >= 0)
        close(lease->descriptor);
    lease->descriptor = -1;
}

enum ck_received ck_lease_receive(ck_lease *lease, uint8_t *data, size_t *size, ck_region *region) {
    const size_t lead = LEASE_TYPE == SOCK_STREAM ? CK_LEAD : 0;
    enum ck_received received = lead ? receive_stream(lease) : receive_part(lease, CK_LEASE_MESSAGE);
    *size = 0;
    region->handle = -1;
    if (received == CK_RECEIVED_GONE || received == CK_RECEIVED_FULL)
        drop_descriptor(lease);
    if (received != CK_RECEIVED_SOME)
        return received;
    *size = lease->got - lead;
    memcpy(data, lease->message + lead, *size);
    region->handle = lease->descriptor;
    lease->got = 0;
    lease->descriptor = -1;
    return received;
}

ck_socket ck_lease_socket(const ck_lease *lease) {
    return lease->socket;
}

void ck_lease_close(ck_lease *lease) {
    if (lease == NULL)
        return;
    drop_descriptor(lease);
    ck_socket_close(lease->socket);
    free(lease);
}
