// SPDX-License-Identifier: Apache-2.0
// The payload of a submit: the JSON of its arguments, or bytes from the command line, a file or standard input.
#ifndef FQ_CLI_SUBMIT_WORDS_H
#define FQ_CLI_SUBMIT_WORDS_H

#include "base/buf.h"
#include "cli/option.h"

enum { FQ_SUBMIT_BYTES_MAX = 1024 * 1024 * 1024 };

/**
 * Appends to `payload` what --payload, or --args, --kwargs and the operands behind the task's name, ask for. 0, or an exit
 * code with the sentence on standard error.
 */
FQ_MUST_USE int fq_submit_words_read(const struct fq_options *options, fq_buf *payload);

/** Appends one argument: JSON and true/false (any case) as they are, every other word as a JSON string. 0, FQ_EENCODING for
 *  bytes that are no UTF-8, FQ_ENOMEM. */
FQ_MUST_USE int fq_submit_words_add(fq_buf *payload, const char *word);

#endif
