// SPDX-License-Identifier: Apache-2.0
// A session with one request of each kind, fed what the fuzzer thinks a control plane might say. The first byte of the
// input is how much is fed at once; between pieces the events are taken, and the connection is made anew when it fails.
#include "fastqueue/session.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TAGS = 6 };
#define ID "018f0000-0000-7000-8000-00000000000"

static fq_slice slice(const char *text) {
    return (fq_slice){text, strlen(text)};
}

static void ask(fq_session *session) {
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    const char *ids[] = {ID "0", ID "1", ID "2"};
    char given[37];
    for (uint64_t i = 0; i < 3; i++) {
        options.id = ids[i];
        options.want_result = i > 0;
        options.unique = i == 2 ? "key" : NULL;
        if (fq_session_submit(session, slice("t"), slice("p"), &options, i, given) < 0)
            abort();
    }
    const fq_slice list[] = {slice("FQ.LIST")};
    if (fq_session_watch(session, ID "1", 3) < 0 || fq_session_command(session, list, 1, true, 4) < 0 ||
        fq_session_command(session, list, 1, false, 5) < 0)
        abort();
}

// Reads all that an event borrows, so that a sanitizer sees what is gone.
static unsigned read_slice(fq_slice text) {
    unsigned sum = 0;
    for (size_t i = 0; i < text.len; i++)
        sum += (unsigned char)text.ptr[i];
    return sum;
}

static void take_events(fq_session *session, int ended[TAGS]) {
    struct fq_session_event event;
    volatile unsigned sum = 0;
    while (fq_session_next_event(session, &event) == 1) {
        sum += read_slice(event.message) + read_slice(event.result.result) +
               read_slice(event.result.error_stack);
        for (uint32_t i = 0; event.values != NULL && i < event.values[0].next; i++)
            sum += read_slice(event.values[i].text);
        bool ends = event.type == FQ_SESSION_SUBMITTED || event.type == FQ_SESSION_REPLY;
        if (ends && (event.tag >= TAGS || ended[event.tag]++ != 0))
            abort(); // an answer that nobody asked for, or a second one
    }
    (void)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    struct fq_session_options options;
    fq_session_options_init(&options);
    options.seed = 1;
    options.reply_bytes_max = 1 << 16;
    fq_session *session = fq_session_new(&options);
    if (session == NULL)
        abort();
    ask(session);
    int ended[TAGS] = {0};
    size_t chunk = 1 + (size_t)data[0];
    int64_t now_us = 1;
    bool connected = false;
    for (size_t at = 1; at < size; at += chunk, now_us += 1000) {
        if (!connected && fq_session_connected(session, now_us) < 0)
            abort();
        connected = true;
        size_t len = chunk < size - at ? chunk : size - at;
        fq_slice output = fq_session_output(session);
        fq_session_sent(session, output.len);
        int rc = fq_session_feed(session, data + at, len, now_us);
        take_events(session, ended);
        if (rc < 0 || fq_session_tick(session, now_us) < 0) {
            fq_session_disconnected(session, now_us);
            connected = false;
        }
    }
    fq_session_disconnected(session, now_us);
    take_events(session, ended);
    fq_session_free(session);
    return 0;
}
