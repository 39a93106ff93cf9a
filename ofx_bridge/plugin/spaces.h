/* SPDX-License-Identifier: Apache-2.0 */
/* How a host encodes its pictures, for a working space that is left at auto. Pure. */
#ifndef CK_SPACES_H
#define CK_SPACES_H

/* The index in ck_choices_working_space, -1 if the host is not known.
   host: its OfxPropName. page: Resolve's page, null or empty if it is not told. */
int ck_host_space(const char *host, const char *page);

/* Whether a working space (index as above) is linear. */
int ck_space_is_linear(int space);

/* The encoding that the foreground comes back in, by the choices of output_space: `same` is the working space. */
int ck_foreground_space(int working_space, int output_space);

#endif
