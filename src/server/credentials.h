// SPDX-License-Identifier: Apache-2.0
// Who may log in: users with roles and the SHA-256 of their token. Secrets are compared in constant time; an unknown user
// costs the same work as a wrong token.
#ifndef FQ_SERVER_CREDENTIALS_H
#define FQ_SERVER_CREDENTIALS_H

#include "base/str.h"
#include "fastqueue/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct fq_credentials fq_credentials;

/** Empty; owned by the caller; NULL when out of memory. */
fq_credentials *fq_credentials_new(void);
fq_credentials *fq_credentials_free(fq_credentials *credentials);

/** Adds user `name` whose secret is `token`; only its digest is kept. FQ_EINVALID for a name that is used twice or malformed. */
FQ_MUST_USE int fq_credentials_add_token(fq_credentials *credentials, fq_str name, unsigned roles,
                                         fq_str token);
/** The same by the SHA-256 of the token (32 bytes). */
FQ_MUST_USE int fq_credentials_add_digest(fq_credentials *credentials, fq_str name, unsigned roles,
                                          const unsigned char digest[32]);
/**
 * Reads lines `name role[,role…] sha256:<64 hex digits>`; '#' starts a comment; a user may have two lines (token rotation).
 * On FQ_EINVALID or FQ_ENOMEM `error` (size > 0) says which line and why; nothing of a secret is in it.
 */
FQ_MUST_USE int fq_credentials_parse(fq_credentials *credentials, fq_str text, char *error, size_t size);
/** As above from a file; also FQ_EIO, and FQ_EINVALID if others than its owner and group may read it. */
FQ_MUST_USE int fq_credentials_read_file(fq_credentials *credentials, const char *path, char *error,
                                         size_t size);

/**
 * What the two checks below rest on: the roles that the token gives, 0 if it gives none. Neither a branch nor an address
 * depends on the token's bytes or on what is stored of it; only the caller, who looks at the roles, learns anything.
 */
unsigned fq_credentials_match(const fq_credentials *credentials, fq_str user, fq_str token);
unsigned fq_credentials_match_token(const fq_credentials *credentials, fq_str token);

bool fq_credentials_is_empty(const fq_credentials *credentials); // NULL: true
/** 0 with the user's roles, or FQ_EWRONGPASS. Any user name for which a token is known; "" means "default". */
FQ_MUST_USE int fq_credentials_check(const fq_credentials *credentials, fq_str user, fq_str token,
                                     unsigned *ret_roles);
/** Roles of `user` without a secret, for names that a certificate vouches for. FQ_EWRONGPASS if unknown. */
FQ_MUST_USE int fq_credentials_roles(const fq_credentials *credentials, fq_str user, unsigned *ret_roles);
/** For HTTP's Bearer, where no user is named: any user's token. */
FQ_MUST_USE int fq_credentials_check_token(const fq_credentials *credentials, fq_str token,
                                           unsigned *ret_roles);

#endif
