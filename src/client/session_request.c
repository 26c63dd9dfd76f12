// SPDX-License-Identifier: Apache-2.0
// What callers ask for, encoded and queued: requests and watchers, their making and their end.
#include "client/session_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

uint64_t fq_session_hash_tag(const fq_session *session, uint64_t tag) {
    return XXH3_64bits_withSeed(&tag, sizeof tag, session->hash_seed);
}

uint64_t fq_session_hash_id(const fq_session *session, const fq_uuid *id) {
    return XXH3_64bits_withSeed(id->bytes, sizeof id->bytes, session->hash_seed);
}

// --- requests -----------------------------------------------------------------------------------------------------------
struct fq_resp_writer fq_session_encode(fq_session *session) {
    fq_buf_clear(&session->scratch);
    return (struct fq_resp_writer){.out = &session->scratch, .protocol = 3};
}

int fq_session_request_new(fq_session *session, const struct fq_resp_writer *writer,
                           enum fq_session_request_kind kind, struct fq_session_request **ret_request) {
    if (writer->failed < 0)
        return writer->failed;
    fq_str bytes = fq_buf_str(&session->scratch);
    bool callers = kind == FQ_REQUEST_SUBMIT || kind == FQ_REQUEST_COMMAND;
    if (callers && session->held_bytes + bytes.len > session->options.output_bytes_max) {
        snprintf(session->error, sizeof session->error, "requests of %llu bytes are unanswered already",
                 (unsigned long long)session->held_bytes);
        return FQ_EFULL;
    }
    struct fq_session_request *request = malloc(sizeof *request + bytes.len);
    if (request == NULL)
        return FQ_ENOMEM;
    memset(request, 0, sizeof *request);
    fq_list_init(&request->queue);
    request->kind = kind;
    request->len = bytes.len;
    memcpy(request->bytes, bytes.ptr, bytes.len);
    session->held_bytes += bytes.len;
    *ret_request = request;
    return 0;
}

static void request_enqueue(fq_session *session, struct fq_session_request *request, uint64_t tag) {
    request->tag = tag;
    fq_session_index_add(&session->requests_by_tag, &request->by_tag, fq_session_hash_tag(session, tag));
    fq_list_append(&session->waiting, &request->queue);
}

void fq_session_request_free(fq_session *session, struct fq_session_request *request) {
    if (request->place == FQ_REQUEST_FLIES)
        session->in_flight_count--;
    fq_list_remove(&request->queue);
    if (request == session->ping) {
        request->place = FQ_REQUEST_ENDED;
        session->ping_in_flight = false;
        return;
    }
    fq_session_index_remove(&session->requests_by_tag, &request->by_tag);
    if (request->watcher != NULL)
        request->watcher->submit = NULL;
    session->held_bytes -= request->len;
    if (request->kind == FQ_REQUEST_LOGIN)
        explicit_bzero(request->bytes, request->len);
    free(request);
}

// --- watchers -----------------------------------------------------------------------------------------------------------
void fq_session_watcher_index(fq_session *session, struct fq_session_watcher *watcher) {
    fq_session_index_remove(&session->watchers_by_id, &watcher->by_id);
    fq_session_index_add(&session->watchers_by_id, &watcher->by_id,
                         fq_session_hash_id(session, &watcher->id));
}

static int watcher_new(fq_session *session, const fq_uuid *id, uint64_t tag,
                       struct fq_session_watcher **ret_watcher) {
    struct fq_session_watcher *watcher = calloc(1, sizeof *watcher);
    if (watcher == NULL)
        return FQ_ENOMEM;
    watcher->tag = tag;
    watcher->id = *id;
    fq_list_init(&watcher->queue);
    fq_session_index_add(&session->watchers_by_tag, &watcher->by_tag, fq_session_hash_tag(session, tag));
    fq_session_watcher_index(session, watcher);
    *ret_watcher = watcher;
    return 0;
}

void fq_session_watcher_free(fq_session *session, struct fq_session_watcher *watcher) {
    fq_list_remove(&watcher->queue);
    fq_session_index_remove(&session->watchers_by_tag, &watcher->by_tag);
    fq_session_index_remove(&session->watchers_by_id, &watcher->by_id);
    if (watcher->submit != NULL)
        watcher->submit->watcher = NULL;
    free(watcher);
}

// --- what callers ask for -----------------------------------------------------------------------------------------------
void fq_submit_options_init(struct fq_submit_options *options) {
    *options = (struct fq_submit_options){.size = sizeof *options, .result_ttl_ms = -1};
}

static fq_str str_of(fq_slice slice) {
    return (fq_str){slice.ptr, slice.len};
}

struct submit_option {
    const char *name;
    const char *text; // NULL: `number`
    int64_t number;
};
enum { SUBMIT_OPTIONS_MAX = 16 };

static size_t submit_options_list(const struct fq_submit_options *options,
                                  struct submit_option list[SUBMIT_OPTIONS_MAX]) {
    const struct {
        const char *name, *text;
    } texts[] = {
        {"PRIORITY",    options->priority   },
        {"UNIQUE",      options->unique     },
        {"ENCODING",    options->encoding   },
        {"TRACEPARENT", options->traceparent},
        {"TRACESTATE",  options->tracestate },
        {"BAGGAGE",     options->baggage    },
    };
    const struct {
        const char *name;
        int64_t number, absent;
    } numbers[] = {
        {"DELAY",      options->delay_ms,      0 },
        {"AT",         options->at_unix_ms,    0 },
        {"EXPIRES",    options->expires_ms,    0 },
        {"TIMEOUT",    options->timeout_ms,    0 },
        {"RETRIES",    options->retries,       0 },
        {"BACKOFF",    options->backoff_ms,    0 },
        {"RESULT-TTL", options->result_ttl_ms, -1},
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].text != NULL && texts[i].text[0] != '\0')
            list[count++] = (struct submit_option){texts[i].name, texts[i].text, 0};
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i].number != numbers[i].absent)
            list[count++] = (struct submit_option){numbers[i].name, NULL, numbers[i].number};
    }
    return count;
}

static void write_number(struct fq_resp_writer *writer, int64_t number) {
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)number);
    fq_resp_write_string(writer, (fq_str){text, (size_t)len});
}

static struct fq_resp_writer encode_submit(fq_session *session, fq_slice name, fq_slice payload,
                                           const char id[FQ_UUID_TEXT],
                                           const struct fq_submit_options *options) {
    struct submit_option list[SUBMIT_OPTIONS_MAX];
    size_t count = submit_options_list(options, list);
    struct fq_resp_writer writer = fq_session_encode(session);
    fq_resp_write_request(&writer, 5 + 2 * count);
    fq_resp_write_string(&writer, FQ_STR("FQ.SUBMIT"));
    fq_resp_write_string(&writer, str_of(name));
    fq_resp_write_string(&writer, str_of(payload));
    fq_resp_write_string(&writer, FQ_STR("ID"));
    fq_resp_write_string(&writer, (fq_str){id, FQ_UUID_TEXT});
    for (size_t i = 0; i < count; i++) {
        fq_resp_write_string(&writer, fq_str_of(list[i].name));
        if (list[i].text != NULL)
            fq_resp_write_string(&writer, fq_str_of(list[i].text));
        else
            write_number(&writer, list[i].number);
    }
    return writer;
}

// Version 7 when the owner told the wall clock, else random but for the version 4 mark.
static fq_uuid make_id(fq_session *session) {
    uint64_t high = fq_random_next(&session->random);
    uint64_t low = fq_random_next(&session->random);
    if (session->options.wall_offset_us != 0) {
        int64_t wall_us = fq_time_add(session->now_us, session->options.wall_offset_us);
        return fq_uuid_v7(wall_us / FQ_US_PER_MS, high, low);
    }
    fq_uuid id = fq_uuid_v7((int64_t)(fq_random_next(&session->random) >> 16), high, low);
    id.bytes[6] = (unsigned char)((id.bytes[6] & 0x0f) | 0x40);
    return id;
}

static int submit_id(fq_session *session, const struct fq_submit_options *options, fq_uuid *ret_id) {
    if (options->id == NULL) {
        *ret_id = make_id(session);
        return 0;
    }
    int rc = fq_uuid_parse(fq_str_of(options->id), ret_id);
    if (rc < 0)
        snprintf(session->error, sizeof session->error, "a task id is a UUID of 36 characters");
    return rc;
}

int fq_session_submit(fq_session *session, fq_slice name, fq_slice payload,
                      const struct fq_submit_options *given, uint64_t tag, char ret_id[37]) {
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    if (given != NULL)
        memcpy(&options, given, given->size < sizeof options ? given->size : sizeof options);
    fq_uuid id;
    if (session->refused < 0)
        return session->refused;
    if (!fq_str_is_name(str_of(name))) {
        snprintf(session->error, sizeof session->error, "a task name is UTF-8 without blanks, not empty");
        return FQ_EINVALID;
    }
    int rc = submit_id(session, &options, &id);
    if (rc < 0)
        return rc;
    char text[FQ_UUID_TEXT];
    fq_uuid_format(&id, text);
    struct fq_resp_writer writer = encode_submit(session, name, payload, text, &options);
    struct fq_session_request *request;
    rc = fq_session_request_new(session, &writer, FQ_REQUEST_SUBMIT, &request);
    if (rc < 0)
        return rc;
    request->id = id;
    request->repeatable = true;
    request->watch_later = options.unique != NULL && options.unique[0] != '\0';
    if (options.want_result) {
        rc = watcher_new(session, &id, tag, &request->watcher);
        if (rc < 0) {
            fq_session_request_free(session, request);
            return rc;
        }
        request->watcher->submit = request;
        fq_list_append(&session->watch_held, &request->watcher->queue);
    }
    request_enqueue(session, request, tag);
    memcpy(ret_id, text, FQ_UUID_TEXT);
    ret_id[FQ_UUID_TEXT] = '\0';
    return 0;
}

int fq_session_watch(fq_session *session, const char *id_text, uint64_t tag) {
    fq_uuid id;
    struct fq_session_watcher *watcher;
    if (session->refused < 0)
        return session->refused;
    int rc = fq_uuid_parse(fq_str_of(id_text), &id);
    if (rc == 0)
        rc = watcher_new(session, &id, tag, &watcher);
    if (rc < 0)
        return rc;
    fq_list_append(&session->watch_unsent, &watcher->queue);
    return 0;
}

int fq_session_command(fq_session *session, const fq_slice *args, size_t arg_count, bool repeatable,
                       uint64_t tag) {
    if (session->refused < 0)
        return session->refused;
    if (arg_count == 0 || args[0].len == 0) {
        snprintf(session->error, sizeof session->error, "a command has a name");
        return FQ_EINVALID;
    }
    struct fq_resp_writer writer = fq_session_encode(session);
    fq_resp_write_request(&writer, arg_count);
    for (size_t i = 0; i < arg_count; i++)
        fq_resp_write_string(&writer, str_of(args[i]));
    struct fq_session_request *request;
    int rc = fq_session_request_new(session, &writer, FQ_REQUEST_COMMAND, &request);
    if (rc < 0)
        return rc;
    request->repeatable = repeatable;
    request_enqueue(session, request, tag);
    return 0;
}

void fq_session_forget(fq_session *session, uint64_t tag) {
    uint64_t hash = fq_session_hash_tag(session, tag);
    fq_session_index_link *next;
    for (fq_session_index_link *link = fq_session_index_find(&session->requests_by_tag, hash); link != NULL;
         link = next) {
        next = fq_session_index_next(link);
        struct fq_session_request *request = FQ_ELEMENT(link, struct fq_session_request, by_tag);
        if (request->tag != tag)
            continue;
        request->forgotten = true;
        fq_session_index_remove(&session->requests_by_tag, link);
        if (request->place != FQ_REQUEST_FLIES)
            fq_session_request_free(session, request);
    }
    for (fq_session_index_link *link = fq_session_index_find(&session->watchers_by_tag, hash); link != NULL;
         link = next) {
        next = fq_session_index_next(link);
        struct fq_session_watcher *watcher = FQ_ELEMENT(link, struct fq_session_watcher, by_tag);
        if (watcher->tag == tag)
            fq_session_watcher_free(session, watcher);
    }
}
