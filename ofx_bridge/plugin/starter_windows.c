/* SPDX-License-Identifier: Apache-2.0 */
/* Starts programs on Windows: CreateProcessW with a pipe. Knows no daemon: only what `ckey start` says.

   It is compiled by every build, but no machine of this project runs it: where it and starter_posix.c differ, that one
   has been tested. */
#include "starter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <windows.h>

#include <shellapi.h>

#include "../include/corridorkey.h"
#include "starter_text.h"

enum {
    SLICE_MS = 20,  /* between two looks at a process */
    STOP_MS = 1000, /* for a process to be gone */
    READS = 64,     /* more than a pipe holds, but not for ever */
    PATH_ROOM = 4096,
    NAME_ROOM = 64, /* of a variable, as far as it matters whose it is */
};

struct ck_starter {
    HANDLE process, pipe;
    int ended, failed;
    ck_words words;
};

static int to_wide(const char *text, wchar_t *wide, int room) {
    return MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, room) > 0 ? 0 : -1;
}

static int from_wide(const wchar_t *wide, char *text, size_t room) {
    int limit = room < PATH_ROOM ? (int)room : PATH_ROOM;
    return WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, limit, 0, 0) > 0 ? 0 : -1;
}

static int is_program(const char *path) {
    wchar_t wide[PATH_ROOM];
    int absolute = strlen(path) > 2 && (path[1] == ':' || (path[0] == '\\' && path[1] == '\\'));
    if (!absolute || to_wide(path, wide, PATH_ROOM) != 0)
        return 0;
    DWORD found = GetFileAttributesW(wide);
    return found != INVALID_FILE_ATTRIBUTES && !(found & FILE_ATTRIBUTE_DIRECTORY);
}

static int read_line(const char *file, char *line, size_t room) {
    wchar_t wide[PATH_ROOM];
    DWORD size = 0, limit = room < PATH_ROOM ? (DWORD)room : PATH_ROOM;
    if (to_wide(file, wide, PATH_ROOM) != 0)
        return -1;
    HANDLE from = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, 0, OPEN_EXISTING, 0, 0);
    if (from == INVALID_HANDLE_VALUE)
        return -1;
    BOOL done = ReadFile(from, line, limit, &size, 0);
    CloseHandle(from);
    if (!done || size == limit)
        return -1;
    line[size] = 0;
    ck_cut_line(line);
    return 0;
}

/* Find ckey.exe on PATH alone: not in the host's own folder, and not in its working folder. */
static int find_on_path(char *path, size_t room) {
    static const wchar_t name[] = L"PATH";
    wchar_t found[PATH_ROOM];
    DWORD size = GetEnvironmentVariableW(name, 0, 0);
    wchar_t *folders = size ? calloc(size, sizeof *folders) : 0;
    if (!folders)
        return -1;
    DWORD length = GetEnvironmentVariableW(name, folders, size);
    DWORD there = length > 0 && length < size ? SearchPathW(folders, L"ckey.exe", 0, PATH_ROOM, found, 0) : 0;
    free(folders);
    return there > 0 && there < PATH_ROOM && from_wide(found, path, room) == 0 && is_program(path) ? 0 : -1;
}

int ck_find_command(const char *bundle, char *path, size_t room) {
    char file[PATH_ROOM];
    int size = bundle ? snprintf(file, sizeof file, "%s/%s", bundle, CK_COMMAND_FILE) : -1;
    if (size > 0 && (size_t)size < sizeof file && read_line(file, path, room) == 0 && is_program(path))
        return 0;
    return find_on_path(path, room);
}

/* Whether a variable is the host's own; names are the same in any case. */
static int is_hosts_own(const wchar_t *variable) {
    char name[NAME_ROOM];
    size_t i = 0;
    for (; i < NAME_ROOM - 1 && variable[i] && variable[i] != L'='; i++) {
        wchar_t letter = variable[i] >= L'a' && variable[i] <= L'z' ? (wchar_t)(variable[i] - 32) : variable[i];
        name[i] = letter < 128 ? (char)letter : '?';
    }
    name[i] = 0;
    if (variable[i] == L'=' && i < NAME_ROOM - 2)
        memcpy(name + i, "=", 2);
    return ck_is_hosts_own(name);
}

/* A block of the environment without what is the host's own, to be freed; null without memory. */
static wchar_t *clean_environment(void) {
    wchar_t *all = GetEnvironmentStringsW();
    size_t size = 0, kept = 0;
    while (all && all[size])
        size += wcslen(all + size) + 1;
    wchar_t *clean = all ? calloc(size + 2, sizeof *clean) : 0;
    for (size_t at = 0, length; clean && at < size; at += length) {
        length = wcslen(all + at) + 1;
        if (is_hosts_own(all + at))
            continue;
        memcpy(clean + kept, all + at, length * sizeof *clean);
        kept += length;
    }
    if (all)
        FreeEnvironmentStringsW(all);
    return clean;
}

/* A list of the handles that a process shall have, and no others; null if that fails. */
static LPPROC_THREAD_ATTRIBUTE_LIST list_handles(HANDLE *handles, size_t size) {
    SIZE_T room = 0;
    InitializeProcThreadAttributeList(0, 1, 0, &room);
    LPPROC_THREAD_ATTRIBUTE_LIST list = calloc(1, room);
    if (!list || !InitializeProcThreadAttributeList(list, 1, 0, &room)) {
        free(list);
        return 0;
    }
    if (UpdateProcThreadAttribute(list, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles, size, 0, 0))
        return list;
    DeleteProcThreadAttributeList(list);
    free(list);
    return 0;
}

/* Run a program whose standard input is `from` and whose words go into `to`; its process, or null. */
static HANDLE create(const wchar_t *program, wchar_t *command, HANDLE from, HANDLE to) {
    HANDLE handles[] = {from, to};
    PROCESS_INFORMATION made = {0};
    STARTUPINFOEXW info = {.StartupInfo = {.cb = sizeof info, .dwFlags = STARTF_USESTDHANDLES}};
    info.StartupInfo.hStdInput = from;
    info.StartupInfo.hStdOutput = to;
    info.StartupInfo.hStdError = to;
    info.lpAttributeList = list_handles(handles, sizeof handles);
    wchar_t *environment = clean_environment();
    DWORD flags = CREATE_NO_WINDOW | CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT;
    if (info.lpAttributeList && environment &&
        CreateProcessW(program, command, 0, 0, TRUE, flags, environment, 0, &info.StartupInfo, &made))
        CloseHandle(made.hThread);
    if (info.lpAttributeList)
        DeleteProcThreadAttributeList(info.lpAttributeList);
    free(info.lpAttributeList);
    free(environment);
    return made.hProcess;
}

/* Run `path start`, saying what it says into `to`; its process, or null. */
static HANDLE start(const char *path, HANDLE to) {
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, 0, TRUE};
    wchar_t program[PATH_ROOM], command[PATH_ROOM + NAME_ROOM];
    if (to_wide(path, program, PATH_ROOM) != 0)
        return 0;
    int size = swprintf(command, sizeof command / sizeof *command, L"\"%ls\" start", program);
    DWORD shared = FILE_SHARE_READ | FILE_SHARE_WRITE;
    HANDLE from = CreateFileW(L"NUL", GENERIC_READ, shared, &inherited, OPEN_EXISTING, 0, 0);
    HANDLE process = size > 0 && from != INVALID_HANDLE_VALUE ? create(program, command, from, to) : 0;
    if (from != INVALID_HANDLE_VALUE)
        CloseHandle(from);
    return process;
}

int ck_starter_begin(const char *path, ck_starter **starter) {
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, 0, TRUE};
    HANDLE to = 0;
    *starter = 0;
    ck_starter *made = calloc(1, sizeof *made);
    if (!made || !CreatePipe(&made->pipe, &to, &inherited, 0)) {
        free(made);
        return ck_fail(-1, "no memory or handles are left to start a program; close something and try again.");
    }
    SetHandleInformation(made->pipe, HANDLE_FLAG_INHERIT, 0);
    made->process = start(path, to);
    CloseHandle(to);
    if (!made->process) {
        CloseHandle(made->pipe);
        free(made);
        return ck_fail(-1, "`ckey` cannot be run; install CorridorKey again.");
    }
    *starter = made;
    return 0;
}

/* Read what was said since. */
static void hear(ck_starter *starter) {
    char bytes[4096];
    for (int turn = 0; turn < READS; turn++) {
        DWORD there = 0, size = 0;
        if (!PeekNamedPipe(starter->pipe, 0, 0, 0, &there, 0) || there == 0)
            return;
        if (!ReadFile(starter->pipe, bytes, sizeof bytes, &size, 0))
            return;
        ck_words_add(&starter->words, bytes, size);
    }
}

static int has_ended(ck_starter *starter, DWORD wait_ms) {
    DWORD code = 1;
    if (starter->ended)
        return 1;
    hear(starter); /* a pipe that is full would keep it waiting */
    if (WaitForSingleObject(starter->process, wait_ms) != WAIT_OBJECT_0)
        return 0;
    hear(starter);
    starter->failed = !GetExitCodeProcess(starter->process, &code) || code != 0;
    starter->ended = 1;
    return 1;
}

int ck_starter_poll(ck_starter *starter, int wait_ms) {
    while (!has_ended(starter, wait_ms <= 0 ? 0 : wait_ms < SLICE_MS ? (DWORD)wait_ms : SLICE_MS)) {
        if (wait_ms <= 0)
            return CK_WAITING;
        wait_ms -= SLICE_MS;
    }
    return starter->failed ? ck_words_fail(&starter->words) : CK_OK;
}

void ck_starter_end(ck_starter *starter) {
    if (!starter)
        return;
    if (!has_ended(starter, 0) && TerminateProcess(starter->process, 1))
        WaitForSingleObject(starter->process, STOP_MS);
    CloseHandle(starter->process);
    CloseHandle(starter->pipe);
    free(starter);
}

int ck_show_file(const char *path) {
    wchar_t wide[PATH_ROOM];
    INT_PTR shown =
        to_wide(path, wide, PATH_ROOM) == 0 ? (INT_PTR)ShellExecuteW(0, L"open", wide, 0, 0, SW_SHOWNORMAL) : 0;
    return shown > 32 ? 0 : ck_fail(-1, "%s cannot be shown; open it yourself.", path);
}
