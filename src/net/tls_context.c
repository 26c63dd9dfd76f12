// SPDX-License-Identifier: Apache-2.0
#include "net/tls_context.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

enum { VERIFY_DEPTH_MAX = 4 };

void fq_tls_take_error(char *text, size_t size) {
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    snprintf(text, size, "%s", reason != NULL ? reason : code == 0 ? "unexpected end" : "unknown error");
    ERR_clear_error();
}

static int file_error(const char *what, const char *path, char *error, size_t size) {
    char reason[128];
    fq_tls_take_error(reason, sizeof reason);
    snprintf(error, size, "%s %s: %s", what, path, reason);
    return FQ_ETLS;
}

static int load_identity(SSL_CTX *ctx, const struct fq_tls_options *options, char *error, size_t size) {
    if (options->cert_file == NULL && options->key_file == NULL && !options->is_server)
        return 0;
    if (options->cert_file == NULL || options->key_file == NULL) {
        snprintf(error, size, "TLS needs both a certificate and a key file");
        return FQ_ETLS;
    }
    if (SSL_CTX_use_certificate_chain_file(ctx, options->cert_file) != 1)
        return file_error("certificate", options->cert_file, error, size);
    if (SSL_CTX_use_PrivateKey_file(ctx, options->key_file, SSL_FILETYPE_PEM) != 1)
        return file_error("key", options->key_file, error, size);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return file_error("the key does not belong to the certificate:", options->key_file, error, size);
    return 0;
}

static int load_trust(SSL_CTX *ctx, const struct fq_tls_options *options, char *error, size_t size) {
    if (options->ca_file != NULL) {
        if (SSL_CTX_load_verify_file(ctx, options->ca_file) != 1)
            return file_error("CA file", options->ca_file, error, size);
        if (options->is_server)
            SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(options->ca_file));
    } else if (!options->is_server) {
        (void)SSL_CTX_set_default_verify_paths(
            ctx); // an empty store then refuses every server, which is right
    }
    if (!options->is_server)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    else if (options->ca_file != NULL)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(ctx, VERIFY_DEPTH_MAX);
    return 0;
}

static void harden(SSL_CTX *ctx) {
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    // Ten thousand idle connections must not hold ten thousand record buffers.
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_max_early_data(ctx, 0);
    static const unsigned char session_context[] = "fastqueue";
    SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context - 1);
}

int fq_tls_context_new(const struct fq_tls_options *options, char *error, size_t size,
                       fq_tls_context **ret_context) {
    fq_tls_context *context = calloc(1, sizeof *context);
    SSL_CTX *ctx = SSL_CTX_new(options->is_server ? TLS_server_method() : TLS_client_method());
    if (context == NULL || ctx == NULL) {
        free(context);
        SSL_CTX_free(ctx);
        snprintf(error, size, "out of memory");
        return FQ_ENOMEM;
    }
    *context = (fq_tls_context){.ctx = ctx, .is_server = options->is_server};
    harden(ctx);
    int result = load_identity(ctx, options, error, size);
    if (result == 0)
        result = load_trust(ctx, options, error, size);
    if (result < 0) {
        fq_tls_context_free(context);
        return result;
    }
    *ret_context = context;
    return 0;
}

fq_tls_context *fq_tls_context_free(fq_tls_context *context) {
    if (context == NULL)
        return NULL;
    SSL_CTX_free(context->ctx);
    free(context);
    return NULL;
}
