// SPDX-License-Identifier: Apache-2.0
#include "server/credentials.h"

#include "server/core.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGEST = SHA256_DIGEST_LENGTH, USER_MAX_BYTES = 64, LINES_MAX = 10000, LOGINS_PER_USER = 2 };

struct login {
    char user[USER_MAX_BYTES + 1];
    unsigned roles;
    unsigned char digest[DIGEST];
};
struct fq_credentials {
    struct login *logins;
    size_t count;
};

fq_credentials *fq_credentials_new(void) {
    return calloc(1, sizeof(fq_credentials));
}

fq_credentials *fq_credentials_free(fq_credentials *credentials) {
    if (credentials != NULL) {
        free(credentials->logins);
        free(credentials);
    }
    return NULL;
}

bool fq_credentials_is_empty(const fq_credentials *credentials) {
    return credentials == NULL || credentials->count == 0;
}

static size_t logins_of(const fq_credentials *credentials, fq_str user) {
    size_t count = 0;
    for (size_t i = 0; i < credentials->count; i++)
        count += fq_str_equal(fq_str_of(credentials->logins[i].user), user);
    return count;
}

static int add(fq_credentials *credentials, fq_str user, unsigned roles, const unsigned char digest[DIGEST]) {
    if (user.len == 0 || user.len > USER_MAX_BYTES || !fq_str_is_name(user) || roles == 0 ||
        logins_of(credentials, user) >= LOGINS_PER_USER)
        return FQ_EINVALID;
    struct login *logins = realloc(credentials->logins, (credentials->count + 1) * sizeof *logins);
    if (logins == NULL)
        return FQ_ENOMEM;
    credentials->logins = logins;
    struct login *login = &logins[credentials->count++];
    memcpy(login->user, user.ptr, user.len);
    login->user[user.len] = '\0';
    login->roles = roles;
    memcpy(login->digest, digest, DIGEST);
    return 0;
}

int fq_credentials_add_token(fq_credentials *credentials, fq_str name, unsigned roles, fq_str token) {
    unsigned char digest[DIGEST];
    SHA256((const unsigned char *)token.ptr, token.len, digest);
    return token.len > 0 ? add(credentials, name, roles, digest) : FQ_EINVALID;
}

int fq_credentials_add_digest(fq_credentials *credentials, fq_str name, unsigned roles,
                              const unsigned char digest[32]) {
    return add(credentials, name, roles, digest);
}

// --- the users file ---------------------------------------------------------------------------------------------------------
static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r';
}

// Cuts the next word off the front of *rest; empty at the end.
static fq_str next_word(fq_str *rest) {
    size_t at = 0;
    while (at < rest->len && is_blank(rest->ptr[at]))
        at++;
    size_t end = at;
    while (end < rest->len && !is_blank(rest->ptr[end]))
        end++;
    fq_str word = {rest->ptr + at, end - at};
    rest->ptr += end;
    rest->len -= end;
    return word;
}

static unsigned role_of(fq_str word) {
    static const struct {
        fq_str word;
        unsigned role;
    } roles[] = {
        {{"submit", 6}, FQ_ROLE_SUBMIT},
        {{"work", 4},   FQ_ROLE_WORK  },
        {{"read", 4},   FQ_ROLE_READ  },
        {{"admin", 5},  FQ_ROLE_ADMIN },
        {{"all", 3},    FQ_ROLE_ALL   }
    };
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (fq_str_equal_nocase(word, roles[i].word))
            return roles[i].role;
    }
    return 0;
}

// "submit,read" as a mask; 0 if a word is no role.
static unsigned read_roles(fq_str text) {
    unsigned mask = 0;
    while (text.len > 0) {
        const char *comma = memchr(text.ptr, ',', text.len);
        size_t len = comma != NULL ? (size_t)(comma - text.ptr) : text.len;
        unsigned role = role_of((fq_str){text.ptr, len});
        if (role == 0)
            return 0;
        mask |= role;
        size_t step = len < text.len ? len + 1 : len;
        text.ptr += step;
        text.len -= step;
    }
    return mask;
}

static int hex_digit(char byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

static bool read_digest(fq_str text, unsigned char digest[DIGEST]) {
    fq_str prefix = FQ_STR("sha256:");
    if (text.len != prefix.len + DIGEST * 2 || memcmp(text.ptr, prefix.ptr, prefix.len) != 0)
        return false;
    const char *hex = text.ptr + prefix.len;
    for (size_t i = 0; i < DIGEST; i++) {
        int high = hex_digit(hex[i * 2]);
        int low = hex_digit(hex[i * 2 + 1]);
        if (high < 0 || low < 0)
            return false;
        digest[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static int refuse_line(size_t line, const char *why, char *error, size_t size) {
    snprintf(error, size, "line %zu: %s; the form is: name role[,role...] sha256:<64 hex digits>", line, why);
    return FQ_EINVALID;
}

static int read_line(fq_credentials *credentials, fq_str text, size_t line, char *error, size_t size) {
    const char *comment = memchr(text.ptr, '#', text.len);
    if (comment != NULL)
        text.len = (size_t)(comment - text.ptr);
    fq_str user = next_word(&text);
    if (user.len == 0)
        return 0;
    unsigned roles = read_roles(next_word(&text));
    if (roles == 0)
        return refuse_line(line, "roles are submit, work, read, admin or all", error, size);
    unsigned char digest[DIGEST];
    if (!read_digest(next_word(&text), digest))
        return refuse_line(line, "the secret must be given as its SHA-256", error, size);
    if (next_word(&text).len > 0)
        return refuse_line(line, "there is something behind the secret", error, size);
    int rc = add(credentials, user, roles, digest);
    if (rc == FQ_EINVALID)
        return refuse_line(line, "a user has a name of at most 64 bytes and at most two lines", error, size);
    if (rc < 0)
        snprintf(error, size, "out of memory");
    return rc;
}

int fq_credentials_parse(fq_credentials *credentials, fq_str text, char *error, size_t size) {
    for (size_t line = 1; text.len > 0; line++) {
        if (line > LINES_MAX)
            return refuse_line(line, "too many lines", error, size);
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        int rc = read_line(credentials, (fq_str){text.ptr, len}, line, error, size);
        if (rc < 0)
            return rc;
        size_t step = len < text.len ? len + 1 : len;
        text.ptr += step;
        text.len -= step;
    }
    return 0;
}

// --- checks -----------------------------------------------------------------------------------------------------------------
// All ones if the digests are the same, else zero.
static unsigned same_digest(const unsigned char a[DIGEST], const unsigned char b[DIGEST]) {
    unsigned difference = (unsigned)CRYPTO_memcmp(a, b, DIGEST);
    return ((difference | (0U - difference)) >> 31) - 1U;
}

unsigned fq_credentials_match(const fq_credentials *credentials, fq_str user, fq_str token) {
    unsigned char digest[DIGEST];
    if (user.len == 0)
        user = FQ_STR("default");
    SHA256((const unsigned char *)token.ptr, token.len, digest);
    unsigned roles = 0;
    for (size_t i = 0; i < credentials->count; i++) { // all are compared, whoever is asked for
        const struct login *login = &credentials->logins[i];
        unsigned is_token = same_digest(digest, login->digest);
        if (fq_str_equal(fq_str_of(login->user), user))
            roles = (roles & ~is_token) | (login->roles & is_token);
    }
    OPENSSL_cleanse(digest, sizeof digest);
    return roles;
}

unsigned fq_credentials_match_token(const fq_credentials *credentials, fq_str token) {
    unsigned char digest[DIGEST];
    SHA256((const unsigned char *)token.ptr, token.len, digest);
    unsigned roles = 0;
    for (size_t i = 0; i < credentials->count; i++)
        roles |= credentials->logins[i].roles & same_digest(digest, credentials->logins[i].digest);
    OPENSSL_cleanse(digest, sizeof digest);
    return roles;
}

int fq_credentials_check(const fq_credentials *credentials, fq_str user, fq_str token, unsigned *ret_roles) {
    unsigned roles = fq_credentials_match(credentials, user, token);
    if (roles == 0)
        return FQ_EWRONGPASS;
    *ret_roles = roles;
    return 0;
}

int fq_credentials_check_token(const fq_credentials *credentials, fq_str token, unsigned *ret_roles) {
    unsigned roles = fq_credentials_match_token(credentials, token);
    if (roles == 0)
        return FQ_EWRONGPASS;
    *ret_roles = roles;
    return 0;
}

int fq_credentials_roles(const fq_credentials *credentials, fq_str user, unsigned *ret_roles) {
    for (size_t i = 0; i < credentials->count; i++) {
        if (!fq_str_equal(fq_str_of(credentials->logins[i].user), user))
            continue;
        *ret_roles = credentials->logins[i].roles;
        return 0;
    }
    return FQ_EWRONGPASS;
}
