// SPDX-License-Identifier: Apache-2.0
// What keeps web pages away from a local admin port: a browser that was led here by another site shows it in Host (a name
// that the site's owner points at us) or in Origin and Sec-Fetch-Site.
#ifndef FQ_SERVER_ADMIN_GUARD_H
#define FQ_SERVER_ADMIN_GUARD_H

#include "base/str.h"

#include <stdbool.h>

/** True for IP addresses, names without a dot, names under suffixes that no public site can have (.localhost, .local,
 *  .internal, .svc) and `own_host`; with or without port. */
bool fq_admin_host_is_ours(fq_str host, fq_str own_host);
/** `origin` ("" = none sent) is http:// or https:// in front of exactly `host`. */
bool fq_admin_origin_is_ours(fq_str origin, fq_str host);

#endif
