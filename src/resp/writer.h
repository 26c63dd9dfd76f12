// SPDX-License-Identifier: Apache-2.0
// RESP2 and RESP3 into a buffer. A failed append is remembered in `failed` (FQ_ENOMEM, FQ_ETOOBIG) and makes the rest of
// the calls do nothing, so that a reply is written without a check per line and checked once at its end.
#ifndef FQ_RESP_WRITER_H
#define FQ_RESP_WRITER_H

#include "base/buf.h"

struct fq_resp_writer {
    fq_buf *out;
    int protocol; // 2 or 3
    int failed;
};

void fq_resp_write_status(struct fq_resp_writer *writer, const char *text);
/** "-CODE text": `text` has its CR and LF replaced. */
void fq_resp_write_error(struct fq_resp_writer *writer, const char *code, const char *text);
void fq_resp_write_integer(struct fq_resp_writer *writer, int64_t value);
void fq_resp_write_string(struct fq_resp_writer *writer, fq_str text);
/** A number as a string of decimal digits: what does not fit the double of some clients. */
void fq_resp_write_digits(struct fq_resp_writer *writer, uint64_t value);
void fq_resp_write_text(struct fq_resp_writer *writer, const char *text);
void fq_resp_write_nil(struct fq_resp_writer *writer);
void fq_resp_write_boolean(struct fq_resp_writer *writer, bool value);  // RESP2: 1 or 0
void fq_resp_write_double(struct fq_resp_writer *writer, double value); // RESP2: a string
void fq_resp_write_array(struct fq_resp_writer *writer, size_t count);
void fq_resp_write_map(struct fq_resp_writer *writer, size_t pairs);  // RESP2: an array of twice as many
void fq_resp_write_push(struct fq_resp_writer *writer, size_t count); // RESP3 only
/** Bytes that are RESP already: constants of replies that are written often. */
void fq_resp_write_raw(struct fq_resp_writer *writer, fq_str encoded);
/** A request: an array of bulk strings; used by clients. */
void fq_resp_write_request(struct fq_resp_writer *writer, size_t arg_count);

// --- a reply in one piece ---------------------------------------------------------------------------------------------
// For replies that are written for every task: the caller makes room for all of it, puts part behind part, commits the end.
enum { FQ_RESP_LINE_MAX = 24 }; // type byte, sign, 20 digits, CR LF

/** Room for `len` bytes at the end; NULL with the failure remembered in `failed`. */
char *fq_resp_room(struct fq_resp_writer *writer, size_t len);
/** What was put from fq_resp_room() up to `end` is part of the output. */
void fq_resp_commit(struct fq_resp_writer *writer, const char *end);
/** "<type><value>CRLF", at most FQ_RESP_LINE_MAX bytes. These return the end of what they put. */
char *fq_resp_put_line(char *to, char type, int64_t value);
/** At most text.len + FQ_RESP_LINE_MAX + 2 bytes. */
char *fq_resp_put_string(char *to, fq_str text);
/** A number as a string of decimal digits, at most 2 * FQ_RESP_LINE_MAX bytes. */
char *fq_resp_put_digits(char *to, uint64_t value);
/** Bytes that are RESP already. */
static inline char *fq_resp_put_raw(char *to, fq_str encoded) {
    memcpy(to, encoded.ptr, encoded.len);
    return to + encoded.len;
}

#endif
