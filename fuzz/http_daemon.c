// SPDX-License-Identifier: Apache-2.0
#include "http_daemon.h"

#include "base/assert.h"
#include "net/clock.h"
#include "net/listen_socket.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/eventfd.h>

struct MHD_Daemon {
    MHD_AccessHandlerCallback on_access;
    void *access_context;
    MHD_RequestCompletedCallback on_completed;
    void *completed_context;
    MHD_NotifyConnectionCallback on_connection;
    void *connection_context;
    union MHD_DaemonInfo info;
};

struct MHD_Response {
    char *body;
    size_t len;
    bool is_json;
};

static struct MHD_Daemon the_daemon;
static struct MHD_Connection connections[HTTP_CONNECTIONS_MAX];
static struct fq_now clock_now = {1000000, 1800000000000000};

struct fq_now fq_clock_now(void) {
    return clock_now;
}

void http_clock_pass(int64_t us) {
    clock_now.boot_us += us;
    clock_now.wall_us += us;
}

int fq_listen_sockets(struct fq_address *address, int fds[FQ_LISTEN_SOCKET_MAX], size_t *ret_count,
                      char *error, size_t size) {
    (void)address, (void)error, (void)size;
    fds[0] = -1; // nobody looks at it
    *ret_count = 1;
    return 0;
}

// --- the daemon ---------------------------------------------------------------------------------------------------------
struct MHD_Daemon *MHD_start_daemon(unsigned int flags, uint16_t port, MHD_AcceptPolicyCallback on_accept,
                                    void *accept_context, MHD_AccessHandlerCallback on_access,
                                    void *access_context, ...) {
    (void)flags, (void)port, (void)on_accept, (void)accept_context;
    the_daemon.on_access = on_access;
    the_daemon.access_context = access_context;
    if (the_daemon.info.epoll_fd == 0)
        the_daemon.info.epoll_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    va_list list;
    va_start(list, access_context);
    for (enum MHD_OPTION option; (option = va_arg(list, enum MHD_OPTION)) != MHD_OPTION_END;) {
        switch (option) {
        case MHD_OPTION_NOTIFY_COMPLETED:
            the_daemon.on_completed = va_arg(list, MHD_RequestCompletedCallback);
            the_daemon.completed_context = va_arg(list, void *);
            break;
        case MHD_OPTION_NOTIFY_CONNECTION:
            the_daemon.on_connection = va_arg(list, MHD_NotifyConnectionCallback);
            the_daemon.connection_context = va_arg(list, void *);
            break;
        case MHD_OPTION_LISTEN_SOCKET: (void)va_arg(list, int); break;
        case MHD_OPTION_CONNECTION_LIMIT:
        case MHD_OPTION_CONNECTION_TIMEOUT: (void)va_arg(list, unsigned); break;
        case MHD_OPTION_CONNECTION_MEMORY_LIMIT: (void)va_arg(list, size_t); break;
        default: FQ_ASSERT(false); // an option that nobody here knows the arguments of
        }
    }
    va_end(list);
    return &the_daemon;
}

const union MHD_DaemonInfo *MHD_get_daemon_info(struct MHD_Daemon *daemon, enum MHD_DaemonInfoType type,
                                                ...) {
    (void)type;
    return &daemon->info;
}

static void end(struct MHD_Connection *connection) {
    the_daemon.on_completed(the_daemon.completed_context, connection, &connection->slot,
                            connection->status != 0 ? MHD_REQUEST_TERMINATED_COMPLETED_OK
                                                    : MHD_REQUEST_TERMINATED_WITH_ERROR);
    the_daemon.on_connection(the_daemon.connection_context, connection, &connection->visitor,
                             MHD_CONNECTION_NOTIFY_CLOSED);
    connection->is_used = false;
}

void MHD_stop_daemon(struct MHD_Daemon *daemon) {
    (void)daemon;
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        FQ_ASSERT(!connections[i].is_used); // all have been answered
}

enum MHD_Result MHD_get_timeout(struct MHD_Daemon *daemon, MHD_UNSIGNED_LONG_LONG *ret_ms) {
    (void)daemon, (void)ret_ms;
    return MHD_NO;
}

// The access handler with nothing more to upload: it answers, waits for the core, or gives up.
static void ask(struct MHD_Connection *connection) {
    size_t none = 0;
    enum MHD_Result result =
        the_daemon.on_access(the_daemon.access_context, connection, connection->url, connection->method,
                             "HTTP/1.1", NULL, &none, &connection->slot);
    if (result == MHD_NO || connection->status != 0)
        end(connection);
}

enum MHD_Result MHD_run(struct MHD_Daemon *daemon) {
    (void)daemon;
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        if (connections[i].is_used && !connections[i].is_suspended)
            ask(&connections[i]);
    return MHD_YES;
}

void MHD_suspend_connection(struct MHD_Connection *connection) {
    FQ_ASSERT(!connection->is_suspended);
    connection->is_suspended = true;
}

void MHD_resume_connection(struct MHD_Connection *connection) {
    FQ_ASSERT(connection->is_suspended);
    connection->is_suspended = false;
}

// --- what a request says ------------------------------------------------------------------------------------------------
static struct http_pair *pairs_of(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                                  size_t *ret_count) {
    bool is_header = kind == MHD_HEADER_KIND;
    *ret_count = is_header ? connection->header_count : connection->argument_count;
    return is_header ? connection->headers : connection->arguments;
}

const char *MHD_lookup_connection_value(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                                        const char *name) {
    size_t count;
    const struct http_pair *pairs = pairs_of(connection, kind, &count);
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(pairs[i].name, name) == 0)
            return pairs[i].has_value ? pairs[i].value : NULL;
    return NULL;
}

int MHD_get_connection_values(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                              MHD_KeyValueIterator each, void *context) {
    size_t count;
    const struct http_pair *pairs = pairs_of(connection, kind, &count);
    for (size_t i = 0; i < count; i++)
        if (each(context, kind, pairs[i].name, pairs[i].has_value ? pairs[i].value : NULL) == MHD_NO)
            return (int)i + 1;
    return (int)count;
}

const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *connection,
                                                        enum MHD_ConnectionInfoType type, ...) {
    static union MHD_ConnectionInfo info;
    switch (type) {
    case MHD_CONNECTION_INFO_SOCKET_CONTEXT: info.socket_context = connection->visitor; return &info;
    case MHD_CONNECTION_INFO_CONNECTION_FD: info.connect_fd = -1; return &info;
    default: return NULL;
    }
}

// --- answers ------------------------------------------------------------------------------------------------------------
struct MHD_Response *MHD_create_response_from_buffer(size_t size, void *buffer,
                                                     enum MHD_ResponseMemoryMode mode) {
    FQ_ASSERT(mode == MHD_RESPMEM_MUST_COPY);
    struct MHD_Response *response = calloc(1, sizeof *response);
    FQ_ASSERT(response != NULL && (response->body = malloc(size > 0 ? size : 1)) != NULL);
    if (size > 0)
        memcpy(response->body, buffer, size);
    response->len = size;
    return response;
}

enum MHD_Result MHD_add_response_header(struct MHD_Response *response, const char *name, const char *value) {
    FQ_ASSERT(strpbrk(name, "\r\n") == NULL && strpbrk(value, "\r\n") == NULL);
    if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_TYPE) == 0)
        response->is_json = strcmp(value, "application/json") == 0;
    return MHD_YES;
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned int status,
                                   struct MHD_Response *response) {
    FQ_ASSERT(connection->status == 0 && status >= 200 && status < 600);
    connection->status = (int)status;
    if (response->is_json) {
        json_t *value = json_loadb(response->body, response->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        FQ_ASSERT(value != NULL && status != 500);
        json_decref(value);
    }
    return MHD_YES;
}

void MHD_destroy_response(struct MHD_Response *response) {
    free(response->body);
    free(response);
}

// --- the fuzzer's side --------------------------------------------------------------------------------------------------
struct MHD_Connection *http_connection_new(void) {
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        if (connections[i].is_used)
            continue;
        memset(&connections[i], 0, sizeof connections[i]);
        connections[i].is_used = true;
        the_daemon.on_connection(the_daemon.connection_context, &connections[i], &connections[i].visitor,
                                 MHD_CONNECTION_NOTIFY_STARTED);
        return &connections[i];
    }
    return NULL;
}

void http_connection_serve(struct MHD_Connection *connection) {
    size_t none = 0, half = connection->body.len / 2;
    const size_t parts[] = {half, connection->body.len - half};
    const char *at = connection->body.ptr;
    enum MHD_Result result =
        the_daemon.on_access(the_daemon.access_context, connection, connection->url, connection->method,
                             "HTTP/1.1", NULL, &none, &connection->slot);
    for (int i = 0; i < 2 && result == MHD_YES; i++) {
        size_t left = parts[i];
        if (left > 0)
            result = the_daemon.on_access(the_daemon.access_context, connection, connection->url,
                                          connection->method, "HTTP/1.1", at, &left, &connection->slot);
        FQ_ASSERT(left == 0 || result == MHD_NO);
        at += parts[i];
    }
    if (result == MHD_YES)
        ask(connection);
    else
        end(connection);
}

int http_suspended_count(void) {
    int count = 0;
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        count += connections[i].is_used && connections[i].is_suspended;
    return count;
}
