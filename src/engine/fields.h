// SPDX-License-Identifier: Apache-2.0
// Fields: what only some tasks have, packed behind the record and in events alike. Each is a tag byte, a length of four
// bytes (little-endian) and the value; tags ascend and occur once. Numbers are eight bytes, little-endian.
#ifndef FQ_ENGINE_FIELDS_H
#define FQ_ENGINE_FIELDS_H

#include "base/buf.h"
#include "engine/task_view.h"

// Part of the journal's format: append only.
enum fq_field {
    FQ_FIELD_ENCODING = 1,
    FQ_FIELD_TRACEPARENT = 2,
    FQ_FIELD_TRACESTATE = 3,
    FQ_FIELD_BAGGAGE = 4,
    FQ_FIELD_UNIQUE = 5,
    FQ_FIELD_EXPIRES_US = 6, // wall
    FQ_FIELD_TIMEOUT_MS = 7,
    FQ_FIELD_BACKOFF_MS = 8,
    FQ_FIELD_RESULT_TTL_MS = 9,
    FQ_FIELD_LAST_TRACEPARENT = 10, // of the attempt before; comes with a retry
    FQ_FIELD_LAST_ENDED_US = 11,    // wall; when that attempt ended; beside its context only
    FQ_FIELD_SUBMIT_END = 32,       // tags below come with the submit, tags above with the end
    FQ_FIELD_RESULT = 33,
    FQ_FIELD_RESULT_ENCODING = 34,
    FQ_FIELD_ERROR_TYPE = 35,
    FQ_FIELD_ERROR_MESSAGE = 36,
    FQ_FIELD_ERROR_STACK = 37,
    FQ_FIELD_RUN_TRACEPARENT = 38,
    FQ_FIELD_RUN_US = 39,
    FQ_FIELD_END = 40
};

enum { FQ_LAST_TRACEPARENT_MAX = 128 }; // a longer one is not kept

/** Appends one field; nothing for an empty text. 0 or FQ_ENOMEM. */
int fq_field_put(fq_buf *out, enum fq_field tag, fq_str value);
int fq_field_put_number(fq_buf *out, enum fq_field tag, int64_t value);

/** Well formed: known tags of [from, to), ascending, lengths exact. */
bool fq_fields_are_valid(fq_str fields, int from, int to);
/** The value, or an empty slice. */
fq_str fq_field_get(fq_str fields, enum fq_field tag);
int64_t fq_field_number(fq_str fields, enum fq_field tag, int64_t absent);
/** The first of `fields`, which are not empty. */
enum fq_field fq_field_first(fq_str fields, fq_str *ret_value);
/** What follows the first, whose value is `value`. */
static inline fq_str fq_field_rest(fq_str fields, fq_str value) {
    size_t taken = (size_t)(value.ptr + value.len - fields.ptr);
    return (fq_str){fields.ptr + taken, fields.len - taken};
}
/** A value that is a number. */
int64_t fq_field_as_number(fq_str value);
/** Bytes of the leading fields with tags below `tag`. */
size_t fq_fields_len_before(fq_str fields, enum fq_field tag);
/** Bytes of the leading fields that stay with the task: those of the submit, and the context of an attempt before. */
static inline size_t fq_fields_submit_len(fq_str fields) {
    return fq_fields_len_before(fields, FQ_FIELD_SUBMIT_END);
}
/** Bytes that a field of `len` takes. */
size_t fq_field_size(size_t len);
/** Writes one field; returns its end. */
char *fq_field_write(char *out, enum fq_field tag, fq_str value);
char *fq_field_write_number(char *out, enum fq_field tag, int64_t value);
/** Bytes that a number's field takes. */
size_t fq_field_number_size(void);
/** Changes a number that is there; nothing if it is not. */
void fq_field_set_number(char *fields, size_t len, enum fq_field tag, int64_t value);

#endif
