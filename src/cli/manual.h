// SPDX-License-Identifier: Apache-2.0
// Everything that is printed from the tables: help, the manual page, documents, completion, the configuration in force.
#ifndef FQ_CLI_MANUAL_H
#define FQ_CLI_MANUAL_H

#include "cli/option.h"

#include <stdio.h>

/** The program: verbs by group and the options that every verb takes. */
void fq_manual_program(FILE *out);
/** One verb: usage, what it does, its options by section. */
void fq_manual_verb(FILE *out, enum fq_verb verb);
/** fastqueue.1 */
void fq_manual_roff(FILE *out);
/** docs/cli.md */
void fq_manual_cli_document(FILE *out);
/** docs/configuration.md */
void fq_manual_configuration_document(FILE *out);
/** docs/roles.md */
void fq_manual_roles_document(FILE *out);
/** Completion for bash. */
void fq_manual_bash(FILE *out);
/** Every option of the verb with its value and origin; secrets are not shown. */
void fq_manual_configuration(FILE *out, const struct fq_options *options, bool as_json);

/** Writes "--flag ARGUMENT" of a row, with its short form if `with_short`; nothing for one that has no flag. */
void fq_manual_flag(FILE *out, const struct fq_option_row *row, bool with_short);
/** A group's heading. Static storage. */
const char *fq_manual_group(enum fq_verb_group group);

#endif
