// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/stream.h"

#include <openssl/err.h>
#include <stdio.h>

static const char *last_reason(void) {
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    ERR_clear_error();
    return reason != NULL ? reason : "unreadable";
}

static int load_identity(SSL_CTX *context, const char *cert_file, const char *key_file, char *reason,
                         size_t size) {
    if (cert_file == NULL && key_file == NULL)
        return OTEL_OK;
    if (cert_file == NULL || key_file == NULL) {
        snprintf(reason, size,
                 "a client certificate needs its key and a key its certificate: set both "
                 "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY");
        return OTEL_FAILED;
    }
    if (SSL_CTX_use_certificate_chain_file(context, cert_file) != 1) {
        snprintf(reason, size, "client certificate %s: %s", cert_file, last_reason());
        return OTEL_FAILED;
    }
    if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        snprintf(reason, size, "client key %s: %s", key_file, last_reason());
        return OTEL_FAILED;
    }
    return OTEL_OK;
}

static int configure(SSL_CTX *context, const char *ca_file, char *reason, size_t size) {
    static const unsigned char protocols[] = {2, 'h', '2'};
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_alpn_protos(context, protocols, sizeof protocols);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (ca_file == NULL)
        (void)SSL_CTX_set_default_verify_paths(context);
    else if (SSL_CTX_load_verify_file(context, ca_file) != 1) {
        snprintf(reason, size, "certificate file %s: %s", ca_file, last_reason());
        return OTEL_FAILED;
    }
    return OTEL_OK;
}

SSL_CTX *otel_tls_context_new(const char *ca_file, const char *cert_file, const char *key_file, char *reason,
                              size_t reason_size) {
    // What is left is sent by a function that exit() calls; OpenSSL must not have taken itself down before.
    OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) {
        snprintf(reason, reason_size, "out of memory for TLS");
        return NULL;
    }
    if (configure(context, ca_file, reason, reason_size) < 0 ||
        load_identity(context, cert_file, key_file, reason, reason_size) < 0) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}
