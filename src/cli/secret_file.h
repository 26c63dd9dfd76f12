// SPDX-License-Identifier: Apache-2.0
// Tokens from files.
#ifndef FQ_CLI_SECRET_FILE_H
#define FQ_CLI_SECRET_FILE_H

#include "cli/option.h"

enum { FQ_TOKEN_SIZE = 512 }; // of a token and its NUL

/**
 * The token in force: --token-file by flag, then $FASTQUEUE_TOKEN, then the file that $FASTQUEUE_TOKEN_FILE names. 1 with
 * the token in `ret_token`, 0 if there is none, negative with a sentence on standard error.
 */
FQ_MUST_USE int fq_token_read(const struct fq_options *options, char ret_token[FQ_TOKEN_SIZE]);

#endif
