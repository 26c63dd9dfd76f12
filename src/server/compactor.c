// SPDX-License-Identifier: Apache-2.0
// `fastqueue journal compact --data-dir D --until BATCH`: a process of its own replays snapshot and sealed log through a
// fresh engine and writes the snapshot that replaces them. It takes no lock, changes nothing else and may be killed at any
// instant; the server installs the result. It yields to everything else on the machine.
#include "server/compactor.h"

#include "server/exit_code.h"
#include "server/replica.h"
#include "server/server.h"
#include "server/store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NICENESS = 10, IOPRIO_WHO_PROCESS = 1, IOPRIO_CLASS_IDLE = 3, IOPRIO_CLASS_SHIFT = 13 };

static int add(void *context, fq_str record) {
    return fq_compaction_add(context, record);
}

int fq_compactor_run(fq_compaction *compaction, struct fq_compactor_outcome *ret_outcome) {
    struct fq_replica replica;
    int result = fq_replica_init(&replica);
    fq_compaction_expect(compaction, fq_replica_expect);
    if (result == 0)
        result = fq_compaction_read(compaction, fq_replica_record, &replica);
    if (result == 0)
        result = fq_replica_write(&replica, add, compaction);
    if (result == 0) {
        struct fq_compactor_outcome outcome = {fq_compaction_last_seq(compaction),
                                               fq_engine_hash(replica.engine)};
        result = fq_compaction_finish(compaction, outcome.state_hash);
        if (result == 0)
            *ret_outcome = outcome;
    }
    fq_replica_done(&replica);
    return result;
}

// Of a directory, or where there is none of the log that `options` name.
static int open_compaction(const char *data_dir, const struct fq_server_options *options,
                           uint64_t until_batch, fq_compaction **ret_compaction,
                           char error[FQ_STORAGE_ERROR_MAX]) {
    if (data_dir != NULL)
        return fq_compaction_open(data_dir, until_batch, ret_compaction, error);
    fq_stream *stream;
    int result = fq_store_open_stream(options, &stream, error);
    return result < 0 ? result : fq_compaction_open_stream(stream, until_batch, ret_compaction, error);
}

static int compact(const char *data_dir, const struct fq_server_options *options, uint64_t until_batch,
                   char error[FQ_STORAGE_ERROR_MAX]) {
    fq_compaction *compaction = NULL;
    struct fq_compactor_outcome outcome;
    int result = open_compaction(data_dir, options, until_batch, &compaction, error);
    if (result < 0)
        return result;
    result = fq_compactor_run(compaction, &outcome);
    if (result < 0)
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s", fq_compaction_error(compaction));
    fq_compaction_close(compaction);
    return result;
}

static void yield_to_others(void) {
    (void)setpriority(PRIO_PROCESS, 0, NICENESS);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); // nobody is left to install the result
}

static const char *option(int argc, char **argv, const char *name) {
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    return NULL;
}

int fq_compactor_main(int argc, char **argv) {
    const char *data_dir = option(argc, argv, "--data-dir"), *until = option(argc, argv, "--until");
    struct fq_server_options options = {.journal_url = option(argc, argv, "--journal"),
                                        .journal_credentials = option(argc, argv, "--journal-credentials"),
                                        .journal_ca = option(argc, argv, "--journal-ca")};
    uint64_t until_batch;
    if ((data_dir == NULL && options.journal_url == NULL) || until == NULL ||
        fq_str_to_uint64(fq_str_of(until), &until_batch) < 0) {
        fprintf(
            stderr,
            "fastqueue: usage: fastqueue journal compact --data-dir DIRECTORY|--journal URL --until BATCH\n");
        return FQ_SERVER_CONFIG;
    }
    yield_to_others();
    char error[FQ_STORAGE_ERROR_MAX] = "";
    int result = compact(data_dir, &options, until_batch, error);
    if (result == 0)
        return FQ_SERVER_OK;
    fprintf(stderr, "fastqueue: compaction of %s until batch %s failed: %s\n",
            data_dir != NULL ? data_dir : options.journal_url, until,
            error[0] != 0 ? error : fq_strerror(result));
    return result == FQ_ECORRUPT || result == FQ_EVERSION ? FQ_SERVER_DAMAGED : FQ_SERVER_DISK;
}
