// SPDX-License-Identifier: Apache-2.0
#include "cli/verb.h"

#include "cli/option.h"

#include <string.h>

static const struct fq_verb_row rows[FQ_VERB_COUNT] = {
#define FQ_VERB(id, function, name, alias, operands, fewest, most, group, summary, detail)                   \
    {FQ_VERB_##id, name, alias, operands, fewest, most, FQ_GROUP_##group, summary, detail},
#include "cli/verb.def"
#undef FQ_VERB
};

const struct fq_verb_row *fq_verb_row(enum fq_verb verb) {
    return &rows[verb];
}

int fq_verb_find(const char *name) {
    for (int i = 0; i < FQ_VERB_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0 || (rows[i].alias != NULL && strcmp(rows[i].alias, name) == 0))
            return i;
    }
    return -1;
}

const char *fq_verb_nearest(const char *name) {
    const char *nearest = NULL;
    unsigned least = 4;
    for (int i = 0; i < FQ_VERB_COUNT; i++) {
        unsigned distance = fq_option_distance(rows[i].name, name);
        if (rows[i].group != FQ_GROUP_HIDDEN && distance < least) {
            least = distance;
            nearest = rows[i].name;
        }
    }
    return nearest;
}
