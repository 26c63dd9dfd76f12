// SPDX-License-Identifier: Apache-2.0
// The program: finds the verb, reads its options, runs it.
#include "cli/log_line.h"
#include "cli/manual.h"
#include "cli/option.h"
#include "cli/verb.h"
#include "fastqueue/version.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int (*const runs[FQ_VERB_COUNT])(struct fq_cli *) = {
#define FQ_VERB(id, function, name, alias, operands, fewest, most, group, summary, detail) fq_verb_##function,
#include "cli/verb.def"
#undef FQ_VERB
};

static const char *read_environment(void *context, const char *name) {
    (void)context;
    return getenv(name);
}

// Options may stand in front of the verb: only those that every verb takes, so the verb is the first word that is
// neither an option nor the value of one.
static int find_verb(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        bool has_value = strcmp(argv[i], "--log-level") == 0 || strcmp(argv[i], "--log-format") == 0;
        if (argv[i][0] != '-')
            return i;
        if (has_value)
            i++;
    }
    return -1;
}

static int run_without_verb(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0) {
            puts("fastqueue " FQ_VERSION);
            return FQ_EXIT_OK;
        }
        bool known = strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 ||
                     strncmp(argv[i], "--log-", 6) == 0 || argv[i][0] != '-';
        if (!known) {
            fprintf(stderr, "fastqueue: unknown option %s before a verb; try 'fastqueue --help'\n", argv[i]);
            return FQ_EXIT_USAGE;
        }
    }
    fq_manual_program(stdout);
    return FQ_EXIT_OK;
}

static int refuse_verb(const char *name) {
    const char *nearest = fq_verb_nearest(name);
    if (nearest != NULL)
        fprintf(stderr, "fastqueue: there is no verb '%s'; did you mean '%s'?\n", name, nearest);
    else
        fprintf(stderr, "fastqueue: there is no verb '%s'; 'fastqueue --help' lists them\n", name);
    return FQ_EXIT_USAGE;
}

static int run_verb(struct fq_cli *cli, struct fq_options *options) {
    if (fq_option_number(options, FQ_OPTION_HELP)) {
        fq_manual_verb(stdout, options->verb);
        return FQ_EXIT_OK;
    }
    if (fq_option_number(options, FQ_OPTION_VERSION)) {
        puts("fastqueue " FQ_VERSION);
        return FQ_EXIT_OK;
    }
    if (fq_option_number(options, FQ_OPTION_PRINT_CONFIG)) {
        fq_manual_configuration(stdout, options, fq_option_number(options, FQ_OPTION_JSON) != 0);
        return FQ_EXIT_OK;
    }
    if (options->notice[0] != '\0')
        fprintf(stderr, "fastqueue: %s\n", options->notice);
    int code = runs[options->verb](cli);
    if (fflush(stdout) != 0 && code == FQ_EXIT_OK) {
        fprintf(stderr, "fastqueue: cannot write the output: %m\n");
        code = FQ_EXIT_IO;
    }
    return code;
}

static int parse_and_run(struct fq_cli *cli, enum fq_verb verb, int verb_at) {
    // What stood before the verb is read with what follows it.
    const char **words = calloc((size_t)cli->argc, sizeof *words);
    if (words == NULL)
        return FQ_EXIT_INTERNAL;
    int count = 0;
    for (int i = 1; i < cli->argc; i++) {
        if (i != verb_at)
            words[count++] = cli->argv[i];
    }
    struct fq_options options;
    int result = fq_options_parse(&options, verb, count, words, read_environment, NULL);
    int code = FQ_EXIT_USAGE;
    if (result == 0) {
        struct fq_log log = fq_log_line_init(&options);
        cli->options = &options;
        cli->log = &log;
        code = run_verb(cli, &options);
        cli->options = NULL;
        cli->log = NULL;
    } else if (result == FQ_EINVALID)
        fprintf(stderr, "fastqueue %s: %s\ntry 'fastqueue %s --help'\n", fq_verb_name(verb), options.error,
                fq_verb_name(verb));
    else {
        fprintf(stderr, "fastqueue: %s\n", fq_strerror(result));
        code = FQ_EXIT_INTERNAL;
    }
    fq_options_done(&options);
    free(words);
    return code;
}

// A descriptor that the caller closed leads nowhere from now on: else the next file or socket opened takes its number, and
// what is printed goes into that.
static bool fill_standard_descriptors(void) {
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
    return fd >= 0;
}

int main(int argc, char **argv) {
    if (!fill_standard_descriptors())
        return FQ_EXIT_IO;
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    if (len < 0)
        len = snprintf(program, sizeof program, "%s", argc > 0 ? argv[0] : "fastqueue");
    program[len] = '\0';

    int verb_at = find_verb(argc, argv);
    if (verb_at < 0)
        return run_without_verb(argc, argv);
    int verb = fq_verb_find(argv[verb_at]);
    if (verb < 0)
        return refuse_verb(argv[verb_at]);
    struct fq_cli cli = {.program = program, .argc = argc, .argv = argv};
    const struct fq_verb_row *row = fq_verb_row((enum fq_verb)verb);
    // Programs talk to hidden verbs in their own way.
    if (row->group == FQ_GROUP_HIDDEN)
        return runs[verb](&cli);
    if (row->alias != NULL && strcmp(argv[verb_at], row->alias) == 0)
        fprintf(stderr, "fastqueue: '%s' is now called '%s'\n", row->alias, row->name);
    return parse_and_run(&cli, (enum fq_verb)verb, verb_at);
}
