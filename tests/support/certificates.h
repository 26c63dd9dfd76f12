// SPDX-License-Identifier: Apache-2.0
// Certificates made for a test, written as PEM files into a directory of its own.
#ifndef FQ_TESTS_CERTIFICATES_H
#define FQ_TESTS_CERTIFICATES_H

struct fq_test_identity {
    char cert[64], key[64]; // paths
};

/** A new directory under $TMPDIR. */
void fq_test_certificates_begin(char directory[32]);
/** A self-signed authority `name`. */
struct fq_test_identity fq_test_authority(const char *directory, const char *name);
/** `name` as common name, `alternative` as subject alternative names ("DNS:localhost,IP:127.0.0.1"; NULL = none), valid
 *  from `from_s` to `to_s` seconds from now, signed by `authority`. */
struct fq_test_identity fq_test_certificate(const char *directory, const char *name, const char *alternative,
                                            long from_s, long to_s, const struct fq_test_identity *authority);
void fq_test_certificates_end(const char *directory);

#endif
