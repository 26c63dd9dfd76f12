// SPDX-License-Identifier: Apache-2.0
#include "support/certificates.h"

#include "base/assert.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fq_test_certificates_begin(char directory[32]) {
    snprintf(directory, 32, "/tmp/fq-tls-XXXXXX");
    FQ_ASSERT(mkdtemp(directory) != NULL);
}

void fq_test_certificates_end(const char *directory) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    FQ_ASSERT(system(command) == 0);
}

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    FQ_ASSERT(extension != NULL);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *read_certificate(const char *path) {
    FILE *file = fopen(path, "r");
    FQ_ASSERT(file != NULL);
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    return certificate;
}

static EVP_PKEY *read_key(const char *path) {
    FILE *file = fopen(path, "r");
    FQ_ASSERT(file != NULL);
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    return key;
}

static void write_files(const struct fq_test_identity *identity, X509 *certificate, EVP_PKEY *key) {
    FILE *file = fopen(identity->cert, "w");
    FQ_ASSERT(file != NULL && PEM_write_X509(file, certificate) == 1);
    fclose(file);
    file = fopen(identity->key, "w");
    FQ_ASSERT(file != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(file);
}

static struct fq_test_identity make(const char *directory, const char *name, const char *alternative,
                                    long from_s, long to_s, const struct fq_test_identity *authority) {
    static long serial = 1;
    struct fq_test_identity identity;
    snprintf(identity.cert, sizeof identity.cert, "%s/%s.pem", directory, name);
    snprintf(identity.key, sizeof identity.key, "%s/%s.key", directory, name);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
    X509_set_pubkey(certificate, key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509 *issuer = authority != NULL ? read_certificate(authority->cert) : certificate;
    EVP_PKEY *issuer_key = authority != NULL ? read_key(authority->key) : key;
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    add_extension(certificate, issuer, NID_basic_constraints,
                  authority == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (alternative != NULL)
        add_extension(certificate, issuer, NID_subject_alt_name, alternative);
    FQ_ASSERT(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);
    write_files(&identity, certificate, key);
    if (authority != NULL) {
        X509_free(issuer);
        EVP_PKEY_free(issuer_key);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    return identity;
}

struct fq_test_identity fq_test_authority(const char *directory, const char *name) {
    return make(directory, name, NULL, -60, 3600, NULL);
}

struct fq_test_identity fq_test_certificate(const char *directory, const char *name, const char *alternative,
                                            long from_s, long to_s,
                                            const struct fq_test_identity *authority) {
    return make(directory, name, alternative, from_s, to_s, authority);
}
