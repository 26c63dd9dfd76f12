// SPDX-License-Identifier: Apache-2.0
// Whose line is it: what a runner writes to its standard output and error comes here as bytes, possibly later than the task
// that wrote them. A runner therefore leaves marks behind tasks that wrote something: "what I had written so far belongs to
// this task". Bytes behind the last mark belong to whoever is on the processor when they are read. Pure.
#ifndef FQ_WORKER_OUTPUT_LINES_H
#define FQ_WORKER_OUTPUT_LINES_H

#include "base/str.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

enum { FQ_OUTPUT_STREAMS = 2, FQ_OUTPUT_LINE_MAX = 8 * 1024, FQ_OUTPUT_MARKS_MAX = 8192 };

// A task as far as its log records name it. No bool: it comes out of shared memory.
struct fq_output_owner {
    fq_uuid id;
    uint32_t name, attempt;
    uint8_t trace_id[16], span_id[8], flags; // span_id all zero = none
    uint8_t is_known;                        // 0 = nobody
};
// As it lies in the ring (FQ_RING_MARK).
struct fq_output_mark {
    uint64_t until[FQ_OUTPUT_STREAMS]; // bytes since the runner started, of stdout and of stderr
    struct fq_output_owner owner;
};

// The marks of one runner that are still ahead of what was read: of as many tasks as may print into a pipe that is not read.
struct fq_output_marks {
    uint32_t begin, count;
    struct fq_output_mark marks[FQ_OUTPUT_MARKS_MAX];
};
/** A further mark; the oldest goes when there are too many. */
void fq_output_mark_add(struct fq_output_marks *marks, const struct fq_output_mark *mark);

struct fq_output_lines {
    uint64_t taken; // bytes so far
    size_t len;
    struct fq_output_owner owner;
    char text[FQ_OUTPUT_LINE_MAX];
};
/** A whole line without its newline, valid during the call; or the last one of a task without. */
typedef void (*fq_output_emit)(void *context, int stream, fq_str line, const struct fq_output_owner *owner);

/** `len` more bytes of stream 0 or 1 of `lines`; `present` owns what is behind all marks. */
void fq_output_take(struct fq_output_lines lines[FQ_OUTPUT_STREAMS], struct fq_output_marks *marks,
                    int stream, const char *bytes, size_t len, const struct fq_output_owner *present,
                    fq_output_emit emit, void *context);
/** What is left without a newline. */
void fq_output_end(struct fq_output_lines lines[FQ_OUTPUT_STREAMS], fq_output_emit emit, void *context);

#endif
