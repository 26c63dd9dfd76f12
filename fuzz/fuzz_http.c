// SPDX-License-Identifier: Apache-2.0
// The admin interface under hostile requests. Input: a byte of choices, then requests set apart by 0x1e: a line with method
// and target, lines of headers, an empty line, the body. Each gets one answer, and what calls itself JSON is JSON.
#include "target.h"

#include "base/assert.h"
#include "http_daemon.h"
#include "server/admin_http.h"
#include "server/metrics.h"

#include <stdlib.h>

enum { WITH_LOGIN = 1, WITH_TIME = 2, DRAINING = 4, BODY_MAX = 600 };

struct world {
    struct fq_server_options options;
    struct fq_core_config config;
    fq_credentials *credentials;
    fq_metrics *metrics;
    fq_core *core;
    fq_admin_http *http;
};

static int64_t no_turn(void *context, struct fq_now now) {
    (void)context, (void)now;
    return FQ_NEVER_US;
}

static fq_loop *the_loop(void) {
    static fq_loop loop;
    static bool is_open;
    if (!is_open)
        FQ_ASSERT(fq_loop_init(&loop, no_turn, NULL) == 0);
    is_open = true;
    loop.has_now = false;
    return &loop;
}

// --- requests out of bytes ----------------------------------------------------------------------------------------------
static size_t find(fq_str text, char byte) {
    const char *at = text.len > 0 ? memchr(text.ptr, byte, text.len) : NULL;
    return at != NULL ? (size_t)(at - text.ptr) : text.len;
}

static fq_str cut(fq_str *rest, char byte) {
    size_t len = find(*rest, byte);
    fq_str head = {rest->ptr, len};
    size_t skip = len < rest->len ? len + 1 : len;
    *rest = (fq_str){rest->ptr + skip, rest->len - skip};
    return head;
}

static void copy(fq_str text, char *out, size_t size) {
    size_t len = 0;
    while (len < text.len && len + 1 < size && text.ptr[len] != '\0') {
        out[len] = text.ptr[len];
        len++;
    }
    out[len] = '\0';
}

static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

// As libmicrohttpd does: what is no code stays, and a decoded zero ends the text for those who see it.
static void unescape(char *text, bool plus_is_blank) {
    char *out = text;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '%' && digit(at[1]) >= 0 && digit(at[2]) >= 0) {
            *out++ = (char)(digit(at[1]) << 4 | digit(at[2]));
            at += 2;
        } else {
            *out++ = *at == '+' && plus_is_blank ? ' ' : *at;
        }
    }
    *out = '\0';
}

static void add_arguments(struct MHD_Connection *connection, fq_str query) {
    while (query.len > 0 && connection->argument_count < HTTP_PAIRS_MAX) {
        fq_str value = cut(&query, '&');
        struct http_pair *pair = &connection->arguments[connection->argument_count++];
        pair->has_value = find(value, '=') < value.len;
        copy(cut(&value, '='), pair->name, sizeof pair->name);
        copy(value, pair->value, sizeof pair->value);
        unescape(pair->name, true);
        unescape(pair->value, true);
    }
}

static void add_headers(struct MHD_Connection *connection, fq_str *rest) {
    while (rest->len > 0) {
        fq_str line = cut(rest, '\n');
        if (line.len == 0)
            return;
        if (find(line, ':') == line.len || connection->header_count == HTTP_PAIRS_MAX)
            continue;
        struct http_pair *pair = &connection->headers[connection->header_count++];
        pair->has_value = true;
        copy(cut(&line, ':'), pair->name, sizeof pair->name);
        while (line.len > 0 && line.ptr[0] == ' ')
            line = (fq_str){line.ptr + 1, line.len - 1};
        copy(line, pair->value, sizeof pair->value);
    }
}

static void request(fq_str text) {
    struct MHD_Connection *connection = http_connection_new();
    if (connection == NULL)
        return;
    fq_str target = cut(&text, '\n');
    copy(cut(&target, ' '), connection->method, sizeof connection->method);
    copy(cut(&target, '?'), connection->url, sizeof connection->url);
    unescape(connection->url, false);
    add_arguments(connection, target);
    add_headers(connection, &text);
    connection->body = text;
    http_connection_serve(connection);
}

// --- the server behind them ---------------------------------------------------------------------------------------------
static void open_world(struct world *world, uint8_t choices) {
    *world = (struct world){.credentials = fq_credentials_new(), .metrics = fq_metrics_new(8)};
    fq_server_options_init(&world->options);
    world->options.payload_bytes_max = 300;
    world->options.engine.task_count_max = 10;
    if ((choices & WITH_LOGIN) != 0) {
        FQ_ASSERT(fq_credentials_add_token(world->credentials, FQ_STR("all"), FQ_ROLE_ALL, FQ_STR("t")) == 0);
        FQ_ASSERT(fq_credentials_add_token(world->credentials, FQ_STR("r"), FQ_ROLE_READ, FQ_STR("r")) == 0);
    }
    world->config = (struct fq_core_config){.options = &world->options,
                                            .engine = fq_engine_new(&world->options.engine),
                                            .credentials = world->credentials,
                                            .seed = 1,
                                            .observer = fq_metrics_observer(world->metrics)};
    world->core = fq_core_new(&world->config);
    fq_loop *loop = the_loop();
    FQ_ASSERT(world->core != NULL && fq_core_start(world->core, fq_loop_now(loop)) == 0);
    struct fq_admin_http_config config = {.loop = loop,
                                          .core = world->core,
                                          .credentials = world->credentials,
                                          .metrics = world->metrics,
                                          .server_id = "fuzz",
                                          .body_bytes_max = BODY_MAX,
                                          .address = {.host = "localhost"}};
    char error[200];
    FQ_ASSERT(fq_admin_http_open(&config, error, sizeof error, &world->http) == 0);
}

static void turn(struct world *world, int64_t us) {
    http_clock_pass(us);
    the_loop();
    fq_core_turn(world->core, fq_loop_now(the_loop()));
    (void)fq_admin_http_turn(world->http, fq_loop_now(the_loop()));
}

static void close_world(struct world *world) {
    world->http = fq_admin_http_close(world->http);
    uv_run(&the_loop()->uv, UV_RUN_NOWAIT);
    world->core = fq_core_free(world->core);
    fq_engine_check(world->config.engine);
    fq_engine_free(world->config.engine);
    fq_metrics_free(world->metrics);
    fq_credentials_free(world->credentials);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct world world;
    if (size == 0)
        return 0;
    open_world(&world, data[0]);
    fq_str rest = {(const char *)data + 1, size - 1};
    while (rest.len > 0) {
        request(cut(&rest, 0x1e));
        turn(&world, (data[0] & WITH_TIME) != 0 ? 3 * FQ_US_PER_S : 1);
    }
    if ((data[0] & DRAINING) != 0)
        fq_core_drain(world.core, fq_loop_now(the_loop()));
    else
        for (int i = 0; i < 3; i++)
            turn(&world, 61 * FQ_US_PER_S); // longer than the longest wait
    FQ_ASSERT((data[0] & DRAINING) != 0 || http_suspended_count() == 0);
    close_world(&world);
    return 0;
}
