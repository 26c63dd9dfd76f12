// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/prometheus_server.h"

#include <dlfcn.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 32, CONNECTION_SECONDS = 15 };

// What is used of libmicrohttpd.
struct library {
    void *handle;
    __typeof__(&MHD_start_daemon) start_daemon;
    __typeof__(&MHD_stop_daemon) stop_daemon;
    __typeof__(&MHD_get_daemon_info) get_daemon_info;
    __typeof__(&MHD_create_response_from_buffer) create_response;
    __typeof__(&MHD_add_response_header) add_header;
    __typeof__(&MHD_queue_response) queue_response;
    __typeof__(&MHD_destroy_response) destroy_response;
    __typeof__(&MHD_lookup_connection_value) lookup_value;
};

struct otel_prometheus_server {
    struct library library;
    struct MHD_Daemon *daemon;
    otel_meter_provider *provider;
    size_t reader;
    pthread_mutex_t lock; // families
    otel_prometheus_families *families;
    uint16_t port;
};

static bool load(struct library *library) {
    library->handle = dlopen("libmicrohttpd.so.12", RTLD_NOW | RTLD_LOCAL);
    if (library->handle == NULL)
        return false;
    const struct {
        const char *name;
        void **place;
    } symbols[] = {
        {"MHD_start_daemon",                (void **)&library->start_daemon    },
        {"MHD_stop_daemon",                 (void **)&library->stop_daemon     },
        {"MHD_get_daemon_info",             (void **)&library->get_daemon_info },
        {"MHD_create_response_from_buffer", (void **)&library->create_response },
        {"MHD_add_response_header",         (void **)&library->add_header      },
        {"MHD_queue_response",              (void **)&library->queue_response  },
        {"MHD_destroy_response",            (void **)&library->destroy_response},
        {"MHD_lookup_connection_value",     (void **)&library->lookup_value    },
    };
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        *symbols[i].place = dlsym(library->handle, symbols[i].name);
        if (*symbols[i].place == NULL)
            return false;
    }
    return true;
}

// --- answering -------------------------------------------------------------------------------------------------------
static int make_page(otel_prometheus_server *server, enum otel_prometheus_format format, fq_buf *page) {
    fq_buf bytes = {0};
    size_t points;
    pthread_mutex_lock(&server->lock);
    int error = otel_meter_provider_collect(server->provider, server->reader, &bytes, &points);
    if (error == 0)
        error = otel_prometheus_families_take(server->families, fq_buf_str(&bytes).ptr, fq_buf_len(&bytes));
    if (error == 0)
        error = otel_prometheus_families_write(server->families, format, page);
    pthread_mutex_unlock(&server->lock);
    fq_buf_done(&bytes);
    return error;
}

static enum MHD_Result answer(const otel_prometheus_server *server, struct MHD_Connection *connection,
                              unsigned status, const char *type, fq_str body) {
    struct MHD_Response *response =
        server->library.create_response(body.len, (void *)(uintptr_t)body.ptr, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    (void)server->library.add_header(response, "Content-Type", type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)server->library.add_header(response, "Allow", "GET, HEAD");
    enum MHD_Result result = server->library.queue_response(connection, status, response);
    server->library.destroy_response(response);
    return result;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload, size_t *upload_len,
                              void **request) {
    otel_prometheus_server *server = context;
    (void)version, (void)upload, (void)request;
    *upload_len = 0;
    static const char text[] = "text/plain; charset=utf-8";
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return answer(server, connection, MHD_HTTP_METHOD_NOT_ALLOWED, text, FQ_STR("only GET\n"));
    if (strcmp(url, "/metrics") != 0)
        return answer(server, connection, MHD_HTTP_NOT_FOUND, text, FQ_STR("the page is /metrics\n"));
    const char *accept = server->library.lookup_value(connection, MHD_HEADER_KIND, "Accept");
    enum otel_prometheus_format format = otel_prometheus_negotiate(fq_str_of(accept));
    fq_buf page = {0};
    enum MHD_Result result =
        make_page(server, format, &page) == 0
            ? answer(server, connection, MHD_HTTP_OK, otel_prometheus_content_type(format), fq_buf_str(&page))
            : answer(server, connection, MHD_HTTP_INTERNAL_SERVER_ERROR, text,
                     FQ_STR("no metrics could be collected\n"));
    fq_buf_done(&page);
    return result;
}

// --- life ------------------------------------------------------------------------------------------------------------
static struct MHD_Daemon *start(otel_prometheus_server *server, const struct addrinfo *address) {
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO;
    if (address->ai_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    sigset_t all, before;
    sigfillset(&all); // its thread inherits the mask: signals are the program's
    pthread_sigmask(SIG_SETMASK, &all, &before);
    struct MHD_Daemon *daemon = server->library.start_daemon(
        flags, 0, NULL, NULL, handle, server, MHD_OPTION_SOCK_ADDR, address->ai_addr,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)CONNECTION_SECONDS, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return daemon;
}

// The first of the host's addresses that can be had.
static bool listen_on(otel_prometheus_server *server, const char *host, uint16_t port) {
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
                    *addresses = NULL;
    if (getaddrinfo(host, service, &hints, &addresses) != 0)
        return false;
    for (const struct addrinfo *one = addresses; one != NULL && server->daemon == NULL; one = one->ai_next)
        server->daemon = start(server, one);
    freeaddrinfo(addresses);
    if (server->daemon == NULL)
        return false;
    const union MHD_DaemonInfo *info =
        server->library.get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    server->port = info != NULL ? info->port : port;
    return true;
}

otel_prometheus_server *otel_prometheus_server_new(const struct otel_prometheus_server_options *options,
                                                   char *reason, size_t reason_size) {
    const char *host = options->host != NULL ? options->host : "localhost";
    otel_prometheus_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        snprintf(reason, reason_size, "out of memory");
        return NULL;
    }
    server->provider = options->provider;
    server->reader = options->reader;
    pthread_mutex_init(&server->lock, NULL);
    server->families = otel_prometheus_families_new(&options->naming);
    bool is_loaded = load(&server->library);
    if (server->families != NULL && is_loaded && listen_on(server, host, options->port))
        return server;
    if (!is_loaded)
        snprintf(reason, reason_size, "libmicrohttpd.so.12 is missing: install the package libmicrohttpd12");
    else
        snprintf(reason, reason_size,
                 "cannot listen on %s:%u: set OTEL_EXPORTER_PROMETHEUS_HOST and "
                 "OTEL_EXPORTER_PROMETHEUS_PORT to an "
                 "address that is free",
                 host, options->port);
    return otel_prometheus_server_free(server);
}

uint16_t otel_prometheus_server_port(const otel_prometheus_server *server) {
    return server != NULL ? server->port : 0;
}

otel_prometheus_server *otel_prometheus_server_free(otel_prometheus_server *server) {
    if (server == NULL)
        return NULL;
    if (server->daemon != NULL)
        server->library.stop_daemon(server->daemon);
    otel_prometheus_families_free(server->families);
    pthread_mutex_destroy(&server->lock);
    if (server->library.handle != NULL)
        dlclose(server->library.handle);
    free(server);
    return NULL;
}

void otel_prometheus_server_fork_child(otel_prometheus_server *server) {
    if (server == NULL || server->daemon == NULL)
        return;
    static const enum MHD_DaemonInfoType descriptors[] = {MHD_DAEMON_INFO_LISTEN_FD,
                                                          MHD_DAEMON_INFO_EPOLL_FD};
    for (size_t i = 0; i < sizeof descriptors / sizeof descriptors[0]; i++) {
        const union MHD_DaemonInfo *info = server->library.get_daemon_info(server->daemon, descriptors[i]);
        if (info != NULL) // an int, whichever was asked for
            close(info->listen_fd);
    }
    // Its thread is the parent's: it cannot be ended here, only forgotten.
    server->daemon = NULL;
    pthread_mutex_init(&server->lock, NULL);
}
