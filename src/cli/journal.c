// SPDX-License-Identifier: Apache-2.0
// `fastqueue journal`: work on a journal beside, or instead of, the control plane.
#include "cli/journal.h"

#include "server/data_dir.h"
#include "server/server.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compact(const struct fq_journal_action *action) {
    const struct fq_options *options = action->cli->options;
    const char *until = fq_option_text(options, FQ_OPTION_JOURNAL_UNTIL);
    const char *url = fq_option_text(options, FQ_OPTION_JOURNAL_URL);
    if ((url == NULL && fq_option_text(options, FQ_OPTION_DATA_DIR) == NULL) || until == NULL) {
        fputs("fastqueue journal compact: --data-dir (or --journal) and --until are needed; a running "
              "control plane "
              "compacts by itself\n",
              stderr);
        return FQ_EXIT_USAGE;
    }
    const char *credentials = fq_option_text(options, FQ_OPTION_JOURNAL_CREDENTIALS);
    const char *ca = fq_option_text(options, FQ_OPTION_JOURNAL_CA),
               *data_dir = url == NULL ? action->data_dir : NULL;
    const struct {
        const char *flag, *value;
    } flags[] = {
        {"--until",               until      },
        {"--data-dir",            data_dir   },
        {"--journal",             url        },
        {"--journal-credentials", credentials},
        {"--journal-ca",          ca         },
    };
    char *argv[2 * sizeof flags / sizeof flags[0] + 2] = {NULL};
    int argc = 0;
    argv[argc++] = strdup("compact");
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (flags[i].value == NULL)
            continue;
        argv[argc++] = strdup(flags[i].flag);
        argv[argc++] = strdup(flags[i].value);
    }
    bool is_whole = true;
    for (int i = 0; i < argc; i++)
        is_whole = is_whole && argv[i] != NULL;
    int code = is_whole ? fq_compactor_main(argc, argv) : FQ_EXIT_INTERNAL;
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    return code;
}

static const struct {
    const char *name;
    int (*run)(const struct fq_journal_action *action);
    const char *operand; // what the other directory is; NULL: there is none
} ACTIONS[] = {
    {"verify",  fq_journal_action_verify,  NULL                              },
    {"dump",    fq_journal_action_dump,    NULL                              },
    {"backup",  fq_journal_action_backup,  "where it shall go"               },
    {"restore", fq_journal_action_restore, "of the backup"                   },
    {"copy",    fq_journal_action_copy,    "or nats:// URL where it shall go"},
    {"repair",  fq_journal_action_repair,  NULL                              },
    {"compact", compact,                   NULL                              },
};
enum { ACTION_COUNT = sizeof ACTIONS / sizeof ACTIONS[0] };

static int find_action(const char *name) {
    for (size_t i = 0; i < ACTION_COUNT; i++)
        if (strcmp(ACTIONS[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int refuse_usage(const char *action, const char *sentence) {
    fprintf(stderr, "fastqueue journal %s: %s\n", action, sentence);
    return FQ_EXIT_USAGE;
}

static int check_operand(int index, const char *operand) {
    char text[128];
    const char *wanted = ACTIONS[index].operand;
    if (wanted == NULL && operand != NULL)
        return refuse_usage(ACTIONS[index].name, "takes no directory; name the journal's with --data-dir");
    if (wanted == NULL || operand != NULL)
        return FQ_EXIT_OK;
    snprintf(text, sizeof text, "the directory %s is needed", wanted);
    return refuse_usage(ACTIONS[index].name, text);
}

int fq_verb_journal(struct fq_cli *cli) {
    const struct fq_options *options = cli->options;
    const char *name = options->operands[0];
    const char *operand = options->operand_count > 1 ? options->operands[1] : NULL;
    int index = find_action(name);
    if (index < 0) {
        fprintf(stderr,
                "fastqueue journal: unknown action '%s'; there are: verify, dump, backup, restore, copy, "
                "repair, compact\n",
                name);
        return FQ_EXIT_USAGE;
    }
    int code = check_operand(index, operand);
    if (code != FQ_EXIT_OK)
        return code;
    char path[PATH_MAX], error[512];
    if (fq_data_dir_find(fq_option_text(options, FQ_OPTION_DATA_DIR), path, sizeof path, error,
                         sizeof error) < 0)
        return refuse_usage(name, error);
    struct fq_journal_action action = {.cli = cli,
                                       .data_dir = path,
                                       .operand = operand,
                                       .as_json = fq_option_number(options, FQ_OPTION_JSON) != 0};
    return ACTIONS[index].run(&action);
}

int fq_journal_action_fail(const struct fq_journal_action *action, int error, const char *sentence) {
    fprintf(stderr, "fastqueue journal %s: %s\n", action->cli->options->operands[0],
            sentence[0] != '\0' ? sentence : fq_strerror(error));
    switch (error) {
    case FQ_ECORRUPT:
    case FQ_EVERSION: return FQ_EXIT_DATA;
    case FQ_EINVALID: return FQ_EXIT_USAGE;
    case FQ_ELOCKED:
    case FQ_EAGAIN: return FQ_EXIT_TEMPORARY;
    case FQ_ENOMEM: return FQ_EXIT_INTERNAL;
    default: return FQ_EXIT_IO;
    }
}
