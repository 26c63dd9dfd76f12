// SPDX-License-Identifier: Apache-2.0
// Options: the table (option.def), and what a command line and an environment make of it. A flag beats the environment,
// the environment beats the default, and each value remembers where it came from.
#ifndef FQ_CLI_OPTION_H
#define FQ_CLI_OPTION_H

#include "cli/verb.h"
#include "fastqueue/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fq_option {
#define FQ_OPTION(id, flag, short_flag, argument, variable, fallback, type, detail, least, most, verbs,      \
                  section, help)                                                                             \
    FQ_OPTION_##id,
#include "cli/option.def"
#undef FQ_OPTION
    FQ_OPTION_COUNT
};

enum fq_option_type {
    FQ_OPTION_TYPE_TEXT,
    FQ_OPTION_TYPE_SECRET,
    FQ_OPTION_TYPE_INTEGER,
    FQ_OPTION_TYPE_SIZE,
    FQ_OPTION_TYPE_DURATION,
    FQ_OPTION_TYPE_TIME,
    FQ_OPTION_TYPE_BOOLEAN,
    FQ_OPTION_TYPE_CHOICE,
    FQ_OPTION_TYPE_LIST,
    FQ_OPTION_TYPE_OBSOLETE,
};

enum fq_section {
    FQ_SECTION_TASK,
    FQ_SECTION_FILTER,
    FQ_SECTION_LOAD,
    FQ_SECTION_SERVER,
    FQ_SECTION_SECURITY,
    FQ_SECTION_WORKER,
    FQ_SECTION_CONNECTION,
    FQ_SECTION_LIMITS,
    FQ_SECTION_GENERAL,
    FQ_SECTION_OBSOLETE,
    FQ_SECTION_SHOWN, // how many are in the manual
    FQ_SECTION_HIDDEN = FQ_SECTION_SHOWN
};

struct fq_option_row {
    enum fq_option option;
    const char *flag; // "name|alias" or NULL
    char short_flag;  // 0 = none
    const char *argument;
    const char *variable; // "NAME OLDER_NAME" or NULL
    const char *fallback; // NULL = none
    enum fq_option_type type;
    const char *detail;
    int64_t least, most;
    uint32_t verbs; // bit 1 << verb
    enum fq_section section;
    const char *help;
};

/** The row of `option`. Static storage. */
const struct fq_option_row *fq_option_row(enum fq_option option);
/** A section's heading. Static storage. */
const char *fq_section_title(enum fq_section section);
static inline bool fq_option_belongs(const struct fq_option_row *row, enum fq_verb verb) {
    return (row->verbs & (1u << verb)) != 0;
}

enum fq_origin { FQ_ORIGIN_NONE, FQ_ORIGIN_DEFAULT, FQ_ORIGIN_ENVIRONMENT, FQ_ORIGIN_FLAG };

struct fq_option_value {
    enum fq_origin origin; // NONE: nobody gave one and there is no default
    const char *text;      // as given; a list's first word
    const char *variable;  // ENVIRONMENT: which one
    int64_t number;     // INTEGER, SIZE (bytes), DURATION (ms), TIME (unix ms), BOOLEAN (0/1), CHOICE (index)
    const char **items; // LIST
    size_t item_count;
};

/** How the environment is read: NULL if `name` is not set. */
typedef const char *fq_environment(void *context, const char *name);

struct fq_options {
    enum fq_verb verb;
    struct fq_option_value values[FQ_OPTION_COUNT];
    const char **operands;
    size_t operand_count;
    char error[512];  // after FQ_EINVALID: one sentence for the user
    char notice[512]; // obsolete options that were given, one line each, "" = none
    char **owned;     // memory behind words that were cut out of variables
    size_t owned_count;
};

/**
 * Reads `argv` (without program and verb) and the environment. Words are borrowed from both. 0; FQ_EINVALID with the
 * sentence in `error`; FQ_ENOMEM. Call fq_options_done in every case. With --help, --version or --print-config given,
 * operands are not counted.
 */
FQ_MUST_USE int fq_options_parse(struct fq_options *options, enum fq_verb verb, int argc,
                                 const char *const *argv, fq_environment *environment, void *context);
void fq_options_done(struct fq_options *options);

static inline bool fq_option_given(const struct fq_options *options, enum fq_option option) {
    return options->values[option].origin != FQ_ORIGIN_NONE;
}
/** The text of an option; NULL if there is none. */
static inline const char *fq_option_text(const struct fq_options *options, enum fq_option option) {
    return options->values[option].text;
}
/** The number of an option; 0 if there is none. */
static inline int64_t fq_option_number(const struct fq_options *options, enum fq_option option) {
    return options->values[option].number;
}

/** Converts `text` by the type and range of `row`. 0, or FQ_EINVALID with a clause such as "is not a number" in `why`. */
FQ_MUST_USE int fq_option_convert(const struct fq_option_row *row, const char *text, int64_t *ret_number,
                                  char *why, size_t why_size);
/** True if `name` (`len` bytes) is one of the words in `words`, which are parted by `separator`. */
bool fq_option_word_is(const char *words, char separator, const char *name, size_t len);
/** How many single-character edits part the two words, at most 9. */
unsigned fq_option_distance(const char *a, const char *b);
enum { FQ_OPTION_FLAG_SIZE = 48 }; // of the longest flag and its NUL
/** Copies the flag of `verb` that is most like `name`; false if none comes near. */
bool fq_option_nearest(enum fq_verb verb, const char *name, size_t len, char ret_flag[FQ_OPTION_FLAG_SIZE]);

#endif
