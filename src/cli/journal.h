// SPDX-License-Identifier: Apache-2.0
// The actions of `fastqueue journal`.
#ifndef FQ_CLI_JOURNAL_H
#define FQ_CLI_JOURNAL_H

#include "cli/option.h"
#include "server/journal_check.h"

#include <jansson.h>

struct fq_journal_action {
    struct fq_cli *cli;
    const char *data_dir; // found
    const char *operand;  // the other directory; NULL = not given
    bool as_json;
};

/** Each prints and returns the exit code. */
int fq_journal_action_verify(const struct fq_journal_action *action);
int fq_journal_action_dump(const struct fq_journal_action *action);
int fq_journal_action_backup(const struct fq_journal_action *action);
int fq_journal_action_restore(const struct fq_journal_action *action);
int fq_journal_action_copy(const struct fq_journal_action *action);
int fq_journal_action_repair(const struct fq_journal_action *action);

/** Prints the sentence on standard error and gives the exit code of `error`. */
int fq_journal_action_fail(const struct fq_journal_action *action, int error, const char *sentence);

enum { FQ_JOURNAL_IDS_SHOWN = 20 }; // as text; JSON has them all
/** "heading: N", then the first ids, one a line; nothing for none. */
void fq_journal_print_ids(const char *heading, const struct fq_task_ids *ids);
json_t *fq_journal_json_ids(const struct fq_task_ids *ids);
/** What was read: counts by state, event types, sequence numbers. */
void fq_journal_print_content(const struct fq_journal_check *check);
json_t *fq_journal_json_content(const struct fq_journal_check *check);
void fq_journal_print_gaps(const struct fq_journal_check *check);
json_t *fq_journal_json_gaps(const struct fq_journal_check *check);

#endif
