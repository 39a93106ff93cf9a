/* SPDX-License-Identifier: Apache-2.0 */
/* Windows: time, threads, processes, and how a folder looks. Knows no sockets and no shared memory. Written from the
   manuals and compiled, but no Windows has run it. Paths are in the code page of the program, as getenv gives them. */
#include "system.h"

static const double LONGEST_WAIT = 3600; /* seconds, so that any `until` fits the system's types */

double ck_now(void) {
    LARGE_INTEGER ticks, per_second; /* asking for these cannot fail since Windows XP */
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    return (double)ticks.QuadPart / (double)per_second.QuadPart;
}

void ck_mutex_init(ck_mutex *mutex) {
    InitializeSRWLock(mutex);
}

void ck_mutex_end(ck_mutex *mutex) {
    (void)mutex;
}

void ck_mutex_lock(ck_mutex *mutex) {
    AcquireSRWLockExclusive(mutex);
}

void ck_mutex_unlock(ck_mutex *mutex) {
    ReleaseSRWLockExclusive(mutex);
}

int ck_condition_init(ck_condition *condition) {
    InitializeConditionVariable(condition);
    return 0;
}

void ck_condition_end(ck_condition *condition) {
    (void)condition;
}

void ck_condition_wake_all(ck_condition *condition) {
    WakeAllConditionVariable(condition);
}

void ck_condition_wait(ck_condition *condition, ck_mutex *mutex, double until) {
    double left = until - ck_now();
    DWORD wait = 0;
    if (left > 0)
        wait = (DWORD)(1000 * (left < LONGEST_WAIT ? left : LONGEST_WAIT)) + 1;
    SleepConditionVariableSRW(condition, mutex, wait, 0);
}

uint32_t ck_user(void) {
    return 0;
}

int64_t ck_process(void) {
    return (int64_t)GetCurrentProcessId();
}

int ck_path_exists(const char *path) {
    return GetFileAttributesA(path) != INVALID_FILE_ATTRIBUTES;
}

enum ck_folder_state ck_folder_state(const char *path) {
    DWORD attributes = GetFileAttributesA(path);
    if (attributes == INVALID_FILE_ATTRIBUTES) {
        DWORD reason = GetLastError();
        int is_missing = reason == ERROR_FILE_NOT_FOUND || reason == ERROR_PATH_NOT_FOUND;
        return is_missing ? CK_FOLDER_MISSING : CK_FOLDER_UNREADABLE;
    }
    return (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0 ? CK_FOLDER_PRIVATE : CK_FOLDER_NO_FOLDER;
}

size_t ck_socket_path_limit(void) {
    return MAX_PATH - 1; /* what is there is a plain file */
}

int ck_after_fork(void (*work)(void), ck_mutex *mutex) {
    (void)work;
    (void)mutex;
    return 0;
}
