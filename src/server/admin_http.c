// SPDX-License-Identifier: Apache-2.0
// A request's life: headers and body arrive (access handler, any number of calls) -> guarded and routed -> either answered
// at once, or suspended while the core works on it -> the core's reply becomes the answer, the connection is resumed and
// the handler is called once more to queue it.
#include "server/admin_http.h"

#include "net/listen_socket.h"
#include "net/process_use.h"
#include "server/admin_api.h"
#include "server/admin_guard.h"
#include "server/admin_visitors.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 64,
    CONNECTIONS_KEPT = 56, // with more the longest silent one gives way; at the limit nobody is accepted
    CONNECTION_MEMORY = 32 * 1024,
    IDLE_LIMIT_S = 75, // longer than the longest ?wait=
    ROUNDS_PER_TURN = 8,
    HELD_MAX = 16, // requests with a token that wait because their source has guessed too often
};

struct exchange {
    struct exchange *next, *previous; // while the core works on it
    fq_admin_http *http;
    struct MHD_Connection *connection;
    fq_request *request; // the core works on it
    struct fq_admin_call call;
    fq_buf body;
    int status; // 0 = no answer yet
    const char *content_type;
    fq_buf answer;
    bool too_big;
    int64_t held_until_us; // not 0: its token is looked at then
    bool has_waited;
};

struct fq_admin_http {
    struct fq_admin_http_config config;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    struct exchange waiting; // head of the ring
    bool has_answers;
    fq_list_link visitors;
    unsigned held_count;
};

// --- answers ----------------------------------------------------------------------------------------------------------------

static void answer_text(struct exchange *exchange, int status, const char *text) {
    exchange->status = status;
    exchange->content_type = "text/plain; charset=utf-8";
    fq_buf_clear(&exchange->answer);
    (void)fq_buf_append_str(&exchange->answer, fq_str_of(text)); // an empty body says as much as its status
}

static void answer_json(struct exchange *exchange, struct fq_admin_answer answer) {
    char *text = answer.body != NULL ? json_dumps(answer.body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(answer.body);
    if (text == NULL) {
        answer_text(exchange, 503, "out of memory\n");
        return;
    }
    answer_text(exchange, answer.status, text);
    exchange->content_type = "application/json";
    free(text);
}

static fq_admin_visitor *visitor_of(const struct exchange *exchange) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

static enum MHD_Result queue_answer(struct exchange *exchange) {
    static const char *const headers[][2] = {
        {"Cache-Control",           "no-store"                                  },
        {"X-Content-Type-Options",  "nosniff"                                   },
        {"Referrer-Policy",         "no-referrer"                               },
        {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
    };
    fq_str body = fq_buf_str(&exchange->answer);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.ptr, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, exchange->content_type);
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        MHD_add_response_header(response, headers[i][0], headers[i][1]);
    if (exchange->status == 401)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"fastqueue\"");
    enum MHD_Result result = MHD_queue_response(exchange->connection, (unsigned)exchange->status, response);
    MHD_destroy_response(response);
    fq_admin_visitor_step(visitor_of(exchange), FQ_ADMIN_ANSWERING, fq_loop_now(exchange->http->config.loop));
    return result;
}

// --- waiting ----------------------------------------------------------------------------------------------------------------

// From here to resume() the connection belongs to the core's turn.
static void suspend(struct exchange *exchange) {
    struct exchange *head = &exchange->http->waiting;
    exchange->next = head->next;
    exchange->previous = head;
    head->next->previous = exchange;
    head->next = exchange;
    MHD_suspend_connection(exchange->connection);
}

static void resume(struct exchange *exchange) {
    exchange->request = NULL;
    exchange->previous->next = exchange->next;
    exchange->next->previous = exchange->previous;
    exchange->http->has_answers = true;
    MHD_resume_connection(exchange->connection);
}

static void end_hold(struct exchange *exchange) {
    exchange->http->held_count -= exchange->held_until_us != 0;
    exchange->held_until_us = 0;
    exchange->has_waited = true;
}

// --- who asks ---------------------------------------------------------------------------------------------------------------

static fq_str header(const struct exchange *exchange, const char *name) {
    const char *value = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
    return fq_str_of(value != NULL ? value : "");
}

static bool find_token(const struct exchange *exchange, fq_str *ret_token) {
    static const fq_str prefix = {"Bearer ", 7};
    fq_str value = header(exchange, MHD_HTTP_HEADER_AUTHORIZATION);
    if (value.len <= prefix.len || !fq_str_equal_nocase((fq_str){value.ptr, prefix.len}, prefix))
        return false;
    *ret_token = (fq_str){value.ptr + prefix.len, value.len - prefix.len};
    return true;
}

// True when the request was put aside (it is looked at again later) or answered: its source has guessed too often.
static bool hold_back(struct exchange *exchange, fq_str source) {
    fq_admin_http *http = exchange->http;
    struct fq_now now = fq_loop_now(http->config.loop);
    int64_t delay_us = exchange->has_waited ? 0 : fq_core_login_delay_us(http->config.core, source, now);
    if (delay_us == 0)
        return false;
    if (http->held_count == HELD_MAX) {
        answer_json(exchange, fq_admin_error(429, "BUSY", "too many wrong tokens; try again later"));
        return true;
    }
    http->held_count++;
    exchange->held_until_us = fq_time_add(now.boot_us, delay_us);
    suspend(exchange);
    fq_loop_wake(http->config.loop); // this may run behind the turn that looks for the next deadline
    return true;
}

// False if the request was answered or put aside.
static bool check_token(struct exchange *exchange, unsigned *ret_roles) {
    fq_admin_http *http = exchange->http;
    const fq_admin_visitor *visitor = visitor_of(exchange);
    fq_str source = fq_str_of(visitor != NULL ? visitor->source : "unknown"), token;
    if (!find_token(exchange, &token)) {
        answer_json(exchange, fq_admin_error(401, "NOAUTH", "send the token: Authorization: Bearer …"));
        return false;
    }
    if (hold_back(exchange, source))
        return false;
    if (fq_credentials_check_token(http->config.credentials, token, ret_roles) == 0)
        return true;
    fq_core_login_failed(http->config.core, source, 0, fq_loop_now(http->config.loop));
    answer_json(exchange, fq_admin_error(401, "WRONGPASS", "the token is not known here"));
    return false;
}

// True if the request may go on with `*ret_roles`; else it is answered, or put aside for a while.
static bool admit(struct exchange *exchange, const char *method, unsigned *ret_roles) {
    const fq_admin_http *http = exchange->http;
    fq_str host = header(exchange, MHD_HTTP_HEADER_HOST), site = header(exchange, "Sec-Fetch-Site");
    bool is_cross_site =
        site.len > 0 && !fq_str_equal(site, FQ_STR("same-origin")) && !fq_str_equal(site, FQ_STR("none"));
    if (!fq_admin_host_is_ours(host, fq_str_of(http->config.address.host))) {
        answer_json(exchange, fq_admin_error(403, "NOPERM", "the Host header names another site"));
        return false;
    }
    if (is_cross_site || !fq_admin_origin_is_ours(header(exchange, MHD_HTTP_HEADER_ORIGIN), host)) {
        answer_json(exchange, fq_admin_error(403, "NOPERM", "requests from other sites are refused"));
        return false;
    }
    fq_str type = header(exchange, MHD_HTTP_HEADER_CONTENT_TYPE), json = FQ_STR("application/json");
    bool is_json = type.len >= json.len && fq_str_equal_nocase((fq_str){type.ptr, json.len}, json);
    // No form of another site can send this type without asking first.
    if (strcmp(method, "POST") == 0 && !is_json) {
        answer_json(exchange, fq_admin_error(415, "ERR", "POST wants Content-Type: application/json"));
        return false;
    }
    *ret_roles = FQ_ROLE_ALL;
    return fq_credentials_is_empty(http->config.credentials) || check_token(exchange, ret_roles);
}

// --- pages ------------------------------------------------------------------------------------------------------------------

static void answer_ready(struct exchange *exchange) {
    struct fq_core_stats stats;
    fq_core_stats(exchange->http->config.core, &stats);
    if (fq_core_is_standby(exchange->http->config.core))
        answer_text(exchange, 503, "standby\n");
    else if (stats.draining)
        answer_text(exchange, 503, "draining\n");
    else if (stats.submits_blocked)
        answer_text(exchange, 503, "submits are refused: the journal takes no more\n");
    else
        answer_text(exchange, 200, "ready\n");
}

static const char *query_value(void *context, const char *name) {
    return MHD_lookup_connection_value(context, MHD_GET_ARGUMENT_KIND, name);
}

struct nth {
    unsigned left;
    const char *name;
};

static enum MHD_Result take_nth(void *context, enum MHD_ValueKind kind, const char *name, const char *value) {
    (void)kind;
    (void)value;
    struct nth *nth = context;
    nth->name = name;
    return nth->left-- == 0 ? MHD_NO : MHD_YES;
}

static const char *query_name(void *context, unsigned index) {
    struct nth nth = {index, NULL};
    int seen = MHD_get_connection_values(context, MHD_GET_ARGUMENT_KIND, take_nth, &nth);
    return seen > 0 && (unsigned)seen > index ? nth.name : NULL;
}

static void on_reply(void *context, fq_str reply) {
    struct exchange *exchange = context;
    answer_json(exchange, fq_admin_answer_of(&exchange->call, reply));
    resume(exchange);
}

// What the metrics count is on the disk: they were written before this request was asked.
static void on_durable(void *context, fq_str reply) {
    struct exchange *exchange = context;
    if (reply.len == 0)
        answer_json(exchange, fq_admin_error(503, "DRAINING", "the server is shutting down"));
    resume(exchange);
}

// Lets the core work on the request; `on_answer` resumes the exchange.
static void ask(struct exchange *exchange, unsigned roles, const fq_str *args, size_t arg_count,
                void (*on_answer)(void *context, fq_str reply)) {
    fq_admin_http *http = exchange->http;
    suspend(exchange);
    exchange->request = fq_core_request(http->config.core, roles, args, arg_count,
                                        fq_loop_now(http->config.loop), on_answer, exchange);
    if (exchange->request != NULL) {
        fq_loop_wake(http->config.loop); // this may run behind the core's turn
        return;
    }
    answer_json(exchange, fq_admin_error(503, "BUSY", "too many requests at a time"));
    resume(exchange);
}

static void ask_core(struct exchange *exchange, const char *method, const char *url, unsigned roles) {
    struct fq_admin_answer answer;
    struct fq_admin_request request = {
        .method = method,
        .path = url,
        .query = query_value,
        .query_name = query_name,
        .traceparent = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "traceparent"),
        .tracestate = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "tracestate"),
        .baggage = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "baggage"),
        .context = exchange->connection,
        .body = fq_buf_str(&exchange->body),
    };
    if (!fq_admin_route(&request, &exchange->call, &answer)) {
        answer_json(exchange, answer);
        return;
    }
    ask(exchange, roles, exchange->call.args, exchange->call.arg_count, on_reply);
}

static void answer_metrics(struct exchange *exchange, unsigned roles) {
    fq_admin_http *http = exchange->http;
    if ((roles & (FQ_ROLE_READ | FQ_ROLE_ADMIN)) == 0) {
        answer_json(exchange, fq_admin_error(403, "NOPERM", "the credential lacks the role read"));
        return;
    }
    struct fq_process_use use;
    fq_process_use(&use);
    struct fq_exposition page = {
        .core = http->config.core,
        .transports = http->config.transports,
        .metrics = http->config.metrics,
        .telemetry = http->config.telemetry,
        .server_id = http->config.server_id,
        .process = {.cpu_s = use.cpu_s,
                    .start_time_s = (double)http->config.started_us / FQ_US_PER_S,
                    .resident_bytes = use.resident_bytes,
                    .open_files = use.open_files,
                    .open_files_max = use.open_files_max},
    };
    enum otel_prometheus_format format = otel_prometheus_negotiate(header(exchange, MHD_HTTP_HEADER_ACCEPT));
    answer_text(exchange, 200, "");
    exchange->content_type = otel_prometheus_content_type(format);
    if (fq_exposition_write(&page, fq_loop_now(http->config.loop), format, &exchange->answer) < 0) {
        answer_text(exchange, 503, "out of memory\n");
        return;
    }
    static const fq_str args[] = {
        {"INFO",   4},
        {"server", 6}
    };
    ask(exchange, FQ_ROLE_READ, args, 2, on_durable);
}

static void respond(struct exchange *exchange, const char *method, const char *url) {
    unsigned roles;
    bool is_read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (!is_read && strcmp(method, "POST") != 0) {
        answer_json(exchange, fq_admin_error(405, "ERR", "GET and POST are what is understood"));
    } else if (exchange->too_big) {
        answer_json(exchange, fq_admin_error(413, "TOOBIG", "the body is larger than %llu bytes",
                                             (unsigned long long)exchange->http->config.body_bytes_max));
    } else if (is_read && strcmp(url, "/healthz") == 0) {
        answer_text(exchange, 200, "ok\n");
    } else if (is_read && strcmp(url, "/readyz") == 0) {
        answer_ready(exchange);
    } else if (admit(exchange, method, &roles)) {
        if (is_read && strcmp(url, "/metrics") == 0)
            answer_metrics(exchange, roles);
        else
            ask_core(exchange, is_read ? "GET" : method, url, roles);
    }
}

// --- libmicrohttpd ------------------------------------------------------------------------------------------------------------

static struct exchange *new_exchange(fq_admin_http *http, struct MHD_Connection *connection) {
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return NULL;
    exchange->http = http;
    exchange->connection = connection;
    fq_buf_init(&exchange->body, http->config.body_bytes_max);
    return exchange;
}

static enum MHD_Result on_access(void *context, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload_data,
                                 size_t *upload_size, void **exchange_slot) {
    (void)version;
    struct exchange *exchange = *exchange_slot;
    if (exchange == NULL) {
        *exchange_slot = new_exchange(context, connection);
        return *exchange_slot != NULL ? MHD_YES : MHD_NO;
    }
    if (*upload_size > 0) {
        if (fq_buf_append(&exchange->body, upload_data, *upload_size) < 0)
            exchange->too_big = true;
        *upload_size = 0;
        return MHD_YES;
    }
    if (exchange->status == 0) {
        fq_admin_visitor_step(visitor_of(exchange), FQ_ADMIN_SERVED,
                              fq_loop_now(exchange->http->config.loop));
        respond(exchange, method, url);
    }
    return exchange->status != 0 && exchange->request == NULL ? queue_answer(exchange) : MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **exchange_slot,
                         enum MHD_RequestTerminationCode code) {
    (void)context;
    (void)connection;
    (void)code;
    struct exchange *exchange = *exchange_slot;
    if (exchange == NULL)
        return;
    fq_admin_visitor_step(visitor_of(exchange), FQ_ADMIN_RESTING, fq_loop_now(exchange->http->config.loop));
    *exchange_slot = NULL;
    fq_admin_call_done(&exchange->call);
    fq_buf_done(&exchange->body);
    fq_buf_done(&exchange->answer);
    free(exchange);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **visitor_slot,
                          enum MHD_ConnectionNotificationCode code) {
    fq_admin_http *http = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        *visitor_slot = fq_admin_visitor_free(*visitor_slot);
        // At its limit the library forgets the listening socket until it is run once more below it.
        http->has_answers = true;
        fq_loop_wake(http->config.loop);
        return;
    }
    fq_admin_visitors_make_room(&http->visitors, CONNECTIONS_KEPT);
    *visitor_slot = fq_admin_visitor_new(&http->visitors, connection, fq_loop_now(http->config.loop));
}

static void on_pollable(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    fq_admin_http *http = poll->data;
    MHD_run(http->daemon);
}

// Lets those go on whose delay is over; the earliest of the others.
static int64_t end_delays(fq_admin_http *http, struct fq_now now) {
    int64_t next_us = FQ_NEVER_US;
    struct exchange *next;
    for (struct exchange *each = http->waiting.next; each != &http->waiting; each = next) {
        next = each->next;
        if (each->held_until_us == 0)
            continue;
        if (each->held_until_us > now.boot_us) {
            next_us = each->held_until_us < next_us ? each->held_until_us : next_us;
            continue;
        }
        end_hold(each);
        resume(each);
    }
    return next_us;
}

static int64_t run_daemon(fq_admin_http *http, struct fq_now now) {
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    for (int round = 0; round < ROUNDS_PER_TURN; round++) {
        bool is_waiting = MHD_get_timeout(http->daemon, &wait_ms) == MHD_YES;
        if (!http->has_answers && (!is_waiting || wait_ms > 0))
            return is_waiting ? fq_time_add(now.boot_us, (int64_t)wait_ms * FQ_US_PER_MS) : FQ_NEVER_US;
        http->has_answers = false;
        MHD_run(http->daemon);
    }
    return now.boot_us;
}

int64_t fq_admin_http_turn(fq_admin_http *http, struct fq_now now) {
    int64_t delays_us = end_delays(http, now), visitors_us = fq_admin_visitors_sweep(&http->visitors, now);
    int64_t at_us = run_daemon(http, now);
    at_us = delays_us < at_us ? delays_us : at_us;
    return visitors_us < at_us ? visitors_us : at_us;
}

static int start_daemon(fq_admin_http *http, char *error, size_t size) {
    int fds[FQ_LISTEN_SOCKET_MAX];
    size_t count;
    int result = fq_listen_sockets(&http->config.address, fds, &count, error, size);
    if (result < 0)
        return result;
    while (count > 1) // a daemon has one socket; the first address of the name will do
        close(fds[--count]);
    http->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_access, http,
                                    MHD_OPTION_LISTEN_SOCKET, fds[0], MHD_OPTION_CONNECTION_LIMIT,
                                    (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                    (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
                                    (unsigned)IDLE_LIMIT_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
                                    MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        http->daemon != NULL ? MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (info != NULL && uv_poll_init(&http->config.loop->uv, &http->poll, info->epoll_fd) == 0)
        return 0;
    snprintf(error, size, "the HTTP daemon does not start");
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    else
        close(fds[0]);
    return FQ_EIO;
}

int fq_admin_http_open(const struct fq_admin_http_config *config, char *error, size_t size,
                       fq_admin_http **ret_http) {
    fq_admin_http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        snprintf(error, size, "out of memory");
        return FQ_ENOMEM;
    }
    http->config = *config;
    http->waiting.next = http->waiting.previous = &http->waiting;
    fq_admin_visitors_init(&http->visitors);
    int result = start_daemon(http, error, size);
    if (result < 0) {
        free(http);
        return result;
    }
    http->poll.data = http;
    uv_poll_start(&http->poll, UV_READABLE, on_pollable);
    *ret_http = http;
    return 0;
}

const struct fq_address *fq_admin_http_address(const fq_admin_http *http) {
    return &http->config.address;
}

void fq_admin_http_set_credentials(fq_admin_http *http, const fq_credentials *credentials) {
    http->config.credentials = credentials;
}

static void on_poll_closed(uv_handle_t *handle) {
    free(handle->data);
}

fq_admin_http *fq_admin_http_close(fq_admin_http *http) {
    if (http == NULL)
        return NULL;
    uv_poll_stop(&http->poll);
    // The daemon refuses to stop with suspended connections.
    while (http->waiting.next != &http->waiting) {
        struct exchange *exchange = http->waiting.next;
        if (exchange->request != NULL)
            fq_core_request_cancel(http->config.core, exchange->request);
        else
            end_hold(exchange);
        answer_json(exchange, fq_admin_error(503, "DRAINING", "the server is shutting down"));
        resume(exchange);
    }
    MHD_run(http->daemon);
    MHD_stop_daemon(http->daemon);
    uv_close((uv_handle_t *)&http->poll, on_poll_closed);
    return NULL;
}
