// SPDX-License-Identifier: Apache-2.0
#include "client/uv_driver.h"

#include "base/time.h"
#include "client/uv_connect.h"
#include "net/clock.h"
#include "net/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CONNECT_MS = 10000, HANDLE_COUNT = 2 };

enum state {
    STATE_WAITING,    // for connect_at_us, FQ_NEVER_US after a refusal
    STATE_CONNECTING, // `connect` is at work
    STATE_SECURING,   // the TLS handshake runs, until securing_until_us
    STATE_OPEN,       // the session is connected
    STATE_CLOSED,
};

struct fq_uv_driver {
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_prepare_t prepare;
    int open_handles;
    enum state state;
    int64_t connect_at_us, securing_until_us;
    int64_t armed_us; // when the timer fires; FQ_NEVER_US = it does not
    struct fq_target target;
    fq_session *session;
    fq_uv_connect *connect;
    fq_stream *stream;
    const struct fq_uv_driver_handler *handler;
    void *context;
    fq_stream_pool pool;
};

static int64_t now_us(void) {
    return fq_clock_now().boot_us;
}

// --- losing and getting a connection ------------------------------------------------------------------------------------
static void take_events(fq_uv_driver *driver) {
    struct fq_session_event event;
    while (driver->state != STATE_CLOSED && fq_session_next_event(driver->session, &event) == 1)
        driver->handler->on_event(driver->context, &event);
}

static void lose(fq_uv_driver *driver, int error, const char *reason) {
    char text[FQ_ADDRESS_TEXT + 320], name[FQ_ADDRESS_TEXT];
    fq_address_format(fq_target_address(&driver->target), name);
    snprintf(text, sizeof text, "%s: %s", name, reason);
    bool was_open = driver->state == STATE_OPEN;
    driver->connect = fq_uv_connect_cancel(driver->connect);
    driver->stream = fq_stream_close(driver->stream);
    driver->state = STATE_WAITING;
    const char *leader = fq_session_leader(driver->session);
    if (leader != NULL)
        fq_target_follow(&driver->target, leader);
    else if (!was_open)
        fq_target_advance(&driver->target);
    fq_session_disconnected(driver->session, now_us());
    int64_t delay_us = fq_session_reconnect_delay_us(driver->session);
    driver->connect_at_us = fq_time_add(now_us(), delay_us);
    if (driver->handler->on_lost != NULL)
        driver->handler->on_lost(driver->context, error, text, delay_us);
    take_events(driver);
}

static void start_session(fq_uv_driver *driver) {
    driver->state = STATE_OPEN;
    int rc = fq_session_connected(driver->session, now_us());
    if (rc < 0)
        lose(driver, rc, fq_session_error(driver->session));
}

static void on_bytes(void *context, fq_str bytes) {
    fq_uv_driver *driver = context;
    int rc = fq_session_feed(driver->session, bytes.ptr, bytes.len, now_us());
    take_events(driver);
    if (rc < 0 && driver->state == STATE_OPEN)
        lose(driver, rc, fq_session_error(driver->session));
}

static void on_secure(void *context) {
    start_session(context);
}

static void on_end(void *context, const char *reason) {
    fq_uv_driver *driver = context;
    int error = driver->state == STATE_SECURING ? FQ_ETLS : FQ_EDISCONNECTED;
    lose(driver, error, reason != NULL ? reason : "the control plane closed the connection");
}

static void flush(fq_uv_driver *driver);

static void on_writable(void *context) {
    flush(context);
}

static const struct fq_stream_handler STREAM_HANDLER = {on_bytes, on_secure, on_writable, on_end};

static void on_connected(void *context, int fd, const char *reason) {
    fq_uv_driver *driver = context;
    const struct fq_address *address = fq_target_address(&driver->target);
    driver->connect = NULL;
    if (fd < 0) {
        lose(driver, FQ_ECONNECT, reason);
        return;
    }
    fq_tls *tls = NULL;
    int rc = address->kind == FQ_ADDRESS_TLS ? fq_tls_new(driver->target.tls, address->host, &tls) : 0;
    if (rc < 0)
        close(fd);
    else
        rc = fq_stream_open(&driver->pool, fd, tls, &STREAM_HANDLER, driver, &driver->stream);
    if (rc < 0) {
        lose(driver, rc, fq_strerror(rc));
        return;
    }
    fq_stream_set_reading(driver->stream, true);
    driver->state = STATE_SECURING;
    driver->securing_until_us = fq_time_add(now_us(), CONNECT_MS * FQ_US_PER_MS);
    if (tls == NULL)
        start_session(driver);
}

static void connect_now(fq_uv_driver *driver) {
    driver->state = STATE_CONNECTING;
    driver->connect = fq_uv_connect_start(driver->loop, fq_target_address(&driver->target), CONNECT_MS,
                                          on_connected, driver);
    if (driver->connect == NULL)
        lose(driver, FQ_ENOMEM, fq_strerror(FQ_ENOMEM));
}

// --- the loop's turn ----------------------------------------------------------------------------------------------------
static void flush(fq_uv_driver *driver) {
    while (driver->state == STATE_OPEN) {
        fq_slice output = fq_session_output(driver->session);
        if (output.len == 0)
            return;
        size_t taken = fq_stream_write(driver->stream, (fq_str){output.ptr, output.len});
        fq_session_sent(driver->session, taken);
        if (taken < output.len)
            return; // on_writable or on_end follows
    }
}

static int64_t wake_at(const fq_uv_driver *driver) {
    switch (driver->state) {
    case STATE_WAITING: return driver->connect_at_us;
    case STATE_SECURING: return driver->securing_until_us;
    case STATE_OPEN: return fq_session_deadline(driver->session);
    default: return FQ_NEVER_US;
    }
}

static void on_timer(uv_timer_t *timer);

// The timer may fire early, never late: a deadline that moved away is looked at again when it does.
static void arm(fq_uv_driver *driver, int64_t now) {
    int64_t at_us = wake_at(driver);
    if (at_us == FQ_NEVER_US || at_us >= driver->armed_us)
        return;
    int64_t ms = at_us <= now ? 0 : (at_us - now + FQ_US_PER_MS - 1) / FQ_US_PER_MS;
    driver->armed_us = at_us;
    uv_timer_start(&driver->timer, on_timer, (uint64_t)ms, 0);
}

static void turn(fq_uv_driver *driver) {
    int64_t now = now_us();
    if (driver->state == STATE_WAITING && now >= driver->connect_at_us)
        connect_now(driver);
    else if (driver->state == STATE_SECURING && now >= driver->securing_until_us)
        lose(driver, FQ_ETIMEOUT, "no TLS handshake in time");
    flush(driver);
    if (driver->state == STATE_OPEN) {
        int rc = fq_session_tick(driver->session, now);
        if (rc < 0)
            lose(driver, rc, fq_session_error(driver->session));
        else
            flush(driver); // a PING
    }
    take_events(driver);
    if (driver->state != STATE_CLOSED)
        arm(driver, now);
}

static void on_timer(uv_timer_t *timer) {
    fq_uv_driver *driver = timer->data;
    driver->armed_us = FQ_NEVER_US;
    turn(driver);
}

static void on_prepare(uv_prepare_t *prepare) {
    turn(prepare->data);
}

// --- opening and closing ------------------------------------------------------------------------------------------------
void fq_uv_driver_options_init(struct fq_uv_driver_options *options) {
    *options = (struct fq_uv_driver_options){0};
    fq_session_options_init(&options->session);
}

static void free_driver(fq_uv_driver *driver) {
    fq_session_free(driver->session);
    fq_target_done(&driver->target);
    fq_stream_pool_done(&driver->pool);
    free(driver);
}

int fq_uv_driver_open(const struct fq_uv_driver_options *options, char *error, size_t error_size,
                      fq_uv_driver **ret_driver) {
    fq_uv_driver *driver = malloc(sizeof *driver);
    if (driver == NULL) {
        snprintf(error, error_size, "%s", fq_strerror(FQ_ENOMEM));
        return FQ_ENOMEM;
    }
    memset(driver, 0, offsetof(fq_uv_driver, pool));
    fq_stream_pool_init(&driver->pool, options->loop);
    int rc = fq_target_init(&driver->target, &options->target, error, error_size);
    if (rc == 0) {
        struct fq_session_options session = options->session;
        session.user = driver->target.user;
        session.token = driver->target.token;
        driver->session = fq_session_new(&session);
        rc = driver->session != NULL ? 0 : FQ_ENOMEM;
        if (rc < 0)
            snprintf(error, error_size, "%s", fq_strerror(rc));
    }
    if (rc < 0) {
        free_driver(driver);
        return rc;
    }
    driver->loop = options->loop;
    driver->handler = options->handler;
    driver->context = options->context;
    driver->armed_us = FQ_NEVER_US;
    driver->open_handles = HANDLE_COUNT;
    uv_timer_init(driver->loop, &driver->timer);
    uv_prepare_init(driver->loop, &driver->prepare);
    driver->timer.data = driver;
    driver->prepare.data = driver;
    uv_prepare_start(&driver->prepare, on_prepare);
    uv_timer_start(&driver->timer, on_timer, 0, 0);
    driver->armed_us = INT64_MIN;
    *ret_driver = driver;
    return 0;
}

fq_session *fq_uv_driver_session(fq_uv_driver *driver) {
    return driver->session;
}

static void on_handle_closed(uv_handle_t *handle) {
    fq_uv_driver *driver = handle->data;
    if (--driver->open_handles == 0)
        free_driver(driver);
}

fq_uv_driver *fq_uv_driver_close(fq_uv_driver *driver) {
    if (driver == NULL)
        return NULL;
    driver->state = STATE_CLOSED;
    driver->connect = fq_uv_connect_cancel(driver->connect);
    driver->stream = fq_stream_close(driver->stream);
    uv_close((uv_handle_t *)&driver->timer, on_handle_closed);
    uv_close((uv_handle_t *)&driver->prepare, on_handle_closed);
    return NULL;
}
