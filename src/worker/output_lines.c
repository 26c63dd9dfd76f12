// SPDX-License-Identifier: Apache-2.0
#include "worker/output_lines.h"

static struct fq_output_mark *mark_at(struct fq_output_marks *marks, uint32_t index) {
    return &marks->marks[(marks->begin + index) % FQ_OUTPUT_MARKS_MAX];
}

static void drop_first(struct fq_output_marks *marks) {
    marks->begin = (marks->begin + 1) % FQ_OUTPUT_MARKS_MAX;
    marks->count--;
}

void fq_output_mark_add(struct fq_output_marks *marks, const struct fq_output_mark *mark) {
    if (marks->count == FQ_OUTPUT_MARKS_MAX)
        drop_first(marks);
    *mark_at(marks, marks->count++) = *mark;
}

static void drop_passed(struct fq_output_marks *marks, const struct fq_output_lines *lines) {
    while (marks->count > 0 && mark_at(marks, 0)->until[0] <= lines[0].taken &&
           mark_at(marks, 0)->until[1] <= lines[1].taken)
        drop_first(marks);
}

static const struct fq_output_mark *mark_behind(struct fq_output_marks *marks, int stream, uint64_t at) {
    for (uint32_t i = 0; i < marks->count; i++)
        if (mark_at(marks, i)->until[stream] > at)
            return mark_at(marks, i);
    return NULL;
}

static void flush(struct fq_output_lines *lines, int stream, fq_output_emit emit, void *context) {
    if (lines->len > 0)
        emit(context, stream, (fq_str){lines->text, lines->len}, &lines->owner);
    lines->len = 0;
}

static bool is_same(const struct fq_output_owner *a, const struct fq_output_owner *b) {
    return (a->is_known != 0) == (b->is_known != 0) &&
           (a->is_known == 0 || (memcmp(&a->id, &b->id, sizeof a->id) == 0 && a->attempt == b->attempt));
}

// Bytes of one owner. A line that another one left unfinished ends before them.
static void append(struct fq_output_lines *lines, int stream, const char *bytes, size_t len,
                   const struct fq_output_owner *owner, fq_output_emit emit, void *context) {
    if (lines->len > 0 && !is_same(&lines->owner, owner))
        flush(lines, stream, emit, context);
    lines->owner = *owner;
    while (len > 0) {
        const char *newline = memchr(bytes, '\n', len);
        size_t part = newline != NULL ? (size_t)(newline - bytes) : len;
        size_t room = sizeof lines->text - lines->len, kept = part < room ? part : room;
        memcpy(lines->text + lines->len, bytes, kept);
        lines->len += kept;
        if (newline == NULL)
            return;
        flush(lines, stream, emit, context);
        bytes += part + 1;
        len -= part + 1;
    }
}

void fq_output_take(struct fq_output_lines lines[FQ_OUTPUT_STREAMS], struct fq_output_marks *marks,
                    int stream, const char *bytes, size_t len, const struct fq_output_owner *present,
                    fq_output_emit emit, void *context) {
    struct fq_output_lines *own = &lines[stream];
    while (len > 0) {
        const struct fq_output_mark *mark = mark_behind(marks, stream, own->taken);
        uint64_t left = mark != NULL ? mark->until[stream] - own->taken : UINT64_MAX;
        size_t part = left < len ? (size_t)left : len;
        append(own, stream, bytes, part, mark != NULL ? &mark->owner : present, emit, context);
        own->taken += part;
        bytes += part;
        len -= part;
        // Behind its mark a task writes no more: the line is whole also without a newline.
        if (part == left)
            flush(own, stream, emit, context);
    }
    drop_passed(marks, lines);
}

void fq_output_end(struct fq_output_lines lines[FQ_OUTPUT_STREAMS], fq_output_emit emit, void *context) {
    for (int stream = 0; stream < FQ_OUTPUT_STREAMS; stream++)
        flush(&lines[stream], stream, emit, context);
}
