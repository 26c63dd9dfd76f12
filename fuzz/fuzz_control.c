// SPDX-License-Identifier: Apache-2.0
// What passes between a supervisor and a runner beside the board. The first byte chooses: the setup that a runner gets, which
// is refused or means the same when it is written again; or a runner's output with marks of whose it is, where no byte is
// lost, and nothing depends on how it was cut.
#include "target.h"

#include "base/assert.h"
#include "worker/control.h"
#include "worker/output_lines.h"

#include <stdlib.h>
#include <string.h>

enum { MARK = 8 };

static void check_setup(const char *bytes, size_t len) {
    struct fq_runner_setup setup, again;
    if (fq_runner_setup_decode(bytes, len, &setup) < 0)
        return;
    size_t encoded_len;
    char *encoded = fq_runner_setup_encode(&setup, &encoded_len);
    FQ_ASSERT(encoded != NULL);
    FQ_ASSERT(fq_runner_setup_decode(encoded, encoded_len, &again) == 0);
    FQ_ASSERT(strcmp(setup.address, again.address) == 0 && strcmp(setup.token, again.token) == 0 &&
              strcmp(setup.worker_id, again.worker_id) == 0 && setup.max_tasks == again.max_tasks &&
              setup.async_concurrency == again.async_concurrency && setup.traces == again.traces);
    free(encoded);
    fq_runner_setup_done(&setup);
    fq_runner_setup_done(&again);
}

// What came out, as sums that do not depend on the order of the two streams.
struct heard {
    uint64_t bytes[FQ_OUTPUT_STREAMS], sum[FQ_OUTPUT_STREAMS];
};

static void on_line(void *context, int stream, fq_str line, const struct fq_output_owner *owner) {
    struct heard *heard = context;
    FQ_ASSERT(stream >= 0 && stream < FQ_OUTPUT_STREAMS && line.len <= FQ_OUTPUT_LINE_MAX);
    for (size_t i = 0; i < line.len; i++) {
        FQ_ASSERT(line.ptr[i] != '\n');
        heard->sum[stream] = heard->sum[stream] * 31 + (unsigned char)line.ptr[i];
    }
    heard->sum[stream] = heard->sum[stream] * 31 + owner->id.bytes[0] + (uint64_t)owner->is_known * 7;
    heard->bytes[stream] += line.len;
}

static struct heard read_output(const struct fq_output_mark *marks, size_t mark_count, const char *bytes,
                                size_t len, size_t step) {
    static struct fq_output_lines lines[FQ_OUTPUT_STREAMS];
    static struct fq_output_marks all;
    const struct fq_output_owner present = {.id.bytes = {99}, .is_known = 1};
    struct heard heard = {{0}, {0}};
    memset(lines, 0, sizeof lines);
    all.begin = all.count = 0;
    for (size_t i = 0; i < mark_count; i++)
        fq_output_mark_add(&all, &marks[i]);
    for (int stream = 0; stream < FQ_OUTPUT_STREAMS; stream++)
        for (size_t at = 0; at < len; at += step)
            fq_output_take(lines, &all, stream, bytes + at, len - at < step ? len - at : step, &present,
                           on_line, &heard);
    fq_output_end(lines, on_line, &heard);
    return heard;
}

// Marks first: two bytes for each stream's place, an owner.
static void check_output(const uint8_t *data, size_t size) {
    struct fq_output_mark marks[16];
    size_t count = size > 0 ? data[0] % 16 : 0, used = 1;
    memset(marks, 0, sizeof marks);
    for (size_t i = 0; i < count && used + MARK <= size; i++, used += MARK) {
        marks[i].until[0] = (uint64_t)data[used] << 8 | data[used + 1];
        marks[i].until[1] = (uint64_t)data[used + 2] << 8 | data[used + 3];
        marks[i].owner.id.bytes[0] = data[used + 4];
        marks[i].owner.is_known = data[used + 5];
    }
    if (used > size || size - used > FQ_OUTPUT_LINE_MAX) // a longer line is cut
        return;
    const char *bytes = (const char *)data + used;
    size_t len = size - used, newlines = 0;
    for (size_t i = 0; i < len; i++)
        newlines += bytes[i] == '\n';
    struct heard whole = read_output(marks, count, bytes, len, len + 1);
    struct heard single = read_output(marks, count, bytes, len, 1);
    for (int stream = 0; stream < FQ_OUTPUT_STREAMS; stream++) {
        FQ_ASSERT(whole.bytes[stream] == len - newlines && single.bytes[stream] == len - newlines);
        FQ_ASSERT(whole.sum[stream] == single.sum[stream]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0)
        check_setup((const char *)data + 1, size - 1);
    else
        check_output(data + 1, size - 1);
    return 0;
}
