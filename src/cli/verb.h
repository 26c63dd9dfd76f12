// SPDX-License-Identifier: Apache-2.0
// The verbs of the program (verb.def) and what each of them is given.
#ifndef FQ_CLI_VERB_H
#define FQ_CLI_VERB_H

#include "base/log.h"

#include <stdint.h>

struct fq_options;

enum fq_verb {
#define FQ_VERB(id, function, name, alias, operands, fewest, most, group, summary, detail) FQ_VERB_##id,
#include "cli/verb.def"
#undef FQ_VERB
    FQ_VERB_COUNT
};

enum fq_verb_group { FQ_GROUP_SERVE, FQ_GROUP_TASKS, FQ_GROUP_ADMIN, FQ_GROUP_HIDDEN };

enum fq_exit {
#define FQ_EXIT(name, number, meaning) FQ_EXIT_##name = number,
#include "cli/exit.def"
#undef FQ_EXIT
};

// What a verb runs with. Everything is borrowed and outlives the call.
struct fq_cli {
    const struct fq_options *options;
    const struct fq_log *log;
    const char *program; // absolute path of this binary
    int argc;            // the process's arguments as they came
    char **argv;
};

struct fq_verb_row {
    enum fq_verb verb;
    const char *name, *alias; // alias NULL = none
    const char *operands;
    int fewest, most;
    enum fq_verb_group group;
    const char *summary, *detail;
};

/** The row of `verb`. Static storage. */
const struct fq_verb_row *fq_verb_row(enum fq_verb verb);
/** The verb called `name` or, as an alias, so; -1 if there is none. */
int fq_verb_find(const char *name);
static inline const char *fq_verb_name(enum fq_verb verb) {
    return fq_verb_row(verb)->name;
}
/** The verb most like `name`, NULL if none comes near. */
const char *fq_verb_nearest(const char *name);

#define FQ_VERB(id, function, name, alias, operands, fewest, most, group, summary, detail)                   \
    int fq_verb_##function(struct fq_cli *cli);
#include "cli/verb.def"
#undef FQ_VERB

#endif
