/* SPDX-License-Identifier: Apache-2.0 */
/* Where the programs of one user meet: the rule of docs/protocol.md, the same in Python and Lua. */
#ifndef CK_FOLDER_H
#define CK_FOLDER_H

#include <stddef.h>
#include <stdint.h>

enum { CK_FOLDER_ROOM = 4096 };

/* The runtime folder, without a slash at its end.
   runtime: value of CKEY_RUNTIME, null if unset. profile: of LOCALAPPDATA, asked on Windows only.
   exists: says whether there is something at a path.
   folder: CK_FOLDER_ROOM bytes.
   CK_OK, or CK_UNSAFE with ck_error if CKEY_RUNTIME is relative or too long. */
int ck_folder_find(const char *runtime, const char *profile, uint32_t user, int (*exists)(const char *path),
                   char *folder);

/* The path of `name` in this user's runtime folder, which is checked to be the user's alone.
   path: CK_FOLDER_ROOM bytes.
   CK_OK; CK_DOWN if there is no such folder; CK_UNSAFE with ck_error if it must not be used. */
int ck_folder_path(const char *name, char *path);

#endif
