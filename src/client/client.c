// SPDX-License-Identifier: Apache-2.0
// The blocking driver of a session: opening, and the loop that every call runs.
#include "client/client_shards.h"
#include "client/client_state.h"

#include "net/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

// One attempt to connect; a call that has more time tries again, or the next address.
static const int64_t CONNECT_US = 10 * (int64_t)FQ_US_PER_S;
static const int64_t PAUSE_FIRST_US = 20 * FQ_US_PER_MS, PAUSE_MAX_US = 2 * (int64_t)FQ_US_PER_S;

void fq_client_options_init(struct fq_client_options *options) {
    *options = (struct fq_client_options){.size = sizeof *options, .timeout_ms = 30000, .retries = 3};
}

const char *fq_client_error(const fq_client *client) {
    return client->error;
}

int fq_client_fail(fq_client *client, int error, fq_slice message) {
    int len = message.len < sizeof client->error ? (int)message.len : (int)sizeof client->error - 1;
    snprintf(client->error, sizeof client->error, "%.*s", len, message.ptr);
    return error;
}

int fq_client_fail_text(fq_client *client, int error, const char *message) {
    return fq_client_fail(client, error, (fq_slice){message, strlen(message)});
}

// The session has a sentence for what it judges itself.
int fq_client_fail_session(fq_client *client, int error) {
    bool judged = error == FQ_EINVALID || error == FQ_EFULL || error == FQ_EWRONGPASS || error == FQ_ENOAUTH;
    const char *text = judged ? fq_session_error(client->session) : "";
    return fq_client_fail_text(client, error, text[0] != '\0' ? text : fq_strerror(error));
}

int64_t fq_client_pause_us(fq_client *client, uint32_t attempt) {
    int64_t pause = PAUSE_FIRST_US;
    for (uint32_t i = 0; i < attempt && pause < PAUSE_MAX_US; i++)
        pause *= 2;
    pause = pause < PAUSE_MAX_US ? pause : PAUSE_MAX_US;
    return pause / 2 + (int64_t)fq_random_below(&client->random, (uint64_t)(pause / 2) + 1);
}

struct fq_client_errand fq_client_errand_begin(fq_client *client) {
    return (struct fq_client_errand){
        .tag = ++client->next_tag,
        .deadline_us = fq_time_add(fq_clock_now().boot_us, client->timeout_us),
        .wake_us = FQ_NEVER_US,
        .losses_left = client->retries,
        .connects_left = UINT32_MAX,
    };
}

void fq_client_errand_set_deadline(struct fq_client_errand *errand, int64_t ms) {
    int64_t us;
    if (ms < 0 || __builtin_mul_overflow(ms, FQ_US_PER_MS, &us))
        errand->deadline_us = FQ_NEVER_US;
    else
        errand->deadline_us = fq_time_add(fq_clock_now().boot_us, us);
}

// --- connection ---------------------------------------------------------------------------------------------------------
static int64_t earlier(int64_t a_us, int64_t b_us) {
    return a_us < b_us ? a_us : b_us;
}

// The connection is gone, or never came. Negative when the call is to end with that.
static int lose(fq_client *client, struct fq_client_errand *errand, int cause, const char *message) {
    const char *leader = fq_session_leader(client->session);
    bool was_open = client->transport != NULL && leader == NULL;
    int64_t now_us = fq_clock_now().boot_us;
    (void)fq_client_fail_text(client, cause, message); // it may belong to what ends now
    client->transport = fq_transport_close(client->transport);
    fq_session_disconnected(client->session, now_us);
    int64_t delay_us = fq_session_reconnect_delay_us(client->session);
    client->connect_at_us = fq_time_add(now_us, delay_us);
    if (delay_us == INT64_MAX || cause == FQ_ETLS) // credentials do not mend themselves within a call
        return cause;
    if (was_open && errand->losses_left-- == 0)
        return FQ_EDISCONNECTED;
    if (!was_open) {
        if (leader != NULL)
            fq_target_follow(&client->target, leader);
        else
            fq_target_advance(&client->target);
        if (errand->connects_left-- == 0)
            return cause;
    }
    return 0;
}

static int connect_now(fq_client *client, struct fq_client_errand *errand) {
    char error[FQ_ADDRESS_TEXT + 300];
    int64_t now_us = fq_clock_now().boot_us;
    int64_t until_us = earlier(errand->deadline_us, fq_time_add(now_us, CONNECT_US));
    int rc = fq_transport_open(fq_target_address(&client->target), client->target.tls, until_us, error,
                               sizeof error, &client->transport);
    if (rc < 0) {
        return lose(client, errand, rc == FQ_ETIMEOUT ? FQ_ECONNECT : rc, error);
    }
    client->connections++;
    rc = fq_session_connected(client->session, fq_clock_now().boot_us);
    return rc < 0 ? lose(client, errand, rc, fq_session_error(client->session)) : 0;
}

// Sleeps until it is time to connect, then does.
static int wait_and_connect(fq_client *client, struct fq_client_errand *errand) {
    int64_t now_us = fq_clock_now().boot_us;
    if (now_us >= client->connect_at_us)
        return connect_now(client, errand);
    int64_t until_us = earlier(earlier(client->connect_at_us, errand->deadline_us), errand->wake_us);
    int64_t ms = (until_us - now_us + FQ_US_PER_MS - 1) / FQ_US_PER_MS;
    if (ms > 0)
        (void)poll(NULL, 0, (int)ms);
    return 0;
}

// --- one turn -----------------------------------------------------------------------------------------------------------
static int take_events(fq_client *client, struct fq_client_errand *errand) {
    struct fq_session_event event;
    while (fq_session_next_event(client->session, &event) == 1) {
        int rc = errand->on_event(client, errand, &event);
        if (rc != 0)
            return rc;
    }
    return 0;
}

// Writes until the session has no more or the socket takes no more (*ret_blocked).
static int write_output(fq_client *client, bool *ret_blocked) {
    *ret_blocked = false;
    for (;;) {
        fq_slice output = fq_session_output(client->session);
        if (output.len == 0)
            return fq_transport_flush(client->transport);
        size_t taken = 0;
        int rc = fq_transport_write(client->transport, (fq_str){output.ptr, output.len}, &taken);
        if (rc < 0)
            return rc;
        fq_session_sent(client->session, taken);
        if (taken < output.len) {
            *ret_blocked = true;
            return 0;
        }
    }
}

static int read_input(fq_client *client, struct fq_client_errand *errand) {
    fq_str bytes;
    int rc = fq_transport_read(client->transport, &bytes);
    if (bytes.len > 0) {
        int failed = fq_session_feed(client->session, bytes.ptr, bytes.len, fq_clock_now().boot_us);
        if (failed < 0)
            return lose(client, errand, failed, fq_session_error(client->session));
    }
    return rc < 0 ? lose(client, errand, rc, fq_transport_error(client->transport)) : 0;
}

static int exchange(fq_client *client, struct fq_client_errand *errand) {
    bool blocked;
    int rc = write_output(client, &blocked);
    if (rc < 0)
        return lose(client, errand, rc, fq_transport_error(client->transport));
    rc = fq_session_tick(client->session, fq_clock_now().boot_us);
    if (rc < 0)
        return lose(client, errand, rc, fq_session_error(client->session));
    int64_t until_us =
        earlier(errand->deadline_us, earlier(errand->wake_us, fq_session_deadline(client->session)));
    fq_transport_wait(client->transport, blocked, until_us);
    return read_input(client, errand);
}

static int out_of_time(fq_client *client, const struct fq_client_errand *errand) {
    if (errand->refusal < 0)
        return errand->refusal;
    if (client->transport == NULL && client->error[0] != '\0')
        return FQ_ECONNECT; // the sentence of the last attempt says more than a timeout does
    return fq_client_fail_text(client, FQ_ETIMEOUT, "no answer from the control plane in time");
}

// Hears of a connection that broke while nobody looked, before a request is risked on it.
static int look_first(fq_client *client, struct fq_client_errand *errand) {
    if (client->transport == NULL)
        return 0;
    errand->losses_left++;
    int rc = read_input(client, errand);
    if (client->transport != NULL)
        errand->losses_left--;
    return rc;
}

bool fq_client_is_connected(fq_client *client) {
    struct fq_client_errand errand = fq_client_errand_begin(client);
    int rc = look_first(client, &errand);
    return rc == 0 && client->transport != NULL;
}

int fq_client_drive(fq_client *client, struct fq_client_errand *errand) {
    int first = look_first(client, errand);
    if (first < 0)
        return first;
    for (;;) {
        int rc = take_events(client, errand);
        if (rc != 0)
            return rc;
        int64_t now_us = fq_clock_now().boot_us;
        if (now_us >= errand->deadline_us)
            return out_of_time(client, errand);
        if (now_us >= errand->wake_us && (rc = errand->on_wake(client, errand)) != 0)
            return rc;
        rc = client->transport != NULL ? exchange(client, errand) : wait_and_connect(client, errand);
        if (rc < 0)
            return rc;
    }
}

// --- opening and closing ------------------------------------------------------------------------------------------------
static int on_ready(fq_client *client, struct fq_client_errand *errand,
                    const struct fq_session_event *event) {
    (void)client;
    (void)errand;
    return event->type == FQ_SESSION_READY ? 1 : 0;
}

static int open_session(fq_client *client) {
    struct fq_session_options session;
    fq_session_options_init(&session);
    struct fq_now now = fq_clock_now();
    session.user = client->target.user;
    session.token = client->target.token;
    session.client_name = client->name;
    session.wall_offset_us = now.wall_us - now.boot_us;
    fq_random_seed(&client->random, ~session.seed);
    client->session = fq_session_new(&session);
    return client->session != NULL ? 0 : fq_client_fail_text(client, FQ_ENOMEM, "out of memory");
}

// Connects and logs in.
static int open_connection(fq_client *client) {
    int rc = open_session(client);
    if (rc < 0)
        return rc;
    struct fq_client_errand errand = fq_client_errand_begin(client);
    errand.connects_left = (client->retries + 1) * (uint32_t)client->target.count - 1;
    errand.on_event = on_ready;
    rc = fq_client_drive(client, &errand);
    return rc < 0 ? rc : 0;
}

static int copy_name(fq_client *client, const char *name) {
    if (name != NULL && (client->name = strdup(name)) == NULL)
        return fq_client_fail_text(client, FQ_ENOMEM, "out of memory");
    return 0;
}

int fq_client_open_shard(fq_client *client, const char *addresses, fq_client **ret_shard) {
    fq_client *shard = calloc(1, sizeof *shard);
    if (shard == NULL)
        return fq_client_fail_text(client, FQ_ENOMEM, "out of memory");
    shard->is_of_shard = true;
    shard->timeout_us = client->timeout_us;
    shard->retries = client->retries;
    shard->telemetry = client->telemetry;
    int rc =
        fq_target_init_like(&shard->target, &client->target, addresses, shard->error, sizeof shard->error);
    if (rc == 0)
        rc = copy_name(shard, client->name);
    if (rc == 0)
        rc = open_connection(shard);
    if (rc == 0) {
        *ret_shard = shard;
        return 0;
    }
    (void)fq_client_fail_text(client, rc, shard->error);
    fq_client_close(shard);
    return rc;
}

static int open_client(fq_client *client, const struct fq_client_options *options) {
    const struct fq_target_options target = {
        .address = options->address,
        .user = options->user,
        .token = options->token,
        .tls_ca = options->tls_ca,
        .tls_cert = options->tls_cert,
        .tls_key = options->tls_key,
    };
    int64_t timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : 0;
    if (__builtin_mul_overflow(timeout_ms, FQ_US_PER_MS, &client->timeout_us))
        client->timeout_us = FQ_NEVER_US;
    client->retries = options->retries;
    if (!options->no_telemetry)
        fq_client_telemetry_init(&client->telemetry,
                                 options->telemetry != NULL ? options->telemetry : fq_client_telemetry_sdk());
    int rc = fq_target_init(&client->target, &target, client->error, sizeof client->error);
    if (rc == 0)
        rc = copy_name(client, options->name);
    if (rc == 0)
        rc = open_connection(client);
    if (rc == 0 && fq_session_shard(client->session) >= 0)
        rc = fq_client_shards_open(client, &client->shards);
    return rc;
}

int fq_client_open(const struct fq_client_options *given, fq_client **ret_client, char *errstr,
                   size_t errstr_size) {
    struct fq_client_options options;
    fq_client_options_init(&options);
    if (given != NULL)
        memcpy(&options, given, given->size < sizeof options ? given->size : sizeof options);
    fq_client *client = calloc(1, sizeof *client);
    int rc = client != NULL ? open_client(client, &options) : FQ_ENOMEM;
    if (rc == 0) {
        *ret_client = client;
        return 0;
    }
    if (errstr != NULL && errstr_size > 0)
        snprintf(errstr, errstr_size, "%s", client != NULL ? client->error : fq_strerror(rc));
    fq_client_close(client);
    return rc;
}

fq_client *fq_client_close(fq_client *client) {
    if (client == NULL)
        return NULL;
    fq_client_shards_close(client->shards);
    fq_transport_close(client->transport);
    fq_session_free(client->session);
    if (client->is_of_shard)
        client->target.tls = NULL;
    fq_target_done(&client->target);
    free(client->name);
    free(client);
    return NULL;
}
