// SPDX-License-Identifier: Apache-2.0
// A file of users. Either all of it is understood, or an error names a line and tells nothing of a digest. Nobody gets in with
// what was not made for it, and a digest is no token.
#include "target.h"

#include "base/assert.h"
#include "server/core.h"
#include "server/credentials.h"

#include <stdlib.h>
#include <string.h>

enum { DIGEST_PART = 16 };

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// No part of a digest that stands in the text is in the error.
static void check_silence(fq_str text, const char *error) {
    size_t run = 0;
    for (size_t i = 0; i < text.len; i++) {
        run = is_hex(text.ptr[i]) ? run + 1 : 0;
        if (run < DIGEST_PART || run != 64)
            continue;
        char part[DIGEST_PART + 1] = {0};
        memcpy(part, text.ptr + i + 1 - 64, DIGEST_PART);
        FQ_ASSERT(strstr(error, part) == NULL);
    }
}

static void check_doors(const fq_credentials *credentials, fq_str text) {
    unsigned roles = 0;
    FQ_ASSERT(fq_credentials_check(credentials, FQ_STR("a"), text, &roles) != 0);
    FQ_ASSERT(fq_credentials_check(credentials, FQ_STR(""), FQ_STR(""), &roles) != 0);
    FQ_ASSERT(fq_credentials_check_token(credentials, FQ_STR(""), &roles) != 0 && roles == 0);
    if (fq_credentials_roles(credentials, FQ_STR("a"), &roles) == 0)
        FQ_ASSERT(roles != 0 && (roles & ~(unsigned)FQ_ROLE_ALL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fq_credentials *credentials = fq_credentials_new();
    char *copy = malloc(size > 0 ? size : 1), error[200] = "";
    FQ_ASSERT(credentials != NULL && copy != NULL);
    for (size_t i = 0; i < size; i++)
        copy[i] = (char)data[i];
    int rc = fq_credentials_parse(credentials, (fq_str){copy, size}, error, sizeof error);
    FQ_ASSERT(rc == 0 || (rc == FQ_EINVALID && error[0] != '\0'));
    if (rc == 0)
        check_doors(credentials, (fq_str){copy, size});
    else
        check_silence((fq_str){copy, size}, error);
    free(copy);
    fq_credentials_free(credentials);
    return 0;
}
