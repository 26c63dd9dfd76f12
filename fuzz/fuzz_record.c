// SPDX-License-Identifier: Apache-2.0
// Records from a runner's ring: the first byte is the type, the rest the record. What is found good must have been read
// within its bounds, and be found good again.
#include "target.h"
#include "worker/ring.h"
#include "worker/telemetry_record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    // A copy of its own, so that a read behind the end is seen.
    uint8_t *record = malloc(size > 1 ? size - 1 : 1);
    if (record == NULL)
        return 0;
    memcpy(record, data + 1, size - 1);
    struct fq_record_facts facts, again;
    uint8_t type = (uint8_t)(data[0] % 5);
    int found = fq_record_check(type, record, size - 1, &facts);
    if (found == 0 &&
        (fq_record_check(type, record, size - 1, &again) != 0 || memcmp(&facts, &again, sizeof facts) != 0 ||
         (type != FQ_RING_SPAN && type != FQ_RING_LOG)))
        abort();
    free(record);
    return 0;
}
