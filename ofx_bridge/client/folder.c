/* SPDX-License-Identifier: Apache-2.0 */
/* Which folder the programs of one user meet in, and whether it may be used. Opens no connection and makes no folder:
   that is the daemon's. */
#include "folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../include/corridorkey.h"
#include "sentence.h"
#include "system.h"

#if defined(_WIN32)
#define SEPARATOR "\\"
#else
#define SEPARATOR "/"
#endif

static int too_long(void) {
    return ck_fail(CK_UNSAFE, "the path of the runtime folder is too long; set CKEY_RUNTIME to a shorter path, "
                              "the same for every program.");
}

static int is_full(const char *path) {
#if defined(_WIN32)
    const char *rest = path[0] != '\0' && path[1] == ':' ? path + 2 : path;
    int has_root = rest[0] == '\\' || rest[0] == '/';
    return has_root && (rest != path || rest[1] == '\\' || rest[1] == '/'); /* of a drive or of another machine */
#else
    return path[0] == '/';
#endif
}

static int use_given(const char *given, char *folder) {
    if (!is_full(given))
        return ck_fail(CK_UNSAFE, "CKEY_RUNTIME is %s, which is not a full path; write it from the root on.", given);
    size_t length = strlen(given);
    while (length > 1 && given[length - 1] == '/')
        length--;
    if (length >= CK_FOLDER_ROOM)
        return too_long();
    memcpy(folder, given, length);
    folder[length] = '\0';
    return CK_OK;
}

#if defined(_WIN32)

static int use_default(const char *profile, uint32_t user, int (*exists)(const char *path), char *folder) {
    (void)user;
    (void)exists;
    if (profile == NULL || profile[0] == '\0')
        return ck_fail(CK_UNSAFE, "LOCALAPPDATA is not set; set CKEY_RUNTIME to a folder that only you can open.");
    int length = snprintf(folder, CK_FOLDER_ROOM, "%s\\ckey\\run", profile);
    return length < 0 || length >= CK_FOLDER_ROOM ? too_long() : CK_OK;
}

#else

static int use_default(const char *profile, uint32_t user, int (*exists)(const char *path), char *folder) {
    char session[32];
    (void)profile;
    snprintf(session, sizeof session, "/run/user/%lu", (unsigned long)user);
    if (exists(session))
        snprintf(folder, CK_FOLDER_ROOM, "%s/ckey", session);
    else
        snprintf(folder, CK_FOLDER_ROOM, "/tmp/ckey-%lu", (unsigned long)user);
    return CK_OK;
}

#endif

int ck_folder_find(const char *runtime, const char *profile, uint32_t user, int (*exists)(const char *path),
                   char *folder) {
    if (runtime != NULL && runtime[0] != '\0')
        return use_given(runtime, folder);
    return use_default(profile, user, exists, folder);
}

static int unusable(const char *folder, const char *reason) {
    return ck_fail(CK_UNSAFE, "%s %s; set CKEY_RUNTIME to a folder of yours, the same for every program.", folder,
                   reason);
}

static int check(const char *folder) {
    switch (ck_folder_state(folder)) {
    case CK_FOLDER_PRIVATE:
        return CK_OK;
    case CK_FOLDER_MISSING:
        return CK_DOWN;
    case CK_FOLDER_LINK:
        return unusable(folder, "is a symbolic link");
    case CK_FOLDER_NO_FOLDER:
        return unusable(folder, "is not a folder");
    case CK_FOLDER_FOREIGN:
        return unusable(folder, "belongs to another user");
    case CK_FOLDER_OPEN:
        return unusable(folder, "is open to other users");
    case CK_FOLDER_UNREADABLE:
        break;
    }
    return unusable(folder, "cannot be read");
}

int ck_folder_path(const char *name, char *path) {
    char folder[CK_FOLDER_ROOM];
    int status = ck_folder_find(getenv("CKEY_RUNTIME"), getenv("LOCALAPPDATA"), ck_user(), ck_path_exists, folder);
    if (status != CK_OK)
        return status;
    int length = snprintf(path, CK_FOLDER_ROOM, "%s" SEPARATOR "%s", folder, name);
    if (length < 0 || length >= CK_FOLDER_ROOM || (size_t)length > ck_socket_path_limit())
        return too_long();
    return check(folder);
}
