// SPDX-License-Identifier: Apache-2.0
#include "server/access.h"

#include "server/core.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

static int parse_address(const char *text, struct fq_address *ret_address, char *error, size_t size) {
    const char *reason;
    int result = fq_address_parse(fq_str_of(text), ret_address, &reason);
    if (result == 0 && (ret_address->user[0] != 0 || ret_address->token[0] != 0)) {
        reason =
            "credentials do not belong into an address to listen on; set FASTQUEUE_TOKEN or --users-file";
        result = FQ_EINVALID;
    }
    // The text itself may hold a secret, so it is not repeated.
    if (result < 0)
        snprintf(error, size, "cannot listen there: %s", reason);
    return result;
}

static int read_addresses(const struct fq_server_options *options, struct fq_access *access, char *error,
                          size_t size) {
    if (options->listen_count > FQ_LISTEN_MAX) {
        snprintf(error, size, "at most %d addresses can be listened on", (int)FQ_LISTEN_MAX);
        return FQ_EINVALID;
    }
    for (size_t i = 0; i < options->listen_count; i++) {
        int result = parse_address(options->listen[i], &access->listen[i], error, size);
        if (result < 0)
            return result;
    }
    access->listen_count = options->listen_count;
    const char *http = options->http_address;
    access->has_http = http != NULL && http[0] != 0 && strcmp(http, "off") != 0;
    if (!access->has_http)
        return 0;
    int result = parse_address(http, &access->http, error, size);
    if (result == 0 && access->http.kind == FQ_ADDRESS_TLS) {
        snprintf(error, size,
                 "--http-address: TLS is for the queue's port; put a proxy in front of the admin port");
        result = FQ_EINVALID;
    }
    return result;
}

static int read_users(const struct fq_server_options *options, struct fq_access *access, char *error,
                      size_t size) {
    access->credentials = fq_credentials_new();
    int result = access->credentials == NULL ? FQ_ENOMEM : 0;
    if (result == 0 && access->has_token)
        result = fq_credentials_add_digest(access->credentials, FQ_STR("default"), FQ_ROLE_ALL,
                                           access->token_digest);
    if (result < 0) {
        snprintf(error, size, "the token is refused: %s", fq_strerror(result));
        return result;
    }
    if (options->users_file != NULL && options->users_file[0] != 0)
        result = fq_credentials_read_file(access->credentials, options->users_file, error, size);
    // Where everybody may come in, the own worker needs no credential, and giving it one would lock the others out.
    if (result == 0 && !fq_credentials_is_empty(access->credentials) && access->own_token[0] != 0) {
        result = fq_credentials_add_token(access->credentials, FQ_STR(FQ_OWN_WORKER_USER), FQ_ROLE_WORK,
                                          fq_str_of(access->own_token));
        if (result < 0)
            snprintf(error, size, "the user name %s is taken by the server itself", FQ_OWN_WORKER_USER);
    }
    return result;
}

static int read_certificates(const struct fq_server_options *options, struct fq_access *access, char *error,
                             size_t size) {
    bool is_needed = false;
    for (size_t i = 0; i < access->listen_count; i++)
        is_needed = is_needed || access->listen[i].kind == FQ_ADDRESS_TLS;
    if (!is_needed)
        return 0;
    if (options->tls_cert == NULL || options->tls_key == NULL) {
        snprintf(error, size, "a tls:// address needs --tls-cert and --tls-key");
        return FQ_EINVALID;
    }
    struct fq_tls_options tls = {.is_server = true,
                                 .cert_file = options->tls_cert,
                                 .key_file = options->tls_key,
                                 .ca_file = options->tls_client_ca};
    int result = fq_tls_context_new(&tls, error, size, &access->tls);
    return result == FQ_ETLS ? FQ_EINVALID : result;
}

// --- protected mode -------------------------------------------------------------------------------------------------------

// A TLS address that only opens to certificates of one's own authority is not open to everybody.
static bool is_open(const struct fq_server_options *options, const struct fq_access *access,
                    const struct fq_address *address) {
    bool asks_certificate = address->kind == FQ_ADDRESS_TLS && options->tls_client_ca != NULL;
    return !fq_address_is_local(address) && fq_credentials_is_empty(access->credentials) && !asks_certificate;
}

static int refuse_open_doors(const struct fq_server_options *options, const struct fq_access *access,
                             char *error, size_t size) {
    const struct fq_address *open = NULL;
    for (size_t i = 0; i < access->listen_count; i++)
        if (is_open(options, access, &access->listen[i]))
            open = &access->listen[i];
    bool is_http = open == NULL && access->has_http && is_open(options, access, &access->http);
    if (is_http)
        open = &access->http;
    if (open == NULL || !options->protected_mode)
        return 0;
    char text[FQ_ADDRESS_TEXT];
    fq_address_format(open, text);
    snprintf(error, size,
             "refusing to listen on %s without credentials: whoever reaches that port could run tasks. "
             "Choose one: "
             "(1) listen on this machine only: %s; "
             "(2) set credentials: FASTQUEUE_TOKEN=... or --users-file FILE ('fastqueue token new' makes "
             "one), or a tls:// "
             "address with --tls-client-ca FILE; "
             "(3) accept that everybody may do everything: --protected-mode off",
             text, is_http ? "--http-address 127.0.0.1:8080" : "--base-address tcp://127.0.0.1:5555");
    return FQ_EINVALID;
}

// --- all together -----------------------------------------------------------------------------------------------------------

static int fill(const struct fq_server_options *options, struct fq_access *access, char *error, size_t size) {
    int result = read_addresses(options, access, error, size);
    if (result == 0)
        result = read_users(options, access, error, size);
    if (result == 0)
        result = read_certificates(options, access, error, size);
    if (result == 0)
        result = refuse_open_doors(options, access, error, size);
    if (result < 0)
        fq_access_done(access);
    return result;
}

// Where the secret itself is not needed again, it is not kept.
static void take_token(char *token, struct fq_access *access) {
    access->has_token = token != NULL && token[0] != 0;
    if (!access->has_token)
        return;
    SHA256((const unsigned char *)token, strlen(token), access->token_digest);
    OPENSSL_cleanse(token, strlen(token));
}

int fq_access_open(const struct fq_server_options *options, const unsigned char own_worker_secret[32],
                   struct fq_access *ret_access, char *error, size_t size) {
    struct fq_access access = {.has_http = false};
    take_token(options->token, &access);
    for (size_t i = 0; i < 32 && options->subworker_arg_count > 0; i++)
        snprintf(access.own_token + 2 * i, 3, "%02x", own_worker_secret[i]);
    int result = fill(options, &access, error, size);
    if (result == 0)
        *ret_access = access;
    return result;
}

int fq_access_reload(const struct fq_server_options *options, const struct fq_access *access,
                     struct fq_access *ret_access, char *error, size_t size) {
    struct fq_access fresh = {.has_http = false};
    memcpy(fresh.own_token, access->own_token, sizeof fresh.own_token);
    memcpy(fresh.token_digest, access->token_digest, sizeof fresh.token_digest);
    fresh.has_token = access->has_token;
    int result = fill(options, &fresh, error, size);
    if (result == 0)
        *ret_access = fresh;
    return result;
}

void fq_access_done(struct fq_access *access) {
    access->credentials = fq_credentials_free(access->credentials);
    access->tls = fq_tls_context_free(access->tls);
    OPENSSL_cleanse(access->own_token, sizeof access->own_token);
}
