// SPDX-License-Identifier: Apache-2.0
// `fastqueue token new`: 256 random bits for a user, and the hash that the control plane's users file wants.
#include "cli/option.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { TOKEN_BYTES = 32, HASH_BYTES = 32 };

static void format_hex(const unsigned char *bytes, size_t count, char *text) {
    for (size_t i = 0; i < count; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static bool is_role(const char *word) {
    return fq_option_word_is("submit|work|read|admin", '|', word, strlen(word));
}

static int join_roles(const struct fq_option_value *roles, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < roles->item_count; i++) {
        if (!is_role(roles->items[i])) {
            fprintf(stderr, "fastqueue token: '%s' is no role; there are submit, work, read, admin\n",
                    roles->items[i]);
            return FQ_EINVALID;
        }
        if (used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? "," : "", roles->items[i]);
    }
    return used < size ? 0 : FQ_EINVALID;
}

int fq_verb_token(struct fq_cli *cli) {
    const struct fq_options *options = cli->options;
    char roles[64], token[2 * TOKEN_BYTES + 1], hash[2 * HASH_BYTES + 1], line[512];
    unsigned char random[TOKEN_BYTES], digest[HASH_BYTES];
    if (strcmp(options->operands[0], "new") != 0) {
        fprintf(stderr, "fastqueue token: unknown action '%s'; there is: new\n", options->operands[0]);
        return FQ_EXIT_USAGE;
    }
    if (join_roles(&options->values[FQ_OPTION_TOKEN_ROLES], roles, sizeof roles) < 0)
        return FQ_EXIT_USAGE;
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return FQ_EXIT_INTERNAL;
    format_hex(random, sizeof random, token);
    if (EVP_Digest(token, strlen(token), digest, NULL, EVP_sha256(), NULL) != 1)
        return FQ_EXIT_INTERNAL;
    format_hex(digest, sizeof digest, hash);
    snprintf(line, sizeof line, "%s %s sha256:%s", fq_option_text(options, FQ_OPTION_TOKEN_USER), roles,
             hash);
    if (fq_option_number(options, FQ_OPTION_JSON)) {
        json_t *object = json_pack("{s:s, s:s}", "token", token, "users_file_line", line);
        json_dumpf(object, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(object);
        return FQ_EXIT_OK;
    }
    printf("token:           %s\nusers file line: %s\n", token, line);
    return FQ_EXIT_OK;
}
