// SPDX-License-Identifier: Apache-2.0
// The parser: command line first, then the environment for what no flag gave, then the defaults.
#include "cli/option.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    struct fq_options *options;
    int argc, at; // `at`: the next word
    const char *const *argv;
};

static int refuse(struct fq_options *options, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(struct fq_options *options, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(options->error, sizeof options->error, format, args);
    va_end(args);
    return FQ_EINVALID;
}

static bool takes_list(const struct fq_option_row *row) {
    return row->argument != NULL && strstr(row->argument, "...") != NULL;
}

static void add_notice(struct fq_options *options, const char *what, const struct fq_option_row *row) {
    size_t used = strlen(options->notice);
    snprintf(options->notice + used, sizeof options->notice - used, "%s%s is no longer used: %s",
             used > 0 ? "\n" : "", what, row->detail);
}

static int add_item(struct fq_option_value *value, const char *word) {
    const char **grown = realloc(value->items, (value->item_count + 1) * sizeof *grown);
    if (grown == NULL)
        return FQ_ENOMEM;
    value->items = grown;
    value->items[value->item_count++] = word;
    if (value->text == NULL)
        value->text = word;
    return 0;
}

// Stores one word of one origin; `what` names the option in an error.
static int store(struct fq_options *options, const struct fq_option_row *row, const char *what,
                 const char *word, enum fq_origin origin) {
    struct fq_option_value *value = &options->values[row->option];
    value->origin = origin;
    if (row->type == FQ_OPTION_TYPE_LIST)
        return add_item(value, word);
    char why[256];
    int64_t number = 0;
    if (fq_option_convert(row, word, &number, why, sizeof why) < 0) {
        bool hidden = row->type == FQ_OPTION_TYPE_SECRET;
        return refuse(options, "%s: '%s' %s", what, hidden ? "(hidden)" : word, why);
    }
    value->text = word;
    value->number = number;
    return 0;
}

// --- command line -----------------------------------------------------------------------------------------------------

// "-5" and "-" are values, "-x" and "--x" are options.
static bool looks_like_option(const char *word) {
    return word[0] == '-' && word[1] != '\0' && !(word[1] >= '0' && word[1] <= '9') && word[1] != '.';
}

static const struct fq_option_row *find_flag(enum fq_verb verb, const char *name, size_t len) {
    for (int i = 0; i < FQ_OPTION_COUNT; i++) {
        const struct fq_option_row *row = fq_option_row((enum fq_option)i);
        if (row->flag != NULL && fq_option_belongs(row, verb) && fq_option_word_is(row->flag, '|', name, len))
            return row;
    }
    return NULL;
}

static const struct fq_option_row *find_short(enum fq_verb verb, char letter) {
    for (int i = 0; i < FQ_OPTION_COUNT; i++) {
        const struct fq_option_row *row = fq_option_row((enum fq_option)i);
        if (row->short_flag == letter && fq_option_belongs(row, verb))
            return row;
    }
    return NULL;
}

// Names the verb that knows the flag, or the flag that comes nearest.
static int refuse_unknown(struct fq_options *options, const char *word, const char *name, size_t len) {
    const char *verb = fq_verb_name(options->verb);
    int shown = (int)(len + (size_t)(name - word));
    for (int i = 0; i < FQ_VERB_COUNT; i++) {
        const struct fq_verb_row *other = fq_verb_row((enum fq_verb)i);
        if (other->group != FQ_GROUP_HIDDEN && find_flag(other->verb, name, len) != NULL)
            return refuse(options, "%.*s is an option of '%s', not of '%s'", shown, word, other->name, verb);
    }
    char nearest[FQ_OPTION_FLAG_SIZE];
    if (fq_option_nearest(options->verb, name, len, nearest))
        return refuse(options, "unknown option %.*s; did you mean --%s?", shown, word, nearest);
    return refuse(options, "unknown option %.*s", shown, word);
}

static int take_list(struct parser *parser, const struct fq_option_row *row, const char *what,
                     const char *inline_value) {
    struct fq_options *options = parser->options;
    bool keep = row->type == FQ_OPTION_TYPE_LIST;
    options->values[row->option].origin = FQ_ORIGIN_FLAG; // also when no word follows
    if (inline_value != NULL)
        return keep ? store(options, row, what, inline_value, FQ_ORIGIN_FLAG) : 0;
    while (parser->at < parser->argc && !looks_like_option(parser->argv[parser->at])) {
        const char *word = parser->argv[parser->at++];
        int result = keep ? store(options, row, what, word, FQ_ORIGIN_FLAG) : 0;
        if (result < 0)
            return result;
    }
    return 0;
}

static int take_value(struct parser *parser, const struct fq_option_row *row, const char *what,
                      const char *inline_value) {
    struct fq_options *options = parser->options;
    bool repeated = options->values[row->option].origin == FQ_ORIGIN_FLAG;
    if (repeated && row->type != FQ_OPTION_TYPE_LIST && row->type != FQ_OPTION_TYPE_OBSOLETE)
        return refuse(options, "%s is given twice", what);
    if (row->type == FQ_OPTION_TYPE_OBSOLETE)
        add_notice(options, what, row);
    if (takes_list(row))
        return take_list(parser, row, what, inline_value);
    if (row->argument == NULL)
        return store(options, row, what, inline_value != NULL ? inline_value : "true", FQ_ORIGIN_FLAG);
    if (inline_value == NULL) {
        bool there = parser->at < parser->argc && !looks_like_option(parser->argv[parser->at]);
        if (!there)
            return refuse(options, "%s needs a value: %s", what, row->argument);
        inline_value = parser->argv[parser->at++];
    }
    return store(options, row, what, inline_value, FQ_ORIGIN_FLAG);
}

static int take_long(struct parser *parser, const char *word) {
    const char *name = word + 2;
    size_t len = strcspn(name, "=");
    const char *inline_value = name[len] == '=' ? name + len + 1 : NULL;
    const struct fq_option_row *row = find_flag(parser->options->verb, name, len);
    if (row == NULL)
        return refuse_unknown(parser->options, word, name, len);
    char what[64];
    snprintf(what, sizeof what, "--%.*s", (int)len, name);
    return take_value(parser, row, what, inline_value);
}

// "-j", "-wVALUE", "-w VALUE", and several flags without a value together: "-jh".
static int take_short(struct parser *parser, const char *word) {
    for (const char *letter = word + 1; *letter != '\0'; letter++) {
        const struct fq_option_row *row = find_short(parser->options->verb, *letter);
        char what[3] = {'-', *letter, '\0'};
        if (row == NULL)
            return refuse(parser->options, "unknown option %s", what);
        bool has_value = row->argument != NULL;
        int result = take_value(parser, row, what, has_value && letter[1] != '\0' ? letter + 1 : NULL);
        if (result < 0 || has_value)
            return result;
    }
    return 0;
}

static int take_words(struct parser *parser) {
    struct fq_options *options = parser->options;
    bool only_operands = false;
    while (parser->at < parser->argc) {
        const char *word = parser->argv[parser->at++];
        int result = 0;
        if (!only_operands && strcmp(word, "--") == 0)
            only_operands = true;
        else if (!only_operands && strncmp(word, "--", 2) == 0)
            result = take_long(parser, word);
        else if (!only_operands && looks_like_option(word))
            result = take_short(parser, word);
        else
            options->operands[options->operand_count++] = word;
        if (result < 0)
            return result;
    }
    return 0;
}

// --- environment and defaults -------------------------------------------------------------------------------------------

// A copy of `text` that lives as long as the options; NULL without memory.
static char *own(struct fq_options *options, const char *text) {
    char **grown = realloc(options->owned, (options->owned_count + 1) * sizeof *grown);
    if (grown == NULL)
        return NULL;
    options->owned = grown;
    char *copy = strdup(text);
    if (copy != NULL)
        options->owned[options->owned_count++] = copy;
    return copy;
}

// A list in one string: words parted by spaces or commas.
static int store_words(struct fq_options *options, const struct fq_option_row *row, const char *words,
                       enum fq_origin origin) {
    char *copy = own(options, words);
    if (copy == NULL)
        return FQ_ENOMEM;
    char *rest = NULL;
    int result = 0;
    for (char *word = strtok_r(copy, " ,", &rest); word != NULL && result == 0;
         word = strtok_r(NULL, " ,", &rest))
        result = store(options, row, row->flag, word, origin);
    return result;
}

// The variable's value under its own name or with the older prefix; an empty one counts as absent.
static const char *look_up(const char *name, fq_environment *environment, void *context, char variable[64]) {
    static const char prefix[] = "FASTQUEUE_";
    snprintf(variable, 64, "%s", name);
    const char *value = environment(context, variable);
    if ((value == NULL || *value == '\0') && strncmp(name, prefix, sizeof prefix - 1) == 0) {
        snprintf(variable, 64, "FASTWORKER_%s", name + sizeof prefix - 1);
        value = environment(context, variable);
    }
    return value != NULL && *value != '\0' ? value : NULL;
}

static int take_variable(struct fq_options *options, const struct fq_option_row *row,
                         fq_environment *environment, void *context) {
    char names[128], variable[64];
    snprintf(names, sizeof names, "%s", row->variable);
    char *rest = NULL;
    for (char *name = strtok_r(names, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest)) {
        const char *value = look_up(name, environment, context, variable);
        if (value == NULL)
            continue;
        if (row->type == FQ_OPTION_TYPE_OBSOLETE) {
            add_notice(options, variable, row);
            return 0;
        }
        options->values[row->option].variable = own(options, variable);
        return row->type == FQ_OPTION_TYPE_LIST ? store_words(options, row, value, FQ_ORIGIN_ENVIRONMENT)
                                                : store(options, row, variable, value, FQ_ORIGIN_ENVIRONMENT);
    }
    return 0;
}

static int fill(struct fq_options *options, fq_environment *environment, void *context) {
    for (int i = 0; i < FQ_OPTION_COUNT; i++) {
        const struct fq_option_row *row = fq_option_row((enum fq_option)i);
        struct fq_option_value *value = &options->values[i];
        int result = 0;
        if (!fq_option_belongs(row, options->verb))
            continue;
        if (value->origin == FQ_ORIGIN_NONE && row->variable != NULL)
            result = take_variable(options, row, environment, context);
        if (result == 0 && value->origin == FQ_ORIGIN_NONE && row->fallback != NULL)
            result = row->type == FQ_OPTION_TYPE_LIST
                         ? store_words(options, row, row->fallback, FQ_ORIGIN_DEFAULT)
                         : store(options, row, row->flag, row->fallback, FQ_ORIGIN_DEFAULT);
        if (result < 0)
            return result;
    }
    return 0;
}

static int count_operands(struct fq_options *options) {
    const struct fq_verb_row *verb = fq_verb_row(options->verb);
    int count = (int)options->operand_count;
    if (fq_option_number(options, FQ_OPTION_HELP) || fq_option_number(options, FQ_OPTION_VERSION) ||
        fq_option_number(options, FQ_OPTION_PRINT_CONFIG))
        return 0;
    if (count < verb->fewest)
        return refuse(options, "%s needs an operand: %s", verb->name, verb->operands);
    if (verb->most >= 0 && count > verb->most)
        return refuse(options, "unexpected operand '%s'", options->operands[verb->most]);
    return 0;
}

int fq_options_parse(struct fq_options *options, enum fq_verb verb, int argc, const char *const *argv,
                     fq_environment *environment, void *context) {
    *options = (struct fq_options){.verb = verb};
    options->operands = calloc((size_t)argc + 1, sizeof *options->operands);
    if (options->operands == NULL)
        return FQ_ENOMEM;
    struct parser parser = {.options = options, .argc = argc, .argv = argv};
    int result = take_words(&parser);
    if (result == 0)
        result = fill(options, environment, context);
    return result < 0 ? result : count_operands(options);
}

void fq_options_done(struct fq_options *options) {
    for (int i = 0; i < FQ_OPTION_COUNT; i++)
        free(options->values[i].items);
    for (size_t i = 0; i < options->owned_count; i++)
        free(options->owned[i]);
    free(options->owned);
    free(options->operands);
    *options = (struct fq_options){.verb = options->verb};
}
