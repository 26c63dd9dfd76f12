// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "resp/writer.h"
#include "support/fake_peer.h"

#include <stdio.h>
#include <stdlib.h>

static const struct fq_resp_limits LIMITS = {
    .args_max = 1024, .arg_bytes_max = 1 << 20, .total_bytes_max = 1 << 24, .depth_max = 8};

struct fake_peer *fake_peer_new(void) {
    struct fake_peer *peer = calloc(1, sizeof *peer);
    assert_non_null(peer);
    peer->reader = fq_resp_request_reader_new();
    return peer;
}

void fake_peer_free(struct fake_peer *peer) {
    fq_resp_request_reader_free(peer->reader);
    fq_buf_done(&peer->in);
    fq_buf_done(&peer->out);
    free(peer);
}

void fake_peer_connection(struct fake_peer *peer) {
    fq_resp_request_reader_free(peer->reader);
    peer->reader = fq_resp_request_reader_new();
    fq_buf_clear(&peer->in);
    fq_buf_clear(&peer->out);
    memset(peer->watched, 0, sizeof peer->watched);
}

void fake_peer_id(unsigned number, char id[37]) {
    snprintf(id, 37, "018f0000-0000-7000-8000-%012x", number);
}

static unsigned number_of(fq_str id) {
    assert_int_equal(id.len, 36);
    char text[37];
    snprintf(text, sizeof text, "%.*s", FQ_STR_ARGS(id));
    unsigned number = (unsigned)strtoul(text + 24, NULL, 16);
    assert_true(number < FAKE_TASKS_MAX);
    return number;
}

static void write_task(struct fq_resp_writer *writer, unsigned number, bool finished) {
    char id[37];
    fake_peer_id(number, id);
    fq_resp_write_map(writer, finished ? 3 : 2);
    fq_resp_write_text(writer, "id");
    fq_resp_write_text(writer, id);
    fq_resp_write_text(writer, "status");
    fq_resp_write_text(writer, finished ? "success" : "pending");
    if (finished) {
        fq_resp_write_text(writer, "result");
        fq_resp_write_text(writer, "r");
    }
}

static void push_result(struct fake_peer *peer, unsigned number) {
    struct fq_resp_writer writer = {.out = &peer->out, .protocol = 3};
    char id[37];
    fake_peer_id(number, id);
    fq_resp_write_push(&writer, 3);
    fq_resp_write_text(&writer, "fq.result");
    fq_resp_write_text(&writer, id);
    write_task(&writer, number, true);
    peer->watched[number] = false;
}

void fake_peer_finish(struct fake_peer *peer, unsigned number) {
    assert_true(peer->known[number]);
    peer->finished[number] = true;
    if (peer->watched[number])
        push_result(peer, number);
}

static void submit(struct fake_peer *peer, struct fq_resp_writer *writer,
                   const struct fq_resp_request *request) {
    peer->submit_count++;
    if (peer->next_reply != NULL) {
        assert_int_equal(fq_buf_append(&peer->out, peer->next_reply, strlen(peer->next_reply)), 0);
        peer->next_reply = NULL;
        return;
    }
    unsigned number = number_of(request->args[4]);
    peer->task_count += !peer->known[number];
    peer->known[number] = true;
    if (peer->push_first) {
        peer->watched[number] = true;
        fake_peer_finish(peer, number);
    }
    fq_resp_write_string(writer, request->args[4]);
}

static void watch(struct fake_peer *peer, struct fq_resp_writer *writer,
                  const struct fq_resp_request *request) {
    peer->watch_count++;
    fq_resp_write_array(writer, request->arg_count - 1);
    for (size_t i = 1; i < request->arg_count; i++) {
        unsigned number = number_of(request->args[i]);
        bool known = peer->known[number];
        peer->finished[number] = peer->finished[number] || (known && peer->finish_at_watch);
        peer->watched[number] = known;
        fq_resp_write_text(writer, !known ? "unknown" : peer->finished[number] ? "done" : "watching");
    }
    for (size_t i = 1; i < request->arg_count; i++) {
        unsigned number = number_of(request->args[i]);
        if (peer->finished[number] && peer->watched[number])
            push_result(peer, number);
    }
}

static void execute(struct fake_peer *peer, const struct fq_resp_request *request) {
    struct fq_resp_writer writer = {.out = &peer->out, .protocol = 3};
    fq_str verb = request->args[0];
    if (fq_str_equal(verb, FQ_STR("HELLO"))) {
        fq_resp_write_map(&writer, 1);
        fq_resp_write_text(&writer, "proto");
        fq_resp_write_integer(&writer, 3);
    } else if (fq_str_equal(verb, FQ_STR("FQ.SUBMIT"))) {
        submit(peer, &writer, request);
    } else if (fq_str_equal(verb, FQ_STR("FQ.WATCH"))) {
        watch(peer, &writer, request);
    } else if (fq_str_equal(verb, FQ_STR("FQ.STATUS"))) {
        write_task(&writer, number_of(request->args[1]), peer->finished[number_of(request->args[1])]);
    } else if (fq_str_equal(verb, FQ_STR("COUNT"))) {
        fq_resp_write_integer(&writer, ++peer->count_commands);
    } else if (fq_str_equal(verb, FQ_STR("PING"))) {
        peer->ping_count++;
        fq_resp_write_status(&writer, "PONG");
    } else {
        fq_resp_write_error(&writer, "ERR", "unknown command");
    }
    assert_int_equal(writer.failed, 0);
}

void fake_peer_feed(struct fake_peer *peer, const char *bytes, size_t len) {
    assert_int_equal(fq_buf_append(&peer->in, bytes, len), 0);
    for (;;) {
        struct fq_resp_request request;
        size_t consumed;
        int rc = fq_resp_request_next(peer->reader, &peer->in, &LIMITS, &request, &consumed);
        assert_true(rc >= 0);
        if (rc == 0)
            return;
        execute(peer, &request);
        fq_buf_consume(&peer->in, consumed);
    }
}
