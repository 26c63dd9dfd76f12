// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/grpc_channel.h"

#include "otel/exporters/sigpipe.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 16 * 1024, READS_A_TURN = 32, GATHER_BYTES = 64 * 1024 };

struct otel_grpc_channel {
    const struct otel_runtime *runtime;
    struct otel_target target;
    SSL_CTX *tls;
    int wake_fd;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_served;             // a thread polls or dials, with the lock released
    otel_lookup *lookup;        // the server's
    atomic_int dialling_fd;     // a connection in the making; -1 = none
    otel_grpc_session *session; // NULL = not connected
    struct otel_stream stream;
    bool has_answered;   // this connection has answered a call
    bool has_more;       // the last turn did not read all that there was
    const uint8_t *next; // a frame, the session's
    size_t next_len;
    const uint8_t *unsent; // frames in `gathered`, or one of the session's
    size_t unsent_len;
    uint8_t *gathered; // GATHER_BYTES
    short write_wants; // what the rest waits for
};

// One thread's way through otel_grpc_channel_call().
struct attempt {
    struct otel_grpc_call *call;
    const struct otel_call_limits *limits;
    struct otel_wait wait;
    bool was_used; // the connection that the call went out on had answered before
    bool was_repeated;
    char *reason;
};

// --- making and freeing ----------------------------------------------------------------------------------------------
static int init_lock(otel_grpc_channel *channel) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int result = pthread_mutex_init(&channel->lock, NULL) == 0 &&
                         pthread_cond_init(&channel->changed, &attributes) == 0
                     ? OTEL_OK
                     : OTEL_FAILED;
    pthread_condattr_destroy(&attributes);
    return result;
}

otel_grpc_channel *otel_grpc_channel_new(const struct otel_otlp_options *options, char *reason,
                                         size_t reason_size) {
    struct otel_target target;
    const char *problem;
    if (otel_target_parse_grpc(options->endpoint, options->insecure, &target, &problem) < 0) {
        snprintf(reason, reason_size, "%s", problem);
        return NULL;
    }
    otel_grpc_channel *channel = calloc(1, sizeof *channel);
    uint8_t *gathered = malloc(GATHER_BYTES);
    if (channel == NULL || gathered == NULL || init_lock(channel) < 0) {
        free(gathered);
        free(channel);
        snprintf(reason, reason_size, "out of memory");
        return NULL;
    }
    channel->runtime = options->runtime;
    channel->target = target;
    channel->gathered = gathered;
    channel->stream.fd = -1;
    atomic_init(&channel->dialling_fd, -1);
    channel->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (channel->wake_fd < 0)
        snprintf(reason, reason_size, "no file descriptor left");
    if (target.is_tls)
        channel->tls = otel_tls_context_new(options->ca_file, options->client_cert_file,
                                            options->client_key_file, reason, reason_size);
    if (channel->wake_fd < 0 || (target.is_tls && channel->tls == NULL))
        return otel_grpc_channel_free(channel);
    return channel;
}

static void disconnect(otel_grpc_channel *channel, bool politely) {
    channel->session = otel_grpc_session_free(channel->session);
    otel_stream_close(&channel->stream, politely);
    channel->unsent_len = channel->next_len = 0;
    channel->has_more = false;
}

otel_grpc_channel *otel_grpc_channel_free(otel_grpc_channel *channel) {
    if (channel == NULL)
        return NULL;
    struct otel_sigpipe sigpipe;
    otel_sigpipe_begin(&sigpipe);
    disconnect(channel, true);
    otel_sigpipe_end(&sigpipe);
    otel_lookup_leave(channel->lookup);
    SSL_CTX_free(channel->tls);
    if (channel->wake_fd >= 0)
        close(channel->wake_fd);
    pthread_cond_destroy(&channel->changed);
    pthread_mutex_destroy(&channel->lock);
    free(channel->gathered);
    free(channel);
    return NULL;
}

const struct otel_target *otel_grpc_channel_target(const otel_grpc_channel *channel) {
    return &channel->target;
}

void otel_grpc_channel_wake(otel_grpc_channel *channel) {
    pthread_mutex_lock(&channel->lock);
    pthread_cond_broadcast(&channel->changed);
    pthread_mutex_unlock(&channel->lock);
    otel_wake(channel->wake_fd);
}

void otel_grpc_channel_after_fork(otel_grpc_channel *channel) {
    // A thread that was inside at the fork is not here: what it was changing is left alone, for it may be half changed.
    bool is_torn = pthread_mutex_trylock(&channel->lock) != 0;
    if (is_torn || channel->is_served) {
        int dialling = atomic_load(&channel->dialling_fd);
        if (dialling >= 0)
            close(dialling);
        if (!is_torn && channel->stream.fd >= 0 && channel->stream.fd != dialling)
            close(channel->stream.fd);
        channel->session = NULL;
        channel->stream = (struct otel_stream){.fd = -1};
        channel->unsent_len = channel->next_len = 0;
        channel->has_more = false;
        channel->lookup = NULL;
    } else {
        disconnect(channel, false);
        channel->lookup = NULL; // its thread is the parent's
    }
    if (!is_torn)
        pthread_mutex_unlock(&channel->lock);
    atomic_store(&channel->dialling_fd, -1);
    channel->is_served = false;
    if (channel->wake_fd >= 0)
        close(channel->wake_fd);
    channel->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)init_lock(channel);
}

// --- serving the connection: all of it with the lock held, but for the waits -----------------------------------------
static bool is_given_up(void *context) {
    const struct attempt *attempt = context;
    return attempt->limits->is_given_up != NULL && atomic_load(attempt->limits->is_given_up);
}

static void break_connection(otel_grpc_channel *channel) {
    if (channel->session != NULL)
        otel_grpc_session_lose(channel->session);
    disconnect(channel, false);
}

// Frames are of 16 KiB at most: sent one by one each would wake the receiver.
static bool gather(otel_grpc_channel *channel) {
    channel->unsent = channel->gathered;
    for (;;) {
        if (channel->next_len == 0 &&
            otel_grpc_session_send(channel->session, &channel->next, &channel->next_len) < 0)
            return false;
        if (channel->next_len == 0 || channel->next_len > GATHER_BYTES - channel->unsent_len)
            break;
        memcpy(channel->gathered + channel->unsent_len, channel->next, channel->next_len);
        channel->unsent_len += channel->next_len;
        channel->next_len = 0;
    }
    if (channel->unsent_len == 0 && channel->next_len > 0) {
        channel->unsent = channel->next;
        channel->unsent_len = channel->next_len;
        channel->next_len = 0;
    }
    return true;
}

// False when the connection broke.
static bool send_some(otel_grpc_channel *channel) {
    for (;;) {
        if (channel->unsent_len == 0 && !gather(channel))
            return false;
        if (channel->unsent_len == 0)
            return true;
        ssize_t count = otel_stream_write(&channel->stream, channel->unsent, channel->unsent_len);
        if (count < 0)
            return false;
        channel->write_wants = channel->stream.wants;
        if (count == 0)
            return true;
        channel->unsent += count;
        channel->unsent_len -= (size_t)count;
    }
}

// False when the connection broke. So much and no more at a time: a peer that sends without end must not keep the lock, nor
// those who hold it from their deadlines.
static bool receive_some(otel_grpc_channel *channel) {
    uint8_t bytes[READ_BYTES];
    channel->has_more = false;
    for (int i = 0; i < READS_A_TURN; i++) {
        ssize_t count = otel_stream_read(&channel->stream, bytes, sizeof bytes);
        if (count == 0)
            return true;
        if (count < 0 || otel_grpc_session_receive(channel->session, bytes, (size_t)count) < 0)
            return false;
        if ((size_t)count < sizeof bytes && channel->stream.ssl == NULL)
            return true;
    }
    channel->has_more = true;
    return true;
}

// Opens a connection with the lock released.
static enum otel_wait_end dial(otel_grpc_channel *channel, struct attempt *attempt) {
    struct otel_stream stream;
    const struct otel_dial dial = {.target = &channel->target,
                                   .tls = channel->tls,
                                   .lookup = &channel->lookup,
                                   .ret_fd = &channel->dialling_fd,
                                   .wait = &attempt->wait};
    channel->is_served = true;
    pthread_mutex_unlock(&channel->lock);
    enum otel_wait_end end = otel_stream_open(&dial, &stream, attempt->reason);
    pthread_mutex_lock(&channel->lock);
    channel->is_served = false;
    if (end == OTEL_WAIT_READY) {
        channel->session = otel_grpc_session_new();
        channel->stream = stream;
        channel->has_answered = false;
        if (channel->session == NULL) {
            snprintf(attempt->reason, OTEL_STREAM_REASON_MAX, "out of memory");
            otel_stream_close(&channel->stream, false);
            end = OTEL_WAIT_WOKEN;
        }
    }
    atomic_store(&channel->dialling_fd, -1);
    pthread_cond_broadcast(&channel->changed);
    return end;
}

static enum otel_wait_end yield(void) {
    sched_yield(); // somebody else may want the lock
    return OTEL_WAIT_READY;
}

// Sends, waits with the lock released, receives: one turn.
static void serve(otel_grpc_channel *channel, struct attempt *attempt) {
    bool works = send_some(channel) && !otel_grpc_session_is_over(channel->session);
    if (works && !attempt->call->ended) {
        short events = POLLIN | (channel->unsent_len > 0 ? channel->write_wants : 0);
        int fd = channel->stream.fd;
        bool has_more = channel->has_more;
        channel->is_served = true;
        pthread_mutex_unlock(&channel->lock);
        // What TLS has decrypted already is no reason for poll() to return.
        enum otel_wait_end end = has_more ? yield() : otel_wait_for(&attempt->wait, fd, events);
        pthread_mutex_lock(&channel->lock);
        channel->is_served = false;
        if (end == OTEL_WAIT_READY)
            works = receive_some(channel) && send_some(channel);
    }
    if (!works) {
        // What the peer said before it closed may explain it.
        if (!otel_grpc_session_is_over(channel->session))
            (void)receive_some(channel);
        break_connection(channel);
    }
    pthread_cond_broadcast(&channel->changed);
}

// A connection that was idle may have died or been told to go since: what there is to read says so.
static void look_at_idle_connection(otel_grpc_channel *channel) {
    if (channel->session != NULL && !channel->is_served && !otel_grpc_session_has_calls(channel->session)) {
        if (!receive_some(channel))
            break_connection(channel);
        else if (!otel_grpc_session_is_open(channel->session))
            disconnect(channel, true);
    }
}

static void wait_for_server(otel_grpc_channel *channel, const struct attempt *attempt) {
    int64_t left = otel_wait_left_ms(&attempt->wait);
    if (left == OTEL_NO_DEADLINE_MS) {
        pthread_cond_wait(&channel->changed, &channel->lock);
        return;
    }
    const struct timespec until = otel_wait_until(left * 1000000);
    (void)pthread_cond_timedwait(&channel->changed, &channel->lock, &until);
}

// --- a call ----------------------------------------------------------------------------------------------------------
static void submit(otel_grpc_channel *channel, struct attempt *attempt) {
    if (channel->session == NULL || attempt->call->stream_id != 0 ||
        otel_grpc_session_submit(channel->session, attempt->call) < 0)
        return;
    attempt->was_used = channel->has_answered;
    if (channel->is_served)
        otel_wake(channel->wake_fd);
}

// May the call be made again at once, without asking anybody? Only once, and only if this connection is to blame.
static bool take_repeat(struct attempt *attempt) {
    struct otel_grpc_call *call = attempt->call;
    bool is_stale = call->lost && !call->answered && attempt->was_used;
    if (attempt->was_repeated || (!call->refused && !is_stale))
        return false;
    attempt->was_repeated = true;
    otel_grpc_call_restart(call);
    return true;
}

static enum otel_call_end give_up(otel_grpc_channel *channel, struct attempt *attempt,
                                  enum otel_call_end end) {
    struct otel_grpc_call *call = attempt->call;
    if (call->stream_id != 0 && !call->ended && channel->session != NULL) {
        otel_grpc_session_abort(channel->session, call);
        // Who did not answer in time may be dead without a word: the next call gets a connection of its own.
        if (end == OTEL_CALL_TIMEOUT)
            otel_grpc_session_retire(channel->session);
        if (channel->is_served)
            otel_wake(channel->wake_fd);
        else if (!send_some(channel))
            break_connection(channel);
    }
    return end;
}

static enum otel_call_end run(otel_grpc_channel *channel, struct attempt *attempt) {
    for (;;) {
        if (attempt->call->ended && !take_repeat(attempt))
            return attempt->call->no_grpc ? OTEL_CALL_NO_GRPC : OTEL_CALL_ANSWERED;
        if (is_given_up(attempt))
            return give_up(channel, attempt, OTEL_CALL_GIVEN_UP);
        if (otel_wait_left_ms(&attempt->wait) == 0)
            return give_up(channel, attempt, OTEL_CALL_TIMEOUT);
        look_at_idle_connection(channel);
        submit(channel, attempt);
        if (channel->is_served) {
            wait_for_server(channel, attempt);
        } else if (channel->session != NULL) {
            serve(channel, attempt);
        } else {
            enum otel_wait_end end = dial(channel, attempt);
            if (end != OTEL_WAIT_READY)
                return end == OTEL_WAIT_TIMEOUT    ? OTEL_CALL_TIMEOUT
                       : end == OTEL_WAIT_GIVEN_UP ? OTEL_CALL_GIVEN_UP
                                                   : OTEL_CALL_UNREACHABLE;
        }
    }
}

enum otel_call_end otel_grpc_channel_call(otel_grpc_channel *channel, struct otel_grpc_call *call,
                                          const struct otel_call_limits *limits,
                                          char reason[OTEL_STREAM_REASON_MAX]) {
    struct attempt attempt = {.call = call, .limits = limits, .reason = reason};
    attempt.wait = (struct otel_wait){.runtime = channel->runtime,
                                      .deadline_ns = limits->deadline_ns,
                                      .wake_fd = channel->wake_fd,
                                      .is_given_up = is_given_up,
                                      .context = &attempt};
    struct otel_sigpipe sigpipe;
    reason[0] = '\0';
    otel_sigpipe_begin(&sigpipe);
    pthread_mutex_lock(&channel->lock);
    enum otel_call_end end = run(channel, &attempt);
    if (end == OTEL_CALL_ANSWERED && call->answered && !call->lost)
        channel->has_answered = true;
    // Whoever was served by this thread needs a new server.
    pthread_cond_broadcast(&channel->changed);
    pthread_mutex_unlock(&channel->lock);
    otel_sigpipe_end(&sigpipe);
    return end;
}
