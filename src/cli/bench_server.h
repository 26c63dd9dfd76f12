// SPDX-License-Identifier: Apache-2.0
// The control plane under load: what it tells about itself, what it holds of ours, and one of our own where none is to be asked.
#ifndef FQ_CLI_BENCH_SERVER_H
#define FQ_CLI_BENCH_SERVER_H

#include "cli/bench.h"
#include "net/address.h"

#include <sys/types.h>

struct fq_bench_facts {
    char version[32], durability[16];
    bool has_telemetry, has_cpu; // telemetry is on; its CPU time is told
    double cpu_s;                // so far, user and system
    uint64_t pending;            // tasks of anybody that wait
};

/** Asks INFO. 0 or an exit code with the sentence printed. */
FQ_MUST_USE int fq_bench_facts_ask(fq_client *client, struct fq_bench_facts *ret_facts);
/** How many tasks of the target's names wait for a worker, or (scheduled) for their time. As above. */
FQ_MUST_USE int fq_bench_left_ask(fq_client *client, const struct fq_bench_target *target,
                                  uint64_t *ret_pending, uint64_t *ret_scheduled);

// A temporary control plane.
struct fq_bench_server {
    pid_t pid;
    char directory[256]; // of its own, with journal and log
    char address[FQ_ADDRESS_TEXT];
};
/** Starts one on loopback with its data in a new folder: durability "sync", "relaxed" or "none". 0 or an exit code with
 *  the sentence printed. */
FQ_MUST_USE int fq_bench_server_start(const char *program, const char *durability,
                                      struct fq_bench_server *ret_server);
/** Stops it and removes the folder. */
void fq_bench_server_stop(struct fq_bench_server *server);

#endif
