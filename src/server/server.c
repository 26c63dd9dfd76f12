// SPDX-License-Identifier: Apache-2.0
// Composition root: opens store, core, listeners, admin port and children, turns the loop, and ends in order.
//
//   starting -> serving -> (first signal) draining -> (drained, second signal or time over) stopped
#include "server/server.h"

#include "fastqueue/version.h"
#include "net/clock.h"
#include "net/notify.h"
#include "net/process_use.h"
#include "server/access.h"
#include "server/admin_http.h"
#include "server/compactor_child.h"
#include "server/core.h"
#include "server/exit_code.h"
#include "server/leadership.h"
#include "server/metrics.h"
#include "server/own_worker.h"
#include "server/privileges.h"
#include "server/store.h"
#include "server/telemetry.h"
#include "server/transport.h"
#include "server/watchdog.h"
#include "telemetry/telemetry.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    SIGNAL_COUNT = 3,
    BESIDE_PAYLOAD = 64 << 10,      // of a record
    FILES_BESIDE_CONNECTIONS = 128, // journal, listeners, admin connections, loop
    DRAIN_LOOK_US = 50 * FQ_US_PER_MS,
};

struct server {
    struct fq_server_options options; // with what was corrected at the start
    const char *server_id;
    fq_loop loop;
    struct fq_access access;
    struct fq_privileges privileges;
    struct fq_watchdog watchdog;
    struct fq_store store;
    fq_leadership *leadership;  // NULL: the journal is nobody else's
    fq_engine *standby_engine;  // empty, the core's until this one leads
    struct fq_shard_map shards; // of which this is one; empty while it is not known
    uint64_t shards_revision;
    char advertised[FQ_LEADER_ADDRESS_MAX];
    fq_core *core;
    fq_metrics *metrics;
    fq_server_telemetry *telemetry; // NULL = off
    fq_transports *transports;
    fq_admin_http *http;
    fq_compactor_child *compactor;
    fq_own_worker *own_worker;
    uv_signal_t signals[SIGNAL_COUNT];
    int64_t started_us; // wall
    bool is_draining, is_stopping;
    int64_t drain_until_us; // boot
    int exit_code;
};

static void activate(struct server *server, struct fq_now now);

static void stop(struct server *server, int exit_code) {
    server->exit_code = exit_code;
    server->is_stopping = true;
    fq_loop_stop(&server->loop);
}

// --- the turn -----------------------------------------------------------------------------------------------------------------

// Nothing more may leave: no reply, no destructor that could flush one, no retry on a disk that has lied.
static _Noreturn void die_of_disk(const struct server *server) {
    const char *why = server->store.journal != NULL ? fq_journal_error(server->store.journal) : "";
    fq_log_write(server->options.log, FQ_LOG_ERROR, "journal failed, ending at once: %s", why);
    bool deposed = server->store.journal != NULL && fq_journal_failure(server->store.journal) == FQ_ELOCKED;
    _exit(deposed ? FQ_SERVER_LOCKED : FQ_SERVER_DISK);
}

static int64_t earlier(int64_t a_us, int64_t b_us) {
    return a_us < b_us ? a_us : b_us;
}

static int64_t drain_step(struct server *server, struct fq_now now) {
    if (!server->is_draining)
        return FQ_NEVER_US;
    bool is_done = fq_core_is_drained(server->core, now) && !fq_own_worker_is_running(server->own_worker);
    if (is_done || now.boot_us >= server->drain_until_us)
        stop(server, FQ_SERVER_OK);
    return earlier(now.boot_us + DRAIN_LOOK_US, server->drain_until_us);
}

static int64_t watchdog_step(struct server *server, struct fq_now now) {
    // A log that others keep may be silent for as long as they are; ending would not help.
    const fq_journal *journal = server->leadership == NULL ? server->store.journal : NULL;
    uint64_t last = journal != NULL ? fq_journal_last_seq(journal) : 0;
    uint64_t durable = journal != NULL ? fq_journal_durable_seq(journal) : 0;
    return fq_watchdog_step(&server->watchdog, last, durable, now);
}

// Nothing more may leave: what it would rest on is another's to write now.
static _Noreturn void die_deposed(const struct server *server, const struct fq_leader *leader) {
    fq_log_write(server->options.log, FQ_LOG_ERROR,
                 "leader %s at %s leads now; ending at once, what was acknowledged is in the log", leader->id,
                 leader->address);
    _exit(FQ_SERVER_LOCKED);
}

static void look_who_leads(struct server *server, struct fq_now now) {
    struct fq_leader leader;
    if (fq_leadership_shards(server->leadership, &server->shards, &server->shards_revision))
        fq_log_write(server->options.log, FQ_LOG_INFO, "shards version=%u known=%zu this=%d",
                     (unsigned)server->shards.version, server->shards.count, (int)server->options.shard);
    switch (fq_leadership_look(server->leadership, &leader)) {
    case FQ_LEADERSHIP_FOLLOWING:
        fq_core_set_leader(server->core, leader.is_active ? leader.address : "");
        break;
    case FQ_LEADERSHIP_WON:
        if (fq_core_is_standby(server->core))
            activate(server, now);
        break;
    case FQ_LEADERSHIP_LOST: die_deposed(server, &leader);
    case FQ_LEADERSHIP_FAILED: stop(server, fq_leadership_exit_code(server->leadership)); break;
    }
}

static int64_t on_turn(void *context, struct fq_now now) {
    struct server *server = context;
    if (server->leadership != NULL)
        look_who_leads(server, now);
    if (server->store.journal != NULL) {
        fq_journal_poll(server->store.journal, now);
        fq_core_on_durable(server->core, now);
    }
    fq_core_turn(server->core, now);
    if (fq_core_failed(server->core))
        die_of_disk(server);
    fq_transports_flush(server->transports, now);
    fq_server_telemetry_step(server->telemetry, now);
    if (server->compactor != NULL)
        fq_compactor_child_step(server->compactor, now);
    int64_t at_us = earlier(fq_core_deadline(server->core, now), fq_transports_deadline(server->transports));
    if (server->http != NULL)
        at_us = earlier(at_us, fq_admin_http_turn(server->http, now));
    if (server->own_worker != NULL)
        at_us = earlier(at_us, fq_own_worker_step(server->own_worker, now));
    at_us = earlier(at_us, watchdog_step(server, now));
    return earlier(at_us, drain_step(server, now));
}

static void wake(void *context) {
    fq_loop_wake(context);
}

// --- signals ------------------------------------------------------------------------------------------------------------------

static void begin_drain(struct server *server, struct fq_now now) {
    server->is_draining = true;
    server->drain_until_us = fq_time_add(now.boot_us, server->options.drain_timeout_ms * FQ_US_PER_MS);
    fq_log_write(
        server->options.log, FQ_LOG_INFO,
        "server draining: workers finish what runs, submits are refused; at most %lld s, a second signal "
        "ends at once",
        (long long)(server->options.drain_timeout_ms / 1000));
    fq_notify("STOPPING=1");
    fq_core_drain(server->core, now);
    if (server->own_worker != NULL)
        fq_own_worker_drain(server->own_worker);
}

static void on_end_signal(uv_signal_t *handle, int number) {
    (void)number;
    struct server *server = handle->data;
    if (server->is_draining)
        stop(server, FQ_SERVER_OK);
    else
        begin_drain(server, fq_loop_now(&server->loop));
}

static void on_reload_signal(uv_signal_t *handle, int number) {
    (void)number;
    struct server *server = handle->data;
    char error[512];
    struct fq_access fresh;
    if (fq_access_reload(&server->options, &server->access, &fresh, error, sizeof error) < 0) {
        fq_log_write(server->options.log, FQ_LOG_ERROR, "server users and certificates stay as they were: %s",
                     error);
        return;
    }
    fq_core_set_credentials(server->core, fresh.credentials, fq_loop_now(&server->loop));
    fq_transports_set_tls(server->transports, fresh.tls);
    if (server->http != NULL)
        fq_admin_http_set_credentials(server->http, fresh.credentials);
    fq_access_done(&server->access);
    server->access = fresh;
    fq_log_write(server->options.log, FQ_LOG_INFO, "server users and certificates were read anew");
}

static bool start_signals(struct server *server) {
    static const int numbers[SIGNAL_COUNT] = {SIGTERM, SIGINT, SIGHUP};
    signal(SIGPIPE, SIG_IGN);
    // Nothing asks for these; one that strays from a log rotation's script shall end nobody's queue.
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        uv_signal_cb callback = numbers[i] == SIGHUP ? on_reload_signal : on_end_signal;
        if (uv_signal_init(&server->loop.uv, &server->signals[i]) < 0)
            return false;
        server->signals[i].data = server;
        if (uv_signal_start(&server->signals[i], callback, numbers[i]) < 0)
            return false;
    }
    return true;
}

// --- start --------------------------------------------------------------------------------------------------------------------

static int refuse(struct server *server, int exit_code, const char *text) {
    fq_log_write(server->options.log, FQ_LOG_ERROR, "server %s", text);
    return exit_code;
}

static void fit_into_open_files(struct server *server) {
    uint64_t files = fq_process_raise_open_files();
    if (files <= FILES_BESIDE_CONNECTIONS ||
        server->options.connection_max <= files - FILES_BESIDE_CONNECTIONS)
        return;
    server->options.connection_max = (uint32_t)(files - FILES_BESIDE_CONNECTIONS);
    fq_log_write(server->options.log, FQ_LOG_WARNING,
                 "server the limit of %llu open files allows %u connections; raise it (ulimit -n, "
                 "LimitNOFILE=) for more",
                 (unsigned long long)files, (unsigned)server->options.connection_max);
}

static int open_core(struct server *server) {
    uint64_t seed;
    if (uv_random(NULL, NULL, &seed, sizeof seed, 0, NULL) < 0)
        return refuse(server, FQ_SERVER_INTERNAL, "no randomness to be had");
    struct fq_telemetry_settings settings;
    fq_telemetry_settings_read(&settings, NULL, NULL, NULL);
    server->metrics = fq_metrics_new((uint32_t)settings.cardinality_limit);
    if (server->metrics == NULL)
        return refuse(server, FQ_SERVER_INTERNAL, "out of memory");
    struct fq_core_config config = {.options = &server->options,
                                    .engine = server->standby_engine != NULL ? server->standby_engine
                                                                             : server->store.engine,
                                    .journal = server->store.journal,
                                    .credentials = server->access.credentials,
                                    .seed = seed,
                                    .observer = fq_metrics_observer(server->metrics),
                                    .telemetry = fq_server_telemetry_hooks(server->telemetry),
                                    .cpu_use = fq_process_cpu,
                                    .is_standby = server->standby_engine != NULL,
                                    .shards = server->options.shard >= 0 ? &server->shards : NULL,
                                    .shard = (uint32_t)server->options.shard,
                                    .server_id = server->server_id};
    server->core = fq_core_new(&config);
    if (server->core == NULL || fq_core_start(server->core, fq_loop_now(&server->loop)) < 0)
        return refuse(server, FQ_SERVER_INTERNAL, "out of memory");
    fq_server_telemetry_attach(server->telemetry, server->core, server->metrics, wake, &server->loop);
    return 0;
}

// What others are told: what was asked for, else the first address that other machines can use.
static void advertise(struct server *server, const struct fq_address *bound) {
    if (server->advertised[0] != '\0' || bound->kind == FQ_ADDRESS_UNIX)
        return;
    bool any = strcmp(bound->host, "0.0.0.0") == 0 || strcmp(bound->host, "::") == 0;
    char host[FQ_ADDRESS_HOST_MAX + 1];
    if (!any || gethostname(host, sizeof host) < 0)
        snprintf(host, sizeof host, "%s", bound->host);
    host[sizeof host - 1] = '\0';
    if (server->options.advertise != NULL)
        snprintf(server->advertised, sizeof server->advertised, "%s", server->options.advertise);
    else
        snprintf(server->advertised, sizeof server->advertised,
                 strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, (unsigned)bound->port);
}

static int listen_on_all(struct server *server) {
    struct fq_transports_config config = {.loop = &server->loop,
                                          .core = server->core,
                                          .log = server->options.log,
                                          .tls = server->access.tls,
                                          .handshake_max = server->options.connection_unauth_max,
                                          .handshake_limit_us =
                                              server->options.auth_deadline_ms * FQ_US_PER_MS};
    server->transports = fq_transports_new(&config);
    if (server->transports == NULL)
        return refuse(server, FQ_SERVER_INTERNAL, "out of memory");
    for (size_t i = 0; i < server->access.listen_count; i++) {
        char error[256], text[FQ_ADDRESS_TEXT];
        struct fq_address bound;
        fq_address_format(&server->access.listen[i], text);
        if (fq_transports_listen(server->transports, &server->access.listen[i], error, sizeof error, &bound) <
            0) {
            fq_log_write(server->options.log, FQ_LOG_ERROR, "net cannot listen on %s: %s", text, error);
            return FQ_SERVER_UNAVAILABLE;
        }
        fq_address_format(&bound, text);
        fq_log_write(server->options.log, FQ_LOG_INFO, "net listening address=%s", text);
        advertise(server, &bound);
    }
    return 0;
}

static int open_http(struct server *server) {
    if (!server->access.has_http)
        return 0;
    char error[256], text[FQ_ADDRESS_TEXT];
    struct fq_admin_http_config config = {.loop = &server->loop,
                                          .core = server->core,
                                          .credentials = server->access.credentials,
                                          .metrics = server->metrics,
                                          .transports = server->transports,
                                          .telemetry = fq_server_telemetry_sdk(server->telemetry),
                                          .server_id = server->server_id,
                                          .body_bytes_max = server->options.payload_bytes_max * 2,
                                          .started_us = server->started_us,
                                          .address = server->access.http};
    fq_address_format(&config.address, text);
    if (fq_admin_http_open(&config, error, sizeof error, &server->http) == 0) {
        fq_address_format(fq_admin_http_address(server->http), text);
        fq_log_write(server->options.log, FQ_LOG_INFO, "http listening address=http://%s",
                     strstr(text, "://") + 3);
        return 0;
    }
    bool is_fatal = server->options.http_address_given;
    fq_log_write(server->options.log, is_fatal ? FQ_LOG_ERROR : FQ_LOG_WARNING,
                 "http cannot listen on %s: %s%s", strstr(text, "://") + 3, error,
                 is_fatal ? ""
                          : "; going on without it (--http-address HOST:PORT chooses another, off none)");
    return is_fatal ? FQ_SERVER_UNAVAILABLE : 0;
}

static void on_module_failed(void *context) {
    struct server *server = context;
    fq_log_write(server->options.log, FQ_LOG_ERROR, "worker the task modules cannot be loaded; ending");
    stop(server, FQ_SERVER_MODULE_FAILED);
}

static int start_children(struct server *server) {
    if (server->store.journal != NULL) {
        struct fq_compactor_child_config config = {.loop = &server->loop,
                                                   .journal = server->store.journal,
                                                   .data_dir = server->store.path,
                                                   .options = &server->options,
                                                   .program = server->options.program,
                                                   .log = server->options.log};
        server->compactor = fq_compactor_child_new(&config);
        if (server->compactor == NULL)
            return refuse(server, FQ_SERVER_INTERNAL, "out of memory");
    }
    if (server->options.subworker_arg_count == 0)
        return 0;
    struct fq_own_worker_config config = {
        .loop = &server->loop,
        .options = &server->options,
        .token = fq_credentials_is_empty(server->access.credentials) ? "" : server->access.own_token,
        .on_module_failed = on_module_failed,
        .context = server};
    server->own_worker = fq_own_worker_start(&config);
    return server->own_worker != NULL ? 0 : refuse(server, FQ_SERVER_INTERNAL, "out of memory");
}

static void log_store(const struct server *server) {
    const fq_log *log = server->options.log;
    if (server->store.journal == NULL) {
        fq_log_write(log, FQ_LOG_WARNING,
                     "store memory only: every task is lost when this process ends (--data-dir none)");
        return;
    }
    if (server->leadership != NULL) {
        fq_log_write(
            log, FQ_LOG_INFO,
            "store journal=%s durability=replicated, not fsynced (most of the nats-servers have what is "
            "acknowledged; on their disks only where all are 2.10 or newer with sync_interval: always) "
            "recovered_tasks=%llu recovery_ms=%lld",
            server->store.path, (unsigned long long)server->store.recovered,
            (long long)(server->store.recovery_us / FQ_US_PER_MS));
        return;
    }
    bool is_relaxed = server->options.durability == FQ_DURABILITY_RELAXED;
    fq_log_write(log, FQ_LOG_INFO, "store data_dir=%s durability=%s recovered_tasks=%llu recovery_ms=%lld",
                 server->store.path, is_relaxed ? "relaxed (a power cut may lose the last 100 ms)" : "sync",
                 (unsigned long long)server->store.recovered,
                 (long long)(server->store.recovery_us / FQ_US_PER_MS));
}

static void warn_of_exposure(const struct server *server, const struct fq_address *address) {
    char text[FQ_ADDRESS_TEXT];
    fq_address_format(address, text);
    if (fq_address_is_local(address))
        return;
    if (fq_credentials_is_empty(server->access.credentials))
        fq_log_write(server->options.log, FQ_LOG_WARNING,
                     "net %s has no credentials: whoever reaches it can run tasks on the workers", text);
    else if (address->kind == FQ_ADDRESS_TCP)
        fq_log_write(server->options.log, FQ_LOG_WARNING, "net %s sends tokens and payloads unencrypted",
                     text);
}

static void log_limits(const struct server *server) {
    const struct fq_server_options *options = &server->options;
    fq_log_write(options->log, FQ_LOG_INFO,
                 "limits connections=%u payload_bytes=%llu result_bytes=%llu tasks=%llu task_bytes=%llu",
                 options->connection_max, (unsigned long long)options->payload_bytes_max,
                 (unsigned long long)options->result_bytes_max,
                 (unsigned long long)options->engine.task_count_max,
                 (unsigned long long)options->engine.task_bytes_max);
    for (size_t i = 0; i < server->access.listen_count; i++)
        warn_of_exposure(server, &server->access.listen[i]);
    if (server->access.has_http)
        warn_of_exposure(server, &server->access.http);
}

static void warn_of_root(const struct server *server) {
    if (geteuid() == 0)
        fq_log_write(
            server->options.log, FQ_LOG_WARNING,
            "server runs as root, which it needs for nothing: name an unprivileged user with --run-as USER "
            "(or User= of the service)");
}

// Ports below 1024 are root's to open; nothing behind this line is.
static int open_doors(struct server *server) {
    fq_privileges_raise(&server->privileges);
    int code = listen_on_all(server);
    if (code == 0)
        code = open_http(server);
    fq_privileges_lower(&server->privileges);
    char error[256];
    if (fq_privileges_end(&server->privileges, error, sizeof error) < 0)
        return refuse(server, FQ_SERVER_INTERNAL, error);
    return code;
}

static int start_alone(struct server *server) {
    int code = fq_store_open(&server->options, wake, &server->loop, &server->store);
    if (code == 0)
        code = open_core(server);
    if (code == 0)
        log_store(server);
    if (code == 0)
        code = open_doors(server);
    if (code == 0)
        code = start_children(server);
    if (code != 0)
        return code;
    log_limits(server);
    fq_log_write(server->options.log, FQ_LOG_INFO, "server ready");
    fq_notify("READY=1");
    return 0;
}

// The doors open at once: who comes early is told who leads.
static int start_standby(struct server *server) {
    if (server->options.durability == FQ_DURABILITY_RELAXED)
        return refuse(server, FQ_SERVER_CONFIG,
                      "--durability relaxed is for a journal in a directory; leave it away");
    server->standby_engine = fq_engine_new(&server->options.engine);
    if (server->standby_engine == NULL)
        return refuse(server, FQ_SERVER_INTERNAL, "out of memory");
    int code = open_core(server);
    if (code == 0)
        code = open_doors(server);
    if (code != 0)
        return code;
    struct fq_leadership_config config = {.options = &server->options,
                                          .address = server->advertised,
                                          .id = server->server_id,
                                          .wake = wake,
                                          .context = &server->loop};
    server->leadership = fq_leadership_start(&config);
    if (server->leadership == NULL)
        return refuse(server, FQ_SERVER_INTERNAL, "out of memory or threads");
    log_limits(server);
    fq_log_write(server->options.log, FQ_LOG_INFO, "server standby address=%s", server->advertised);
    fq_notify("READY=1");
    return 0;
}

// A record, and so what it carries, has to fit a message of the log.
static void fit_into_messages(struct server *server) {
    uint64_t most = server->store.message_bytes_max > 2 * BESIDE_PAYLOAD
                        ? server->store.message_bytes_max - BESIDE_PAYLOAD
                        : BESIDE_PAYLOAD;
    struct fq_server_options *options = &server->options;
    if (options->payload_bytes_max <= most && options->result_bytes_max <= most)
        return;
    if (options->payload_bytes_max > most)
        options->payload_bytes_max = most;
    if (options->result_bytes_max > most)
        options->result_bytes_max = most;
    fq_log_write(options->log, FQ_LOG_INFO,
                 "limits payload_bytes=%llu result_bytes=%llu because the log's servers take messages of %u; "
                 "max_payload of "
                 "nats-server raises it",
                 (unsigned long long)options->payload_bytes_max,
                 (unsigned long long)options->result_bytes_max, (unsigned)server->store.message_bytes_max);
}

static void activate(struct server *server, struct fq_now now) {
    fq_leadership_take(server->leadership, &server->store);
    server->store.recovered = fq_store_live_tasks(&server->store);
    fit_into_messages(server);
    int code = 0;
    if (fq_core_activate(server->core, server->store.engine, server->store.journal, now) < 0)
        code = refuse(server, FQ_SERVER_INTERNAL, "out of memory");
    server->standby_engine = fq_engine_free(server->standby_engine);
    log_store(server);
    if (code == 0)
        code = start_children(server);
    if (code != 0)
        stop(server, code);
    else
        fq_log_write(server->options.log, FQ_LOG_INFO, "server ready, leading");
}

static int start(struct server *server) {
    fq_log_write(server->options.log, FQ_LOG_INFO, "server starting version=%s pid=%d id=%s", FQ_VERSION,
                 (int)getpid(), server->server_id);
    fit_into_open_files(server);
    // Own tasks may want sudo and its like; a server without any never gains a privilege again.
    if (server->options.subworker_arg_count == 0)
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    warn_of_root(server);
    return server->options.journal_url != NULL ? start_standby(server) : start_alone(server);
}

// --- end ----------------------------------------------------------------------------------------------------------------------

static void close_all(struct server *server) {
    fq_server_telemetry_detach(server->telemetry, fq_loop_now(&server->loop));
    server->own_worker = fq_own_worker_free(server->own_worker);
    server->compactor = fq_compactor_child_free(server->compactor);
    server->http = fq_admin_http_close(server->http);
    server->transports = fq_transports_free(server->transports);
    server->core = fq_core_free(server->core);
    // From here on a further signal would find no handler and change the exit code of a stop that is done.
    sigset_t late;
    sigemptyset(&late);
    sigaddset(&late, SIGTERM);
    sigaddset(&late, SIGINT);
    pthread_sigmask(SIG_BLOCK, &late, NULL);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        if (server->signals[i].data != NULL)
            uv_close((uv_handle_t *)&server->signals[i], NULL);
    // The journal's thread wakes the loop until it is closed.
    fq_store_close(&server->store);
    server->standby_engine = fq_engine_free(server->standby_engine);
    server->leadership = fq_leadership_end(server->leadership);
    fq_shard_map_done(&server->shards);
    fq_loop_done(&server->loop);
    server->metrics = fq_metrics_free(server->metrics);
    fq_access_done(&server->access);
}

// Reads what only root may be able to read, then becomes the user that does the rest.
static int take_identity(struct server *server) {
    unsigned char secret[32];
    char error[1024];
    uint64_t *seed = &server->options.engine.seed; // so that nobody can choose names that collide
    if (!server->options.allow_core_dumps) {
        fq_privileges_forbid_core_files();
        fq_privileges_hide_memory();
    }
    if (uv_random(NULL, NULL, secret, sizeof secret, 0, NULL) < 0 ||
        uv_random(NULL, NULL, seed, sizeof *seed, 0, NULL) < 0)
        return refuse(server, FQ_SERVER_INTERNAL, "no randomness to be had");
    if (fq_access_open(&server->options, secret, &server->access, error, sizeof error) < 0)
        return refuse(server, FQ_SERVER_CONFIG, error);
    explicit_bzero(secret, sizeof secret);
    if (fq_privileges_begin(server->options.run_as, &server->privileges, error, sizeof error) == 0)
        return 0;
    fq_access_done(&server->access);
    return refuse(server, FQ_SERVER_CONFIG, error);
}

static int run(struct server *server) {
    server->started_us = fq_clock_now().wall_us;
    if (fq_loop_init(&server->loop, on_turn, server) < 0) {
        fq_access_done(&server->access);
        return refuse(server, FQ_SERVER_INTERNAL, "the kernel gives no event loop");
    }
    fq_watchdog_init(&server->watchdog, fq_loop_now(&server->loop));
    int code = start_signals(server) ? start(server)
                                     : refuse(server, FQ_SERVER_INTERNAL, "signals cannot be received");
    if (code == 0) {
        fq_loop_run(&server->loop);
        code = server->exit_code;
        fq_log_write(server->options.log, FQ_LOG_INFO, "server stopped");
    }
    close_all(server);
    return code;
}

int fq_server_run(const struct fq_server_options *options) {
    struct server server = {.options = *options, .server_id = options->server_id};
    if (server.server_id == NULL)
        server.server_id = "control-plane";
    if (server.options.program == NULL)
        server.options.program = "/proc/self/exe";
    int refused = take_identity(&server);
    if (refused != 0)
        return refused;
    server.telemetry =
        fq_server_telemetry_open(options->log, server.server_id,
                                 options->journal_url != NULL ? "none" : options->data_dir, NULL, NULL);
    server.options.log = fq_server_telemetry_log(server.telemetry, options->log);
    int code = run(&server);
    fq_server_telemetry_free(server.telemetry);
    return code;
}
