// SPDX-License-Identifier: Apache-2.0
// A session's life and its transport side: connect, login, bytes, silence, disconnect.
#include "client/session_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    REPLY_DEPTH_MAX = 32,
    REPLY_ELEMENTS_MAX = 4 * 1024 * 1024,
    FEED_SLACK =
        16 * 1024 * 1024, // bytes behind the largest reply that a driver may feed before it takes events
};
// A connection that lasted so long was good: the next one may be tried at once.
static const int64_t GOOD_CONNECTION_US = FQ_US_PER_S;
// How soon an output that found no memory is tried again.
static const int64_t SHORT_PAUSE_US = 10 * FQ_US_PER_MS;

void fq_session_options_init(struct fq_session_options *options) {
    *options = (struct fq_session_options){
        .size = sizeof *options,
        .reply_timeout_us = 30 * (int64_t)FQ_US_PER_S,
        .ping_interval_us = 15 * (int64_t)FQ_US_PER_S,
        .backoff_first_us = 50 * FQ_US_PER_MS,
        .backoff_max_us = 5 * (int64_t)FQ_US_PER_S,
        .reply_bytes_max = 64u << 20,
        .output_bytes_max = 256u << 20,
    };
    // Without entropy the address of a stack variable and the process still differ between programs.
    if (getrandom(&options->seed, sizeof options->seed, GRND_NONBLOCK) != sizeof options->seed)
        options->seed = (uint64_t)(uintptr_t)&options ^ (uint64_t)(uintptr_t)options;
}

static bool copy_text(const char *text, char **ret_copy) {
    *ret_copy = text != NULL ? strdup(text) : NULL;
    return text == NULL || *ret_copy != NULL;
}

static bool options_copy(fq_session *session, const struct fq_session_options *options) {
    size_t known = options->size < sizeof *options ? options->size : sizeof *options;
    fq_session_options_init(&session->options);
    memcpy(&session->options, options, known);
    session->options.size = sizeof session->options;
    struct fq_session_options *own = &session->options;
    if (!copy_text(own->user, &session->user) || !copy_text(own->token, &session->token) ||
        !copy_text(own->client_name, &session->client_name))
        return false;
    own->user = session->user;
    own->token = session->token;
    own->client_name = session->client_name;
    return true;
}

static void lists_init(fq_session *session) {
    fq_list_link *heads[] = {&session->waiting,      &session->in_flight,  &session->finished,
                             &session->watch_held,   &session->watch_sent, &session->watch_dead,
                             &session->watch_unsent, &session->deliver};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        fq_list_init(heads[i]);
}

fq_session *fq_session_new(const struct fq_session_options *options) {
    fq_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    lists_init(session);
    if (!options_copy(session, options) || fq_session_index_init(&session->requests_by_tag) < 0 ||
        fq_session_index_init(&session->watchers_by_tag) < 0 ||
        fq_session_index_init(&session->watchers_by_id) < 0 || fq_session_ping_new(session) < 0)
        return fq_session_free(session);
    fq_random_seed(&session->random, session->options.seed);
    session->hash_seed = fq_random_next(&session->random);
    uint64_t max = session->options.reply_bytes_max;
    session->limits = (struct fq_resp_limits){
        .args_max = REPLY_ELEMENTS_MAX,
        .arg_bytes_max = max,
        .total_bytes_max = max,
        .depth_max = REPLY_DEPTH_MAX,
    };
    fq_buf_init(&session->in, max + FEED_SLACK);
    return session;
}

static void free_requests(fq_session *session, fq_list_link *head) {
    while (!fq_list_is_empty(head))
        fq_session_request_free(session, FQ_ELEMENT(head->next, struct fq_session_request, queue));
}

static void free_watchers(fq_session *session, fq_list_link *head) {
    while (!fq_list_is_empty(head))
        fq_session_watcher_free(session, FQ_ELEMENT(head->next, struct fq_session_watcher, queue));
}

fq_session *fq_session_free(fq_session *session) {
    if (session == NULL)
        return NULL;
    fq_list_link *requests[] = {&session->waiting, &session->in_flight, &session->finished};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        free_requests(session, requests[i]);
    fq_list_link *watchers[] = {&session->watch_held, &session->watch_unsent, &session->watch_sent,
                                &session->watch_dead, &session->deliver};
    for (size_t i = 0; i < sizeof watchers / sizeof watchers[0]; i++)
        free_watchers(session, watchers[i]);
    free(session->ping);
    fq_session_index_done(&session->requests_by_tag);
    fq_session_index_done(&session->watchers_by_tag);
    fq_session_index_done(&session->watchers_by_id);
    if (session->out.data != NULL) // it may still hold the login
        explicit_bzero(session->out.data, session->out.capacity);
    fq_buf_done(&session->out);
    fq_buf_done(&session->scratch);
    fq_buf_done(&session->in);
    fq_resp_reply_reader_free(session->reader);
    free(session->values);
    if (session->token != NULL)
        explicit_bzero(session->token, strlen(session->token));
    free(session->token);
    free(session->user);
    free(session->client_name);
    free(session);
    return NULL;
}

int fq_session_fail(fq_session *session, int error, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(session->error, sizeof session->error, format, args);
    va_end(args);
    session->failed = error;
    return error;
}

int fq_session_connected(fq_session *session, int64_t now_us) {
    if (session->connected)
        fq_session_disconnected(session, now_us);
    if (session->closing)
        fq_session_finish_disconnect(session);
    session->now_us = now_us;
    session->failed = 0;
    session->refused = 0;
    session->on_standby = false;
    session->shard = -1;
    session->leader[0] = '\0';
    session->ready_due = false;
    session->received_at_us = now_us;
    session->sent = 0;
    fq_buf_clear(&session->out);
    fq_buf_clear(&session->in);
    if (session->reader == NULL)
        session->reader = fq_resp_reply_reader_new();
    int rc = session->reader == NULL ? FQ_ENOMEM : fq_session_login(session);
    if (rc < 0)
        return fq_session_fail(session, rc, "%s", fq_strerror(rc));
    session->waiting_since_us = now_us; // of the login
    session->connected = true;
    return 0;
}

const char *fq_session_leader(const fq_session *session) {
    return session->on_standby ? session->leader : NULL;
}

int fq_session_shard(const fq_session *session) {
    return session->shard;
}

static void delay_next_connect(fq_session *session) {
    const struct fq_session_options *options = &session->options;
    if (session->refused < 0) {
        session->reconnect_delay_us = INT64_MAX;
        return;
    }
    if (session->ready && session->now_us - session->ready_at_us >= GOOD_CONNECTION_US) {
        session->failures = 0;
        session->reconnect_delay_us = 0;
        return;
    }
    if (session->on_standby) // somebody leads soon
        session->failures = 0;
    int64_t delay = options->backoff_first_us > 0 ? options->backoff_first_us : 1;
    for (uint32_t i = 0; i < session->failures && delay < options->backoff_max_us; i++)
        delay *= 2;
    if (delay > options->backoff_max_us)
        delay = options->backoff_max_us > 0 ? options->backoff_max_us : 1;
    session->failures++;
    session->reconnect_delay_us =
        delay / 2 + (int64_t)fq_random_below(&session->random, (uint64_t)(delay - delay / 2) + 1);
}

void fq_session_disconnected(fq_session *session, int64_t now_us) {
    session->now_us = now_us;
    delay_next_connect(session);
    if (session->connected && session->failed == 0)
        snprintf(session->error, sizeof session->error, "the control plane closed the connection");
    session->closing = session->closing || session->connected;
    session->connected = false;
    session->ready = false;
    if (session->failed < 0)
        fq_session_finish_disconnect(session);
}

int64_t fq_session_reconnect_delay_us(fq_session *session) {
    return session->reconnect_delay_us;
}

void fq_session_finish_disconnect(fq_session *session) {
    session->closing = false;
    session->reader = fq_resp_reply_reader_free(session->reader);
    session->reply_len = 0;
    session->ping_wanted = false;
    session->is_short = false;
    fq_buf_clear(&session->in);
    fq_buf_clear(&session->out);
    if (session->refused < 0)
        fq_session_end_all(session, session->refused);
    else
        fq_session_requeue(session);
}

int fq_session_feed(fq_session *session, const void *bytes, size_t len, int64_t now_us) {
    session->now_us = now_us;
    if (session->failed < 0)
        return session->failed;
    if (!session->connected)
        return FQ_EDISCONNECTED;
    session->received_at_us = now_us;
    const char *front = fq_buf_str(&session->in).ptr;
    int rc = fq_buf_append(&session->in, bytes, len);
    if (rc < 0)
        return fq_session_fail(session, rc, "replies of more than %llu bytes wait to be read",
                               (unsigned long long)session->in.max);
    fq_session_rebase_values(session, front);
    if (!session->ready)
        fq_session_read_login(session);
    return session->failed;
}

fq_slice fq_session_output(fq_session *session) {
    if (!session->connected || session->failed < 0)
        return (fq_slice){"", 0};
    fq_session_fill_output(session);
    fq_str out = fq_buf_str(&session->out);
    return (fq_slice){out.ptr, out.len};
}

void fq_session_sent(fq_session *session, size_t len) {
    if (!session->connected)
        return;
    fq_buf_consume(&session->out, len);
    session->sent += len;
}

// When the peer has been silent for too long while something waits for its answer; FQ_NEVER_US if nothing does.
static int64_t give_up_at(const fq_session *session) {
    if (fq_list_is_empty(&session->in_flight))
        return FQ_NEVER_US;
    int64_t since = session->waiting_since_us != FQ_NEVER_US ? session->waiting_since_us : session->now_us;
    if (since < session->received_at_us)
        since = session->received_at_us;
    return fq_time_add(since, session->options.reply_timeout_us);
}

static int64_t ping_at(const fq_session *session) {
    bool may_ping =
        !session->ping_wanted && !session->ping_in_flight && session->options.ping_interval_us > 0;
    return session->ready && may_ping
               ? fq_time_add(session->received_at_us, session->options.ping_interval_us)
               : FQ_NEVER_US;
}

int64_t fq_session_deadline(const fq_session *session) {
    if (!session->connected)
        return FQ_NEVER_US;
    if (session->failed < 0)
        return INT64_MIN;
    int64_t give_up = give_up_at(session);
    int64_t ping = ping_at(session);
    int64_t deadline = give_up < ping ? give_up : ping;
    int64_t again = session->is_short ? fq_time_add(session->now_us, SHORT_PAUSE_US) : FQ_NEVER_US;
    return again < deadline ? again : deadline;
}

int fq_session_tick(fq_session *session, int64_t now_us) {
    session->now_us = now_us;
    if (!session->connected || session->failed < 0)
        return session->failed;
    if (!fq_list_is_empty(&session->in_flight) && session->waiting_since_us == FQ_NEVER_US)
        session->waiting_since_us = now_us;
    if (now_us >= give_up_at(session))
        return fq_session_fail(session, FQ_ETIMEOUT, "the control plane did not answer for %lld ms",
                               (long long)(session->options.reply_timeout_us / FQ_US_PER_MS));
    if (now_us >= ping_at(session))
        session->ping_wanted = true;
    return 0;
}

const char *fq_session_error(const fq_session *session) {
    return session->error;
}

bool fq_session_is_ready(const fq_session *session) {
    return session->ready && session->failed == 0;
}
