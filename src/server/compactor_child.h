// SPDX-License-Identifier: Apache-2.0
// The server's side of compaction: when the journal wants it, a child process writes a snapshot from the sealed part of the
// log, and the journal installs it. A child that fails changes nothing and is tried again later.
#ifndef FQ_SERVER_COMPACTOR_CHILD_H
#define FQ_SERVER_COMPACTOR_CHILD_H

#include "journal/journal.h"
#include "net/loop.h"
#include "server/server.h"

typedef struct fq_compactor_child fq_compactor_child;

struct fq_compactor_child_config {
    fq_loop *loop;
    fq_journal *journal;
    const char *data_dir, *program; // data_dir: of a journal in files
    const struct fq_server_options *options;
    const fq_log *log;
};

/** Strings and objects are borrowed. NULL when out of memory. */
fq_compactor_child *fq_compactor_child_new(const struct fq_compactor_child_config *config);
/** Once a turn: starts a compaction if one is due. */
void fq_compactor_child_step(fq_compactor_child *child, struct fq_now now);
/** Kills what runs. NULL is fine. Returns NULL. */
fq_compactor_child *fq_compactor_child_free(fq_compactor_child *child);

#endif
