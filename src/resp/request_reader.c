// SPDX-License-Identifier: Apache-2.0
// Requests: arrays of bulk strings. The reader remembers how many arguments it has and where the next one starts, as
// offsets from the front of the input, so that the caller may move or grow its buffer between two calls.
#include "resp/line.h"
#include "resp/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ARGS = 16, KEPT_ARGS = 256, ERROR_TEXT = 200 };

// An offset into the input while the request is incomplete, a slice once it is whole.
union argument {
    struct {
        size_t at;
        size_t len;
    } span;
    fq_str text;
};

struct fq_resp_request_reader {
    union argument *args;
    size_t arg_room;
    size_t arg_count;
    int64_t arg_expected; // -1: the header has not been read
    size_t offset;        // from the front of the input: the first byte that is not parsed
    char error[ERROR_TEXT];
};

fq_resp_request_reader *fq_resp_request_reader_new(void) {
    fq_resp_request_reader *reader = calloc(1, sizeof *reader);
    if (reader != NULL)
        reader->arg_expected = -1;
    return reader;
}

fq_resp_request_reader *fq_resp_request_reader_free(fq_resp_request_reader *reader) {
    if (reader != NULL) {
        free(reader->args);
        free(reader);
    }
    return NULL;
}

const char *fq_resp_request_error(const fq_resp_request_reader *reader) {
    return reader->error;
}

__attribute__((format(printf, 3, 4))) static int refuse(fq_resp_request_reader *reader, int error,
                                                        const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(reader->error, sizeof reader->error, format, args);
    va_end(args);
    return error;
}

// Names the protocol that the peer seems to speak instead.
static int refuse_first_byte(fq_resp_request_reader *reader, fq_str text) {
    static const char *const verbs[] = {"GET ", "POST", "HEAD", "PUT ", "OPTI", "PRI ", "DELE", "Host"};
    unsigned char first = (unsigned char)text.ptr[0];
    if (first == 0x16)
        return refuse(
            reader, FQ_EPROTOCOL,
            "this looks like TLS, but the port is plain RESP: connect with tcp://, or to a tls:// listener");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (text.len >= 4 && memcmp(text.ptr, verbs[i], 4) == 0)
            return refuse(reader, FQ_EPROTOCOL,
                          "this looks like HTTP, but the port is RESP: HTTP is served at --http-address");
    }
    return refuse(reader, FQ_EPROTOCOL,
                  "expected '*' (an array of bulk strings), got byte 0x%02x: inline commands are off", first);
}

static int read_header(fq_resp_request_reader *reader, fq_str text, const struct fq_resp_limits *limits) {
    if (text.len == 0)
        return 0;
    if (text.ptr[0] != '*')
        return refuse_first_byte(reader, text);
    int64_t count;
    int taken = fq_resp_number_line(text, 1, &count);
    if (taken == 0)
        return 0;
    if (taken < 0 || count < 0)
        return refuse(reader, FQ_EPROTOCOL, "the number of arguments behind '*' is malformed");
    if (limits->args_max != 0 && count > (int64_t)limits->args_max)
        return refuse(reader, FQ_ETOOBIG, "a request of %lld arguments; at most %u are taken",
                      (long long)count, limits->args_max);
    reader->arg_expected = count;
    reader->arg_count = 0;
    reader->offset = 1 + (size_t)taken;
    return 1;
}

static int make_room(fq_resp_request_reader *reader) {
    if (reader->arg_count < reader->arg_room)
        return 0;
    size_t room = reader->arg_room != 0 ? reader->arg_room * 2 : FIRST_ARGS;
    union argument *args = realloc(reader->args, room * sizeof *args);
    if (args == NULL)
        return refuse(reader, FQ_ENOMEM, "out of memory");
    reader->args = args;
    reader->arg_room = room;
    return 0;
}

// One bulk string at the reader's offset: 1, 0 if it is not complete, or an error. Lengths are judged before the body.
static int read_argument(fq_resp_request_reader *reader, fq_str text, const struct fq_resp_limits *limits) {
    size_t at = reader->offset;
    if (at >= text.len)
        return 0;
    if (text.ptr[at] != '$')
        return refuse(reader, FQ_EPROTOCOL, "expected '$' (a bulk string) as argument %zu, got byte 0x%02x",
                      reader->arg_count + 1, (unsigned char)text.ptr[at]);
    int64_t len;
    int taken = fq_resp_number_line(text, at + 1, &len);
    if (taken == 0)
        return 0;
    if (taken < 0 || len < 0)
        return refuse(reader, FQ_EPROTOCOL, "the length of argument %zu is malformed", reader->arg_count + 1);
    if (limits->arg_bytes_max != 0 && (uint64_t)len > limits->arg_bytes_max)
        return refuse(reader, FQ_ETOOBIG, "argument %zu has %lld bytes; at most %llu are taken",
                      reader->arg_count + 1, (long long)len, (unsigned long long)limits->arg_bytes_max);
    size_t body = at + 1 + (size_t)taken;
    size_t end = body + (size_t)len + 2;
    if (limits->total_bytes_max != 0 && end > limits->total_bytes_max)
        return refuse(reader, FQ_ETOOBIG, "a request of more than %llu bytes",
                      (unsigned long long)limits->total_bytes_max);
    if (end > text.len)
        return 0;
    if (text.ptr[end - 2] != '\r' || text.ptr[end - 1] != '\n')
        return refuse(reader, FQ_EPROTOCOL, "argument %zu is not followed by CR LF", reader->arg_count + 1);
    int rc = make_room(reader);
    if (rc < 0)
        return rc;
    reader->args[reader->arg_count].span.at = body;
    reader->args[reader->arg_count].span.len = (size_t)len;
    reader->arg_count++;
    reader->offset = end;
    return 1;
}

static void finish(fq_resp_request_reader *reader, fq_str text, struct fq_resp_request *ret_request) {
    for (size_t i = 0; i < reader->arg_count; i++) {
        size_t at = reader->args[i].span.at;
        size_t len = reader->args[i].span.len;
        reader->args[i].text = (fq_str){text.ptr + at, len};
    }
    *ret_request = (struct fq_resp_request){.args = reader->arg_count > 0 ? &reader->args[0].text : NULL,
                                            .arg_count = reader->arg_count};
    reader->arg_expected = -1;
}

// After a request with very many arguments the room goes back.
static void shrink(fq_resp_request_reader *reader) {
    if (reader->arg_room <= KEPT_ARGS)
        return;
    free(reader->args);
    reader->args = NULL;
    reader->arg_room = 0;
}

int fq_resp_request_next(fq_resp_request_reader *reader, const fq_buf *input,
                         const struct fq_resp_limits *limits, struct fq_resp_request *ret_request,
                         size_t *ret_consumed) {
    _Static_assert(sizeof(union argument) == sizeof(fq_str), "the arguments are read as an array of slices");
    fq_str text = fq_buf_str(input);
    if (reader->arg_expected < 0) {
        shrink(reader);
        int rc = read_header(reader, text, limits);
        if (rc <= 0)
            return rc;
    }
    while ((int64_t)reader->arg_count < reader->arg_expected) {
        int rc = read_argument(reader, text, limits);
        if (rc <= 0)
            return rc;
    }
    finish(reader, text, ret_request);
    *ret_consumed = reader->offset;
    return 1;
}
