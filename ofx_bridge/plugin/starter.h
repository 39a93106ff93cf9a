/* SPDX-License-Identifier: Apache-2.0 */
/* Programs started from within a host: `ckey start`, and whatever shows a page. */
#ifndef CK_STARTER_H
#define CK_STARTER_H

#include <stddef.h>

/* The path of `ckey`: the one that the file Contents/Resources/ckey.path of the bundle names, else the one on PATH.
   bundle: the bundle's folder, or null. 0; -1 if there is none. */
int ck_find_command(const char *bundle, char *path, size_t room);

typedef struct ck_starter ck_starter;

/* Run `path start` without what the host put into the environment for itself (LD_LIBRARY_PATH, LD_PRELOAD, DYLD_...,
   PYTHONHOME, PYTHONPATH and the like) and without its descriptors. 0, or -1 with ck_error. */
int ck_starter_begin(const char *path, ck_starter **starter);

/* Wait at most `wait_ms` for its end. CK_OK: the daemon runs. CK_WAITING: not yet. CK_REFUSED: it failed; ck_error has
   the last line that it said, without `ckey: `. */
int ck_starter_poll(ck_starter *starter, int wait_ms);

/* Stop it if it still runs, and forget it. */
void ck_starter_end(ck_starter *starter);

/* Show a file in the program that the desktop has for it; does not wait. 0, or -1 with ck_error. */
int ck_show_file(const char *path);

#endif
