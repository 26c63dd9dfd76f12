// SPDX-License-Identifier: Apache-2.0
// The core from the inside: what its parts share.
#ifndef FQ_SERVER_CORE_STATE_H
#define FQ_SERVER_CORE_STATE_H

#include "base/list.h"
#include "base/random.h"
#include "journal/leader.h"
#include "server/census.h"
#include "server/command.h"
#include "server/connection.h"
#include "server/core.h"
#include "server/index.h"
#include "server/latency.h"
#include "server/login_guard.h"
#include "server/parked.h"
#include "server/presence.h"
#include "server/timers.h"
#include "server/watchers.h"

enum {
    FQ_BACKLOG_HIGH = 16 << 20, // bytes that wait for the disk: above, commands wait too …
    FQ_BACKLOG_LOW = 4 << 20,   // … until below
    FQ_FETCH_COUNT_MAX = 1000,
    FQ_PAGE_ROWS_MAX = 1000,
    FQ_PAGE_ROWS_DEFAULT = 100,
    FQ_WATCH_MAX = 1000000, // ids that one connection may watch
    FQ_REQUEST_MAX = 1024,  // requests from inside the process at a time
};

struct fq_core {
    const struct fq_server_options *options;
    fq_engine *engine;
    fq_journal *journal;
    const fq_credentials *credentials;
    struct fq_core_observer observer;
    struct fq_core_telemetry telemetry;
    void (*cpu_use)(double *ret_user_s, double *ret_system_s); // NULL = not told
    const char *server_id;
    uint64_t seed;
    uint32_t boot_epoch;
    struct fq_now started, now; // now: of the call that runs
    int64_t turned_us, held_us; // boot time of the last turn, and of the last hold of leases; 0 = none yet
    fq_random random;
    uint64_t id_dice[2]; // of the next id that is made here

    fq_decision *decision;
    char error[FQ_CALL_ERROR_TEXT]; // of the command that runs
    bool is_standby;
    char leader[FQ_LEADER_ADDRESS_MAX]; // of a standby: whom it names
    const struct fq_shard_map *shards;  // NULL: this queue has none
    uint32_t shard;
    const char *reason;  // why fq_commit_command refused; "" = the error's own sentence
    fq_buf record;       // events being encoded
    size_t *record_ends; // where each of them ends in `record`
    size_t record_end_room;
    fq_buf scratch;    // texts of a reply being built
    fq_buf grant_text; // tasks leased by the FETCH that runs, as they go over the wire
    struct fq_resp_writer grant_writer;
    bool is_granting;
    size_t grant_count;
    fq_uuid *ids;                          // FQ_PAGE_ROWS_MAX of them
    struct fq_task_view *views;            // FQ_PAGE_ROWS_MAX of them
    fq_str report_result, report_encoding; // of the COMPLETE that is being applied
    fq_uuid report_id;
    bool has_report;

    struct fq_command_index commands;
    struct fq_timers timers;
    struct fq_parked parked;
    struct fq_watchers watchers;
    struct fq_presence presence;
    struct fq_login_guard login_guard;

    fq_list_link connections; // all but those of requests
    fq_list_link touched;     // have fresh output
    fq_list_link gated;       // have sealed output that is not durable
    fq_list_link ready;       // for fq_core_next_ready
    fq_list_link held; // have input that they may execute when the journal has caught up or output was sent
    fq_list_link requests, answered;
    fq_list_link waiting; // connections that have not logged in, the longest waiting first
    fq_census sources, users;
    size_t connection_count, unauthenticated_count, request_count;
    uint64_t last_connection_id;
    size_t client_bytes; // memory of all connections' buffers
    struct fq_core_stats stats;
    struct fq_latency waits, runs; // eligible until granted; execution
    uint64_t hash_checked_seq;     // last record of the journal when the state's hash was written down
    struct fq_storage_space space; // of the journal, as of this turn
    bool failed, draining, submits_blocked, backlogged;
};

#endif
