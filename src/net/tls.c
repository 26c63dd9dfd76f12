// SPDX-License-Identifier: Apache-2.0
#include "net/tls.h"

#include "net/tls_context.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum { RECORD_BYTES = 16384 };

struct fq_tls {
    SSL *ssl;
    BIO *from_peer; // owned by ssl
    BIO *to_peer;   // owned by ssl
    fq_buf output;
    bool is_ready;
    char error[192];
    char peer_name[128];
};

static int fail(fq_tls *tls) {
    long verdict = SSL_get_verify_result(tls->ssl);
    if (verdict != X509_V_OK) {
        snprintf(tls->error, sizeof tls->error, "certificate refused: %s",
                 X509_verify_cert_error_string(verdict));
        ERR_clear_error();
    } else {
        fq_tls_take_error(tls->error, sizeof tls->error);
    }
    return FQ_ETLS;
}

static int expect_host(SSL *ssl, const char *host) {
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1 ? 0 : FQ_ETLS;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl, host) != 1 || SSL_set_tlsext_host_name(ssl, host) != 1)
        return FQ_ETLS;
    return 0;
}

static void remember_peer_name(fq_tls *tls) {
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    if (certificate == NULL || SSL_get_verify_result(tls->ssl) != X509_V_OK)
        return;
    int len = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, tls->peer_name,
                                        sizeof tls->peer_name);
    // A name that was cut or holds a NUL could pass for another one.
    if (len <= 0 || (size_t)len != strlen(tls->peer_name) || (size_t)len + 1 >= sizeof tls->peer_name)
        tls->peer_name[0] = 0;
}

static int handshake(fq_tls *tls) {
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1) {
        tls->is_ready = true;
        remember_peer_name(tls);
        return 0;
    }
    int reason = SSL_get_error(tls->ssl, result);
    return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0 : fail(tls);
}

static int attach(fq_tls *tls, const fq_tls_context *context) {
    tls->ssl = SSL_new(context->ctx);
    tls->from_peer = BIO_new(BIO_s_mem());
    tls->to_peer = BIO_new(BIO_s_mem());
    if (tls->ssl == NULL || tls->from_peer == NULL || tls->to_peer == NULL) {
        BIO_free(tls->from_peer);
        BIO_free(tls->to_peer);
        return FQ_ENOMEM;
    }
    BIO_set_mem_eof_return(tls->from_peer, -1); // an empty buffer means "later", not the end
    SSL_set_bio(tls->ssl, tls->from_peer, tls->to_peer);
    return 0;
}

int fq_tls_new(fq_tls_context *context, const char *host, fq_tls **ret_tls) {
    fq_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        return FQ_ENOMEM;
    int result = attach(tls, context);
    if (result == 0 && context->is_server) {
        SSL_set_accept_state(tls->ssl);
    } else if (result == 0) {
        SSL_set_connect_state(tls->ssl);
        if (host != NULL)
            result = expect_host(tls->ssl, host);
        if (result == 0)
            result = handshake(tls);
    }
    if (result < 0) {
        fq_tls_free(tls);
        return result;
    }
    *ret_tls = tls;
    return 0;
}

fq_tls *fq_tls_free(fq_tls *tls) {
    if (tls == NULL)
        return NULL;
    SSL_free(tls->ssl);
    fq_buf_done(&tls->output);
    free(tls);
    return NULL;
}

static int decrypt(fq_tls *tls, fq_buf *plain) {
    for (;;) {
        int room = fq_buf_reserve(plain, RECORD_BYTES);
        if (room < 0)
            return room;
        ERR_clear_error();
        int count = SSL_read(tls->ssl, fq_buf_tail(plain), RECORD_BYTES);
        if (count > 0) {
            fq_buf_commit(plain, (size_t)count);
            continue;
        }
        int reason = SSL_get_error(tls->ssl, count);
        if (reason == SSL_ERROR_ZERO_RETURN)
            return FQ_ECLOSED;
        return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0 : fail(tls);
    }
}

int fq_tls_feed(fq_tls *tls, fq_str cipher, fq_buf *plain) {
    while (cipher.len > 0) {
        int part = cipher.len > INT_MAX ? INT_MAX : (int)cipher.len;
        if (BIO_write(tls->from_peer, cipher.ptr, part) != part)
            return FQ_ENOMEM;
        cipher = (fq_str){cipher.ptr + part, cipher.len - (size_t)part};
    }
    if (!tls->is_ready) {
        int result = handshake(tls);
        if (result < 0 || !tls->is_ready)
            return result;
    }
    return decrypt(tls, plain);
}

int fq_tls_write(fq_tls *tls, fq_str plain, size_t *ret_taken) {
    size_t taken = 0;
    while (tls->is_ready && taken < plain.len) {
        size_t part = plain.len - taken < RECORD_BYTES ? plain.len - taken : RECORD_BYTES;
        ERR_clear_error();
        int count = SSL_write(tls->ssl, plain.ptr + taken, (int)part);
        if (count <= 0)
            return fail(tls);
        taken += (size_t)count;
    }
    *ret_taken = taken;
    return 0;
}

fq_buf *fq_tls_output(fq_tls *tls) {
    char *bytes;
    long len = BIO_get_mem_data(tls->to_peer, &bytes);
    // On a failed append the bytes stay where they are and are offered again.
    if (len > 0 && fq_buf_append(&tls->output, bytes, (size_t)len) == 0)
        (void)BIO_reset(tls->to_peer);
    return &tls->output;
}

bool fq_tls_is_ready(const fq_tls *tls) {
    return tls->is_ready;
}

void fq_tls_finish(fq_tls *tls) {
    ERR_clear_error();
    if (tls->is_ready)
        (void)SSL_shutdown(tls->ssl);
}

fq_str fq_tls_peer_name(const fq_tls *tls) {
    return fq_str_of(tls->peer_name);
}

const char *fq_tls_error(const fq_tls *tls) {
    return tls->error[0] != 0 ? tls->error : "no TLS error";
}
