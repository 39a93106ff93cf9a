/* SPDX-License-Identifier: Apache-2.0 */
/* Where a message ends, on systems that do not keep messages whole. Knows no sockets. */
#include "stream.h"

size_t ck_whole_size(const uint8_t *bytes, size_t got, size_t limit) {
    if (got < CK_LEAD)
        return CK_LEAD;
    uint32_t size = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    return size == 0 || size > limit ? 0 : CK_LEAD + (size_t)size;
}
