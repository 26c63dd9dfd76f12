// SPDX-License-Identifier: Apache-2.0
// The control plane: composition root of engine, journal, connections and the loop.
#ifndef FQ_SERVER_SERVER_H
#define FQ_SERVER_SERVER_H

#include "base/log.h"
#include "engine/engine.h"
#include "journal/journal.h"

struct fq_server_options {
    const char *const *listen; // addresses: tcp://0.0.0.0:5555, tls://…, unix:///path
    size_t listen_count;
    const char *http_address; // "127.0.0.1:8080", "off"
    bool http_address_given;  // a taken port is then an error, not a warning
    const char *data_dir;     // "none" = memory only; NULL = the default place
    const char *journal_url; // nats://…/NAME: the log is a replicated one, data_dir is not used; NULL = files
    const char *journal_credentials, *journal_ca; // files; NULL = none
    const char
        *advertise; // HOST:PORT where clients reach it, for a standby to name; NULL = the first of `listen`
    int32_t shard;  // of several that share a queue, each with a journal of its own; -1 = there is but one
    uint32_t shards_at_founding; // 0: it waits to be told that it belongs to them
    bool allow_volatile;
    enum fq_durability durability;
    bool protected_mode;
    char *token;            // of user "default", all roles; NULL = none; wiped once it is known by its digest
    const char *users_file; // lines `name role[,role…] sha256:hex`; NULL = none
    const char *tls_cert, *tls_key, *tls_client_ca;
    const char *run_as;    // user to become when started by root; NULL = none
    bool allow_core_dumps; // of this process; they hold tokens and payloads
    struct fq_engine_config engine;
    bool allow_pickle;              // encoding pickle is refused without it
    uint64_t payload_bytes_max;     // 1 MiB
    uint64_t result_bytes_max;      // of one result: 16 MiB
    uint32_t connection_max;        // 10,000
    uint32_t connection_unauth_max; // 256; half of them from one source
    uint32_t connection_source_max; // from one address that is not this machine: 8,000
    uint32_t connection_user_max;   // of one user: 8,000
    uint64_t output_bytes_max;      // per connection: 32 MiB
    uint64_t client_bytes_max; // buffers of all connections together: 1 GiB; above it the largest is closed
    uint32_t pipeline_max;     // commands in flight per connection: 16,384
    int64_t auth_deadline_ms;  // 5,000
    int64_t drain_timeout_ms;  // 25,000
    uint64_t compact_bytes_min;
    uint64_t segment_bytes; // of the journal: 64 MiB; also what is kept for completions
    const char *server_id;  // its name in metrics, HELLO and INFO; NULL = "control-plane"
    const char
        *program; // NULL = the running one; path of this binary, to exec the compactor and the supervisor
    // Tasks run by the control plane itself: the arguments after `fastqueue subworker`; count 0 = none.
    const char *const *subworker_args;
    size_t subworker_arg_count;
    const struct fq_log *log;
};
void fq_server_options_init(struct fq_server_options *options);

/** Runs until stopped by SIGTERM/SIGINT. Exit code: 0; 65 damaged journal; 69 an address cannot be bound; 74 disk error;
 *  75 another process owns the data directory, or writes the
 *  replicated log now; 78 refused configuration. */
int fq_server_run(const struct fq_server_options *options);

/** Entry of the compactor (`fastqueue journal compact --data-dir D --until BATCH`). */
int fq_compactor_main(int argc, char **argv);

#endif
