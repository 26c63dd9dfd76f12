// SPDX-License-Identifier: Apache-2.0
// `fastqueue journal`: work on the journal beside the control plane.
#include "cli/option.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>

int fq_verb_journal(struct fq_cli *cli) {
    const char *action = cli->options->operands[0];
    if (strcmp(action, "compact") != 0) {
        fprintf(stderr, "fastqueue journal: unknown action '%s'; there is: compact\n", action);
        return FQ_EXIT_USAGE;
    }
    // The compactor reads its own arguments, as the control plane gives them: after "fastqueue journal".
    return fq_compactor_main(cli->argc - 2, cli->argv + 2);
}
