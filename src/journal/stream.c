// SPDX-License-Identifier: Apache-2.0
#include "journal/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct comparison {
    fq_str mine;
    bool is_mine;
};

static int compare(void *context, uint64_t seq, fq_str bytes) {
    (void)seq;
    struct comparison *comparison = context;
    comparison->is_mine = fq_str_equal(comparison->mine, bytes);
    return 0;
}

// Refused, and nothing stands there. Servers refuse a second message also because of a first one that is under way.
static int find_end(fq_stream *stream, enum fq_stream_part part, uint64_t last_seq) {
    struct fq_stream_facts facts;
    int result = stream->ops->facts(stream, part, &facts);
    if (result < 0)
        return result;
    if (facts.first_seq > last_seq + 1 && facts.last_seq > last_seq) {
        snprintf(stream->error, sizeof stream->error,
                 "message %" PRIu64 " was written by somebody else, and purged", last_seq + 1);
        return FQ_ELOCKED;
    }
    if (facts.last_seq >= last_seq)
        return FQ_EAGAIN;
    snprintf(stream->error, sizeof stream->error,
             "the last message is %" PRIu64 " and was %" PRIu64
             ": the servers lost what they had acknowledged",
             facts.last_seq, last_seq);
    return FQ_ECORRUPT;
}

int fq_stream_extend(fq_stream *stream, enum fq_stream_part part, uint64_t last_seq, fq_str bytes) {
    int result = stream->ops->publish(stream, part, last_seq, bytes);
    if (result != FQ_ELOCKED)
        return result;
    // An attempt that nobody answered may have been this very message.
    struct comparison comparison = {.mine = bytes};
    result = stream->ops->read(stream, part, last_seq + 1, last_seq + 1, compare, &comparison);
    if (result == FQ_ECORRUPT)
        return find_end(stream, part, last_seq);
    if (result < 0 || comparison.is_mine)
        return result;
    snprintf(stream->error, sizeof stream->error, "message %" PRIu64 " was written by somebody else",
             last_seq + 1);
    return FQ_ELOCKED;
}
