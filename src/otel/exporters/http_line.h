// SPDX-License-Identifier: Apache-2.0
// One request at a time over libcurl, with a kept connection, for one thread at a time.
#ifndef OTEL_EXPORTERS_HTTP_LINE_H
#define OTEL_EXPORTERS_HTTP_LINE_H

#include "base/buf.h"
#include "otel/exporters/curl.h"
#include "otel/exporters/delivery.h"

enum { OTEL_HTTP_SOCKETS_MAX = 4, OTEL_HTTP_FIELD_MAX = 64 };

// What all requests of an exporter have in common; borrowed by its lines.
struct otel_http_common {
    struct otel_curl curl;
    const struct otel_runtime *runtime;
    char *url, *ca_file, *cert_file, *key_file; // NULL = none
    char *user_agent;
    struct curl_slist *headers;
    size_t response_max;
};

struct otel_http_line {
    const struct otel_http_common *common;
    CURLM *multi;
    CURL *easy;
    bool is_busy;                       // its owner's
    int sockets[OTEL_HTTP_SOCKETS_MAX]; // open ones, -1 = none: a forked child must not speak on them
    struct otel_http_line *next;        // its owner's

    // the answer
    fq_buf body;
    size_t header_bytes;
    bool is_too_large;
    long status;
    char content_type[OTEL_HTTP_FIELD_MAX], retry_after[OTEL_HTTP_FIELD_MAX]; // "" = not given
    char error[CURL_ERROR_SIZE];
};

/** NULL when out of memory. */
struct otel_http_line *otel_http_line_new(const struct otel_http_common *common);
struct otel_http_line *otel_http_line_free(struct otel_http_line *line);
enum otel_http_end { OTEL_HTTP_DONE, OTEL_HTTP_TIMEOUT, OTEL_HTTP_GIVEN_UP };
/** Posts. DONE: *ret_code is libcurl's verdict, the answer is in the line. */
enum otel_http_end otel_http_line_post(struct otel_http_line *line, const void *bytes, size_t len,
                                       const struct otel_call_limits *limits, CURLcode *ret_code);
/** The post under way looks again at whether it is given up. Any thread. */
void otel_http_line_wake(struct otel_http_line *line);
/** In a forked child: closes what the parent speaks on, without a word. */
void otel_http_line_forget_sockets(struct otel_http_line *line);

#endif
