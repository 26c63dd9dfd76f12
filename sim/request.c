// SPDX-License-Identifier: Apache-2.0
#include "sim/request.h"

#include "base/assert.h"

enum { HEAD = 6, NUMBER_ROOM = 32 }; // "*000\r\n"

static char *room(struct sim_request *request, size_t bytes) {
    int rc = fq_buf_reserve(request->out, bytes);
    FQ_ASSERT(rc == 0);
    return fq_buf_tail(request->out);
}

static void put(struct sim_request *request, const char *bytes, size_t len) {
    memcpy(room(request, len), bytes, len);
    fq_buf_commit(request->out, len);
}

void sim_request_begin(struct sim_request *request, fq_buf *out) {
    *request = (struct sim_request){.out = out, .head = fq_buf_len(out)};
    put(request, "*000\r\n", HEAD);
}

void sim_request_word(struct sim_request *request, const char *encoded) {
    put(request, encoded, strlen(encoded));
    request->words++;
}

static size_t write_digits(char *text, uint64_t number) {
    char reversed[20];
    size_t len = 0;
    do
        reversed[len++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    for (size_t i = 0; i < len; i++)
        text[i] = reversed[len - 1 - i];
    return len;
}

void sim_request_text(struct sim_request *request, fq_str text) {
    char *at = room(request, text.len + NUMBER_ROOM);
    size_t used = 0;
    at[used++] = '$';
    used += write_digits(at + used, text.len);
    memcpy(at + used, "\r\n", 2);
    used += 2;
    memcpy(at + used, text.ptr, text.len);
    used += text.len;
    memcpy(at + used, "\r\n", 2);
    fq_buf_commit(request->out, used + 2);
    request->words++;
}

void sim_request_number(struct sim_request *request, uint64_t number) {
    char digits[20];
    sim_request_text(request, (fq_str){digits, write_digits(digits, number)});
}

void sim_request_id(struct sim_request *request, const fq_uuid *id) {
    enum { FRAME = 5 + FQ_UUID_TEXT + 2 };
    char *at = room(request, FRAME);
    memcpy(at, "$36\r\n", 5);
    fq_uuid_format(id, at + 5);
    memcpy(at + 5 + FQ_UUID_TEXT, "\r\n", 2);
    fq_buf_commit(request->out, FRAME);
    request->words++;
}

void sim_request_end(struct sim_request *request) {
    FQ_ASSERT(request->words <= SIM_REQUEST_WORDS_MAX);
    char *head = request->out->data + request->out->begin + request->head;
    head[1] = (char)('0' + request->words / 100);
    head[2] = (char)('0' + request->words / 10 % 10);
    head[3] = (char)('0' + request->words % 10);
}
