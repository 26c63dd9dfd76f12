// SPDX-License-Identifier: Apache-2.0
// `fastqueue journal`: work on the journal beside the control plane.
#include "cli/option.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fq_verb_journal(struct fq_cli *cli) {
    const char *action = cli->options->operands[0];
    if (strcmp(action, "compact") != 0) {
        fprintf(stderr, "fastqueue journal: unknown action '%s'; there is: compact\n", action);
        return FQ_EXIT_USAGE;
    }
    const char *data_dir = fq_option_text(cli->options, FQ_OPTION_DATA_DIR);
    const char *until = fq_option_text(cli->options, FQ_OPTION_JOURNAL_UNTIL);
    if (data_dir == NULL || until == NULL) {
        fputs("fastqueue journal compact: --data-dir and --until are needed; a running control plane "
              "compacts by itself\n",
              stderr);
        return FQ_EXIT_USAGE;
    }
    char words[][16] = {"compact", "--data-dir", "--until"};
    char *dir_copy = strdup(data_dir), *until_copy = strdup(until);
    char *argv[] = {words[0], words[1], dir_copy, words[2], until_copy, NULL};
    int code = dir_copy != NULL && until_copy != NULL ? fq_compactor_main(5, argv) : FQ_EXIT_INTERNAL;
    free(dir_copy);
    free(until_copy);
    return code;
}
