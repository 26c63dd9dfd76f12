// SPDX-License-Identifier: Apache-2.0
#include "resp/writer.h"

#include "fastqueue/error.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NUMBER_TEXT = FQ_RESP_LINE_MAX };

char *fq_resp_room(struct fq_resp_writer *writer, size_t len) {
    if (writer->failed < 0)
        return NULL;
    int rc = fq_buf_reserve(writer->out, len);
    if (rc < 0) {
        writer->failed = rc;
        return NULL;
    }
    return fq_buf_tail(writer->out);
}

void fq_resp_commit(struct fq_resp_writer *writer, const char *end) {
    fq_buf_commit(writer->out, (size_t)(end - fq_buf_tail(writer->out)));
}

// --- numbers ----------------------------------------------------------------------------------------------------------
static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";
static const uint64_t powers_of_ten[] = {
    0, // so that zero has one digit
    UINT64_C(10),
    UINT64_C(100),
    UINT64_C(1000),
    UINT64_C(10000),
    UINT64_C(100000),
    UINT64_C(1000000),
    UINT64_C(10000000),
    UINT64_C(100000000),
    UINT64_C(1000000000),
    UINT64_C(10000000000),
    UINT64_C(100000000000),
    UINT64_C(1000000000000),
    UINT64_C(10000000000000),
    UINT64_C(100000000000000),
    UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
    UINT64_C(100000000000000000),
    UINT64_C(1000000000000000000),
    UINT64_C(10000000000000000000),
};

// From the number of bits: 1233 / 4096 is a little more than log10(2).
static unsigned count_digits(uint64_t value) {
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    unsigned least = bits * 1233 >> 12;
    return least + (value >= powers_of_ten[least] ? 1 : 0);
}

// Decimal digits at `to`; returns how many.
static size_t put_unsigned(char *to, uint64_t value) {
    if (value < 10) { // most lengths and counts
        to[0] = (char)('0' + value);
        return 1;
    }
    unsigned count = count_digits(value);
    char *p = to + count;
    for (; value >= 100; value /= 100)
        memcpy(p -= 2, digit_pairs + value % 100 * 2, 2);
    if (value >= 10)
        memcpy(p - 2, digit_pairs + value * 2, 2);
    else
        p[-1] = (char)('0' + value);
    return count;
}

static size_t put_signed(char *to, int64_t value) {
    if (value >= 0)
        return put_unsigned(to, (uint64_t)value);
    to[0] = '-';
    return 1 + put_unsigned(to + 1, ~(uint64_t)value + 1);
}

// "<type><value>\r\n" at `to`; returns its length.
static size_t put_line(char *to, char type, int64_t value) {
    to[0] = type;
    size_t len = 1 + put_signed(to + 1, value);
    to[len] = '\r';
    to[len + 1] = '\n';
    return len + 2;
}

char *fq_resp_put_line(char *to, char type, int64_t value) {
    return to + put_line(to, type, value);
}

char *fq_resp_put_string(char *to, fq_str text) {
    to = fq_resp_put_line(to, '$', (int64_t)text.len);
    if (text.len > 0)
        memcpy(to, text.ptr, text.len);
    memcpy(to + text.len, "\r\n", 2);
    return to + text.len + 2;
}

static void write_line(struct fq_resp_writer *writer, char type, int64_t value) {
    char *to = fq_resp_room(writer, NUMBER_TEXT);
    if (to != NULL)
        fq_buf_commit(writer->out, put_line(to, type, value));
}

void fq_resp_write_raw(struct fq_resp_writer *writer, fq_str encoded) {
    char *to = fq_resp_room(writer, encoded.len);
    if (to == NULL)
        return;
    memcpy(to, encoded.ptr, encoded.len);
    fq_buf_commit(writer->out, encoded.len);
}

// Text on one line: bytes that would end the line become spaces.
static size_t put_one_line(char *to, const char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        to[i] = text[i] == '\r' || text[i] == '\n' ? ' ' : text[i];
    return len;
}

void fq_resp_write_status(struct fq_resp_writer *writer, const char *text) {
    size_t len = strlen(text);
    char *to = fq_resp_room(writer, len + 3);
    if (to == NULL)
        return;
    to[0] = '+';
    put_one_line(to + 1, text, len);
    memcpy(to + 1 + len, "\r\n", 2);
    fq_buf_commit(writer->out, len + 3);
}

void fq_resp_write_error(struct fq_resp_writer *writer, const char *code, const char *text) {
    size_t code_len = strlen(code);
    size_t text_len = strlen(text);
    char *to = fq_resp_room(writer, code_len + text_len + 4);
    if (to == NULL)
        return;
    char *p = to;
    *p++ = '-';
    p += put_one_line(p, code, code_len);
    *p++ = ' ';
    p += put_one_line(p, text, text_len);
    *p++ = '\r';
    *p++ = '\n';
    fq_buf_commit(writer->out, (size_t)(p - to));
}

void fq_resp_write_integer(struct fq_resp_writer *writer, int64_t value) {
    write_line(writer, ':', value);
}

void fq_resp_write_string(struct fq_resp_writer *writer, fq_str text) {
    char *to = fq_resp_room(writer, text.len + FQ_RESP_LINE_MAX + 2);
    if (to == NULL)
        return;
    fq_resp_commit(writer, fq_resp_put_string(to, text));
}

char *fq_resp_put_digits(char *to, uint64_t value) {
    char digits[NUMBER_TEXT];
    size_t len = put_unsigned(digits, value);
    return fq_resp_put_string(to, (fq_str){digits, len});
}

void fq_resp_write_digits(struct fq_resp_writer *writer, uint64_t value) {
    char digits[NUMBER_TEXT];
    fq_resp_write_string(writer, (fq_str){digits, put_unsigned(digits, value)});
}

void fq_resp_write_text(struct fq_resp_writer *writer, const char *text) {
    fq_resp_write_string(writer, fq_str_of(text));
}

void fq_resp_write_nil(struct fq_resp_writer *writer) {
    fq_resp_write_raw(writer, writer->protocol >= 3 ? FQ_STR("_\r\n") : FQ_STR("$-1\r\n"));
}

void fq_resp_write_boolean(struct fq_resp_writer *writer, bool value) {
    if (writer->protocol >= 3)
        fq_resp_write_raw(writer, value ? FQ_STR("#t\r\n") : FQ_STR("#f\r\n"));
    else
        fq_resp_write_integer(writer, value ? 1 : 0);
}

void fq_resp_write_double(struct fq_resp_writer *writer, double value) {
    char text[40];
    int len;
    if (isnan(value))
        len = snprintf(text, sizeof text, "nan");
    else if (isinf(value))
        len = snprintf(text, sizeof text, value > 0 ? "inf" : "-inf");
    else
        len = snprintf(text, sizeof text, "%.17g", value);
    if (writer->protocol < 3) {
        fq_resp_write_string(writer, (fq_str){text, (size_t)len});
        return;
    }
    char *to = fq_resp_room(writer, sizeof text + 3);
    if (to == NULL)
        return;
    fq_buf_commit(writer->out, (size_t)snprintf(to, sizeof text + 3, ",%s\r\n", text));
}

void fq_resp_write_array(struct fq_resp_writer *writer, size_t count) {
    write_line(writer, '*', (int64_t)count);
}

void fq_resp_write_map(struct fq_resp_writer *writer, size_t pairs) {
    if (writer->protocol >= 3)
        write_line(writer, '%', (int64_t)pairs);
    else
        write_line(writer, '*', (int64_t)pairs * 2);
}

void fq_resp_write_push(struct fq_resp_writer *writer, size_t count) {
    write_line(writer, '>', (int64_t)count);
}

void fq_resp_write_request(struct fq_resp_writer *writer, size_t arg_count) {
    write_line(writer, '*', (int64_t)arg_count);
}
