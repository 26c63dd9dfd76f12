// SPDX-License-Identifier: Apache-2.0
// Does the comparison of secrets branch on them? For valgrind, memory that nobody set and a branch on it are an error: the
// token and what is stored of it are said to be such memory, and no error may follow from the comparison. That the method
// sees a leak is shown by memcmp, and that the secrets are really watched by a branch on the answer.
//   valgrind --log-file=/dev/null secret_branches     0: as it should be; 1: not; 2: not under valgrind
#include "server/core.h"
#include "server/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

enum { DIGEST = 32 };

// SHA-256 of "abc", as in FIPS 180-2.
static const unsigned char digest_abc[DIGEST] = {
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
static unsigned failures;

static void expect(bool is_so, const char *what) {
    printf("secret_branches: %s %s\n", is_so ? "ok    " : "FAILED", what);
    failures += !is_so;
}

// `ret_branches`: how often a branch or an address of the comparison depended on a secret.
static unsigned match(const fq_credentials *credentials, const char *user, const char *text,
                      unsigned *ret_branches, bool *ret_is_watched) {
    char secret[16];
    size_t len = strlen(text);
    memcpy(secret, text, len);
    VALGRIND_MAKE_MEM_UNDEFINED(secret, len);
    unsigned before = VALGRIND_COUNT_ERRORS;
    unsigned roles = user != NULL ? fq_credentials_match(credentials, fq_str_of(user), (fq_str){secret, len})
                                  : fq_credentials_match_token(credentials, (fq_str){secret, len});
    *ret_branches = VALGRIND_COUNT_ERRORS - before;
    // Whoever asks looks at the answer. It rests on the secrets, unless nobody of that name is known.
    *ret_is_watched = VALGRIND_CHECK_MEM_IS_DEFINED(&roles, sizeof roles) != 0;
    VALGRIND_MAKE_MEM_DEFINED(&roles, sizeof roles);
    return roles;
}

static void comparison_has_no_branch(const fq_credentials *credentials) {
    static const struct {
        const char *what, *user, *token;
        unsigned roles;
        bool is_unknown;
    } rows[] = {
        {"right token",             "ann", "abc", FQ_ROLE_SUBMIT,                false},
        {"right token, last line",  "bob", "abc", FQ_ROLE_READ,                  false},
        {"wrong token",             "ann", "abd", 0,                             false},
        {"token of another length", "ann", "a",   0,                             false},
        {"unknown user",            "eve", "abc", 0,                             true },
        {"bearer, right token",     NULL,  "abc", FQ_ROLE_SUBMIT | FQ_ROLE_READ, false},
        {"bearer, wrong token",     NULL,  "abd", 0,                             false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned branches;
        bool is_watched;
        unsigned roles = match(credentials, rows[i].user, rows[i].token, &branches, &is_watched);
        expect(roles == rows[i].roles, rows[i].what);
        expect(branches == 0, "  and no branch depended on a secret");
        expect(is_watched != rows[i].is_unknown, "  which was watched up to the answer");
    }
}

static void method_sees_a_leak(void) {
    unsigned char stored[DIGEST], offered[DIGEST];
    memcpy(stored, digest_abc, DIGEST);
    memcpy(offered, digest_abc, DIGEST);
    VALGRIND_MAKE_MEM_UNDEFINED(stored, DIGEST);
    VALGRIND_MAKE_MEM_UNDEFINED(offered, DIGEST);
    // The library's function, not what the compiler makes of a comparison of 32 bytes.
    int (*volatile compare)(const void *, const void *, size_t) = memcmp;
    unsigned before = VALGRIND_COUNT_ERRORS;
    volatile int result = compare(stored, offered, DIGEST);
    (void)result;
    expect(VALGRIND_COUNT_ERRORS > before, "memcmp of the same digests is caught");
}

int main(void) {
    if (!RUNNING_ON_VALGRIND) {
        fprintf(stderr, "secret_branches: run it under valgrind: tools/check_memory.sh\n");
        return 2;
    }
    unsigned char digest[DIGEST];
    fq_credentials *credentials = fq_credentials_new();
    memcpy(digest, digest_abc, DIGEST);
    VALGRIND_MAKE_MEM_UNDEFINED(digest, DIGEST); // and so is each copy of it
    if (credentials == NULL ||
        fq_credentials_add_digest(credentials, FQ_STR("ann"), FQ_ROLE_SUBMIT, digest) < 0 ||
        fq_credentials_add_digest(credentials, FQ_STR("bob"), FQ_ROLE_READ, digest) < 0)
        return 1;
    comparison_has_no_branch(credentials);
    method_sees_a_leak();
    fq_credentials_free(credentials);
    printf("secret_branches: %u failures\n", failures);
    return failures == 0 ? 0 : 1;
}
