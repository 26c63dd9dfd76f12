// SPDX-License-Identifier: Apache-2.0
// `fastqueue control-plane`: from options to fq_server_run.
#include "base/shard_map.h"
#include "cli/option.h"
#include "cli/secret_file.h"
#include "net/address.h"
#include "server/data_dir.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKER_ARGS_MAX = 32 };

struct own_worker {
    const char *args[WORKER_ARGS_MAX + 1];
    size_t count;
    char address[FQ_ADDRESS_TEXT], parent[16];
};

// Where a worker on this machine reaches us: a Unix socket if there is one, then plain TCP, then TLS.
static int choose_own_address(const struct fq_server_options *server, char text[FQ_ADDRESS_TEXT]) {
    static const int preference[] = {[FQ_ADDRESS_UNIX] = 3, [FQ_ADDRESS_TCP] = 2, [FQ_ADDRESS_TLS] = 1};
    struct fq_address best = {0};
    int best_preference = 0;
    for (size_t i = 0; i < server->listen_count; i++) {
        struct fq_address address;
        const char *reason = "";
        if (fq_address_parse(fq_str_of(server->listen[i]), &address, &reason) < 0) {
            fprintf(stderr, "fastqueue: cannot listen at that address: %s\n", reason);
            return FQ_EINVALID;
        }
        if (preference[address.kind] > best_preference) {
            best = address;
            best_preference = preference[address.kind];
        }
    }
    bool any = strcmp(best.host, "0.0.0.0") == 0 || strcmp(best.host, "*") == 0;
    if (any)
        snprintf(best.host, sizeof best.host, "127.0.0.1");
    else if (strcmp(best.host, "::") == 0)
        snprintf(best.host, sizeof best.host, "::1");
    fq_address_format(&best, text);
    return 0;
}

// With TLS alone the own worker would need a certificate that names this machine's loopback address; it gets a socket in
// the data directory, which nobody else may enter, instead. NULL where there is no such place: then it takes TLS.
static const char **add_own_listener(struct fq_server_options *server,
                                     char address[FQ_ADDRESS_PATH_MAX + 8]) {
    char path[FQ_ADDRESS_PATH_MAX], error[256];
    struct fq_address listen;
    const char *reason;
    for (size_t i = 0; i < server->listen_count; i++) {
        bool tls = fq_address_parse(fq_str_of(server->listen[i]), &listen, &reason) == 0 &&
                   listen.kind == FQ_ADDRESS_TLS;
        if (!tls)
            return NULL;
    }
    bool in_memory = server->data_dir != NULL && strcmp(server->data_dir, "none") == 0;
    if (in_memory || server->journal_url != NULL || // which leaves the directory alone
        fq_data_dir_find(server->data_dir, path, sizeof path, error, sizeof error) < 0)
        return NULL;
    int len = snprintf(address, FQ_ADDRESS_PATH_MAX + 8, "unix://%s/worker.sock", path);
    const char **all = calloc(server->listen_count + 1, sizeof *all);
    if (all == NULL || len > FQ_ADDRESS_PATH_MAX + 7) {
        free(all);
        return NULL;
    }
    memcpy(all, server->listen, server->listen_count * sizeof *all);
    all[server->listen_count++] = address;
    server->listen = all;
    return all;
}

static void add_arg(struct own_worker *worker, const char *flag, const char *value) {
    if (worker->count + 2 <= WORKER_ARGS_MAX) {
        worker->args[worker->count++] = flag;
        worker->args[worker->count++] = value;
    }
}

// The own worker inherits the environment, so only what flags say is handed on.
static const char **make_worker_args(const struct fq_options *options, struct own_worker *worker,
                                     size_t *ret_count) {
    static const struct {
        enum fq_option option;
        const char *flag;
    } handed_on[] = {
        {FQ_OPTION_CONCURRENCY,          "--concurrency"         },
        {FQ_OPTION_ASYNC_CONCURRENCY,    "--async-concurrency"   },
        {FQ_OPTION_PYTHON,               "--python"              },
        {FQ_OPTION_MAX_TASKS_PER_CHILD,  "--max-tasks-per-child" },
        {FQ_OPTION_MAX_MEMORY_PER_CHILD, "--max-memory-per-child"},
        {FQ_OPTION_TASK_TIMEOUT,         "--task-timeout"        },
        {FQ_OPTION_KILL_GRACE,           "--kill-grace"          },
        {FQ_OPTION_DRAIN_TIMEOUT,        "--drain-timeout"       },
        {FQ_OPTION_ALLOW_PICKLE,         "--allow-pickle"        },
        {FQ_OPTION_TLS_CA,               "--tls-ca"              },
        {FQ_OPTION_LOG_FORMAT,           "--log-format"          },
        {FQ_OPTION_LOG_LEVEL,            "--log-level"           },
    };
    // An own worker that outlived a killed control plane would hold the worker id against its successor.
    snprintf(worker->parent, sizeof worker->parent, "%d", (int)getpid());
    add_arg(worker, "--parent", worker->parent);
    add_arg(worker, "--control-plane-address", worker->address);
    add_arg(worker, "--worker-id", fq_option_text(options, FQ_OPTION_SERVER_WORKER_ID));
    for (size_t i = 0; i < sizeof handed_on / sizeof handed_on[0]; i++) {
        const struct fq_option_value *value = &options->values[handed_on[i].option];
        bool boolean = fq_option_row(handed_on[i].option)->type == FQ_OPTION_TYPE_BOOLEAN;
        if (value->origin == FQ_ORIGIN_FLAG && boolean)
            worker->args[worker->count++] = handed_on[i].flag;
        else if (value->origin == FQ_ORIGIN_FLAG)
            add_arg(worker, handed_on[i].flag, value->text);
    }
    const struct fq_option_value *modules = &options->values[FQ_OPTION_TASK_MODULES];
    const char **args = calloc(worker->count + 1 + modules->item_count, sizeof *args);
    if (args == NULL)
        return NULL;
    memcpy(args, worker->args, worker->count * sizeof *args);
    size_t count = worker->count;
    args[count++] = "--task-modules";
    for (size_t i = 0; i < modules->item_count; i++)
        args[count++] = modules->items[i];
    *ret_count = count;
    return args;
}

static void fill_engine(const struct fq_options *options, struct fq_engine_config *engine) {
#define NUMBER(option) fq_option_number(options, FQ_OPTION_##option)
    engine->lease_ms = NUMBER(LEASE);
    engine->worker_silence_ms = NUMBER(LEASE);
    engine->restart_grace_ms = NUMBER(RESTART_GRACE);
    engine->default_result_ttl_ms = NUMBER(RESULT_CACHE_TTL);
    engine->result_bytes_max = (uint64_t)NUMBER(RESULT_CACHE_BYTES);
    engine->result_count_max = (uint64_t)NUMBER(RESULT_CACHE_SIZE);
    engine->task_count_max = (uint64_t)NUMBER(MAX_TASKS);
    engine->task_bytes_max = (uint64_t)NUMBER(MAX_TASK_BYTES);
    engine->name_count_max = (uint32_t)NUMBER(MAX_NAMES);
    engine->worker_count_max = (uint32_t)NUMBER(MAX_WORKERS);
    engine->crash_max = (uint32_t)NUMBER(MAX_CRASHES);
    engine->loss_max = (uint32_t)NUMBER(MAX_LOSSES);
    engine->attempt_max = (uint32_t)NUMBER(MAX_RETRIES);
    engine->backoff_base_ms = NUMBER(SERVER_BACKOFF);
    engine->backoff_max_ms = NUMBER(BACKOFF_MAX);
    engine->ledger_count_min = (uint64_t)NUMBER(ID_MEMORY_COUNT);
    engine->ledger_age_min_ms = NUMBER(ID_MEMORY);
    engine->dead_count_max = (uint64_t)NUMBER(MAX_DEAD);
}

// "N" or "N/COUNT". False: it is neither.
static bool read_shard(const char *text, struct fq_server_options *server) {
    if (text == NULL)
        return true;
    const char *slash = strchr(text, '/');
    fq_str number_text = {text, slash != NULL ? (size_t)(slash - text) : strlen(text)};
    uint64_t number, count = 0;
    if (fq_str_to_uint64(number_text, &number) < 0 || number >= FQ_SHARDS_MAX ||
        (slash != NULL &&
         (fq_str_to_uint64(fq_str_of(slash + 1), &count) < 0 || count > FQ_SHARDS_MAX || count <= number)))
        return false;
    server->shard = (int32_t)number;
    server->shards_at_founding = (uint32_t)count;
    return true;
}

static void fill_server(const struct fq_options *options, struct fq_server_options *server) {
    const struct fq_option_value *listen = &options->values[FQ_OPTION_LISTEN];
    bool several = listen->item_count > 0;
    server->listen = several ? listen->items : &options->values[FQ_OPTION_BASE_ADDRESS].text;
    server->listen_count = several ? listen->item_count : 1;
    server->http_address = fq_option_text(options, FQ_OPTION_HTTP_ADDRESS);
    server->http_address_given = options->values[FQ_OPTION_HTTP_ADDRESS].origin > FQ_ORIGIN_DEFAULT;
    server->data_dir = fq_option_text(options, FQ_OPTION_DATA_DIR);
    server->journal_url = fq_option_text(options, FQ_OPTION_JOURNAL_URL);
    server->journal_credentials = fq_option_text(options, FQ_OPTION_JOURNAL_CREDENTIALS);
    server->journal_ca = fq_option_text(options, FQ_OPTION_JOURNAL_CA);
    server->advertise = fq_option_text(options, FQ_OPTION_ADVERTISE);
    server->allow_volatile = NUMBER(ALLOW_VOLATILE) != 0;
    server->allow_pickle = NUMBER(ALLOW_PICKLE) != 0;
    server->durability = NUMBER(DURABILITY) == 0 ? FQ_DURABILITY_SYNC : FQ_DURABILITY_RELAXED;
    server->protected_mode = NUMBER(PROTECTED_MODE) == 0;
    server->users_file = fq_option_text(options, FQ_OPTION_USERS_FILE);
    server->tls_cert = fq_option_text(options, FQ_OPTION_TLS_CERT);
    server->tls_key = fq_option_text(options, FQ_OPTION_TLS_KEY);
    server->tls_client_ca = fq_option_text(options, FQ_OPTION_TLS_CLIENT_CA);
    server->run_as = fq_option_text(options, FQ_OPTION_RUN_AS);
    server->allow_core_dumps = NUMBER(CORE_DUMPS) != 0;
    server->payload_bytes_max = (uint64_t)NUMBER(MAX_PAYLOAD);
    server->result_bytes_max = (uint64_t)NUMBER(MAX_RESULT);
    server->connection_max = (uint32_t)NUMBER(MAX_CONNECTIONS);
    server->connection_unauth_max = (uint32_t)NUMBER(MAX_UNAUTHENTICATED);
    server->connection_source_max = (uint32_t)NUMBER(MAX_PER_SOURCE);
    server->connection_user_max = (uint32_t)NUMBER(MAX_PER_USER);
    server->output_bytes_max = (uint64_t)NUMBER(MAX_OUTPUT);
    server->client_bytes_max = (uint64_t)NUMBER(MAX_CLIENT_MEMORY);
    server->pipeline_max = (uint32_t)NUMBER(MAX_PIPELINE);
    server->auth_deadline_ms = NUMBER(AUTH_DEADLINE);
    server->drain_timeout_ms = NUMBER(DRAIN_TIMEOUT);
    server->compact_bytes_min = (uint64_t)NUMBER(COMPACT_AFTER);
    server->segment_bytes = (uint64_t)NUMBER(SEGMENT_SIZE);
    fill_engine(options, &server->engine);
#undef NUMBER
}

static int run_with_worker(const struct fq_options *options, struct fq_server_options *server) {
    struct own_worker worker = {.count = 0};
    char own_listener[FQ_ADDRESS_PATH_MAX + 8];
    const char **listen = add_own_listener(server, own_listener);
    int code = FQ_EXIT_USAGE;
    if (choose_own_address(server, worker.address) == 0) {
        const char **args = make_worker_args(options, &worker, &server->subworker_arg_count);
        server->subworker_args = args;
        code = args != NULL ? fq_server_run(server) : FQ_EXIT_INTERNAL;
        free(args);
    }
    free(listen);
    return code;
}

// The environment of a process can be read for as long as it runs, and its children inherit it.
static void forget_token(const struct fq_options *options) {
    const struct fq_option_value *value = &options->values[FQ_OPTION_TOKEN];
    if (value->origin != FQ_ORIGIN_ENVIRONMENT)
        return;
    char *text = getenv(value->variable);
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    unsetenv(value->variable);
}

int fq_verb_control_plane(struct fq_cli *cli) {
    const struct fq_options *options = cli->options;
    struct fq_server_options server;
    fq_server_options_init(&server);
    fill_server(options, &server);
    server.program = cli->program;
    server.log = cli->log;
    if (!read_shard(fq_option_text(options, FQ_OPTION_SHARD), &server) ||
        (server.shard >= 0 && server.journal_url == NULL)) {
        fprintf(stderr,
                "fastqueue: --shard is N or N/COUNT, N below COUNT and below %d, and goes with --journal\n",
                FQ_SHARDS_MAX);
        return FQ_EXIT_CONFIG;
    }
    char token[FQ_TOKEN_SIZE];
    int found = fq_token_read(options, token);
    if (found < 0)
        return FQ_EXIT_CONFIG;
    if (found > 0)
        server.token = token;
    forget_token(options);
    if (options->values[FQ_OPTION_TASK_MODULES].item_count > 0)
        return run_with_worker(options, &server);
    return fq_server_run(&server);
}
