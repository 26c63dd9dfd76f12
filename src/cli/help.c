// SPDX-License-Identifier: Apache-2.0
// `fastqueue help`: whatever is printed from the tables.
#include "cli/manual.h"

#include <string.h>

static void print_document(int64_t choice) {
    static void (*const documents[])(FILE *) = {fq_manual_cli_document, fq_manual_configuration_document,
                                                fq_manual_roles_document};
    documents[choice](stdout);
}

static int print_verb_help(const char *name) {
    int verb = fq_verb_find(name);
    if (verb >= 0) {
        fq_manual_verb(stdout, (enum fq_verb)verb);
        return FQ_EXIT_OK;
    }
    const char *nearest = fq_verb_nearest(name);
    fprintf(stderr, "fastqueue help: there is no verb '%s'%s%s%s\n", name,
            nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
            nearest != NULL ? "'?" : "");
    return FQ_EXIT_USAGE;
}

int fq_verb_help(struct fq_cli *cli) {
    const struct fq_options *options = cli->options;
    if (fq_option_number(options, FQ_OPTION_HELP_MAN))
        fq_manual_roff(stdout);
    else if (fq_option_given(options, FQ_OPTION_HELP_DOCUMENT))
        print_document(fq_option_number(options, FQ_OPTION_HELP_DOCUMENT));
    else if (fq_option_given(options, FQ_OPTION_HELP_COMPLETION))
        fq_manual_bash(stdout);
    else if (options->operand_count > 0)
        return print_verb_help(options->operands[0]);
    else
        fq_manual_program(stdout);
    return FQ_EXIT_OK;
}
