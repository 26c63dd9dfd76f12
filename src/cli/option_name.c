// SPDX-License-Identifier: Apache-2.0
// Names of options: the table itself, aliases, and what is most like a word that is none.
#include "cli/option.h"

#include <string.h>

static const struct fq_option_row rows[FQ_OPTION_COUNT] = {
#define FQ_OPTION(id, flag, short_flag, argument, variable, fallback, type, detail, least, most, verbs,      \
                  section, help)                                                                             \
    {FQ_OPTION_##id,                                                                                         \
     flag,                                                                                                   \
     short_flag,                                                                                             \
     argument,                                                                                               \
     variable,                                                                                               \
     fallback,                                                                                               \
     FQ_OPTION_TYPE_##type,                                                                                  \
     detail,                                                                                                 \
     least,                                                                                                  \
     most,                                                                                                   \
     verbs,                                                                                                  \
     FQ_SECTION_##section,                                                                                   \
     help},
#include "cli/option.def"
#undef FQ_OPTION
};

const struct fq_option_row *fq_option_row(enum fq_option option) {
    return &rows[option];
}

const char *fq_section_title(enum fq_section section) {
    switch (section) {
    case FQ_SECTION_TASK: return "Task";
    case FQ_SECTION_FILTER: return "Filters";
    case FQ_SECTION_LOAD: return "Load";
    case FQ_SECTION_SERVER: return "Control plane";
    case FQ_SECTION_SECURITY: return "Security";
    case FQ_SECTION_WORKER: return "Running tasks";
    case FQ_SECTION_CONNECTION: return "Connection";
    case FQ_SECTION_LIMITS: return "Rules and limits";
    case FQ_SECTION_GENERAL: return "General";
    case FQ_SECTION_OBSOLETE: return "Accepted, without effect";
    case FQ_SECTION_HIDDEN: break;
    }
    return "";
}

bool fq_option_word_is(const char *words, char separator, const char *name, size_t len) {
    for (const char *at = words; at != NULL;) {
        const char *end = strchr(at, separator);
        size_t word = end != NULL ? (size_t)(end - at) : strlen(at);
        if (word == len && memcmp(at, name, len) == 0)
            return true;
        at = end != NULL ? end + 1 : NULL;
    }
    return false;
}

// Edit distance over one row of the usual table; words longer than the row are simply far apart.
unsigned fq_option_distance(const char *a, const char *b) {
    enum { LONGEST = 40, FAR = 9 };
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > LONGEST || b_len > LONGEST)
        return FAR;
    unsigned row[LONGEST + 1];
    for (unsigned j = 0; j <= b_len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);
            unsigned one_less = row[j] < row[j - 1] ? row[j] : row[j - 1];
            diagonal = row[j];
            row[j] = replaced < one_less + 1 ? replaced : one_less + 1;
        }
    }
    return row[b_len] < FAR ? row[b_len] : FAR;
}

bool fq_option_nearest(enum fq_verb verb, const char *name, size_t len, char ret_flag[FQ_OPTION_FLAG_SIZE]) {
    char word[FQ_OPTION_FLAG_SIZE];
    if (len >= sizeof word)
        return false;
    memcpy(word, name, len);
    word[len] = '\0';
    unsigned least = 4;
    for (int i = 0; i < FQ_OPTION_COUNT; i++) {
        if (rows[i].flag == NULL || !fq_option_belongs(&rows[i], verb) ||
            rows[i].section >= FQ_SECTION_OBSOLETE)
            continue;
        size_t first = strcspn(rows[i].flag, "|");
        char candidate[FQ_OPTION_FLAG_SIZE];
        memcpy(candidate, rows[i].flag, first);
        candidate[first] = '\0';
        unsigned distance = fq_option_distance(candidate, word);
        // A beginning of a flag is meant to be that flag.
        if (len >= 3 && strncmp(candidate, word, len) == 0)
            distance = 1;
        if (distance < least) {
            least = distance;
            memcpy(ret_flag, candidate, first + 1);
        }
    }
    return least < 4;
}
