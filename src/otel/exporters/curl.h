// SPDX-License-Identifier: Apache-2.0
// libcurl, loaded when it is needed first: programs that speak gRPC never pay for it.
#ifndef OTEL_EXPORTERS_CURL_H
#define OTEL_EXPORTERS_CURL_H

#include <curl/curl.h>

#include <stdbool.h>
#include <stddef.h>

struct otel_curl {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *easy);
    CURLcode (*set)(CURL *easy, CURLoption option, ...);
    CURLcode (*get)(CURL *easy, CURLINFO info, ...);
    const char *(*error_text)(CURLcode code);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_cleanup)(CURLM *multi);
    CURLMcode (*add)(CURLM *multi, CURL *easy);
    CURLMcode (*remove)(CURLM *multi, CURL *easy);
    CURLMcode (*perform)(CURLM *multi, int *ret_running);
    CURLMcode (*poll)(CURLM *multi, struct curl_waitfd *more, unsigned count, int timeout_ms, int *ret_ready);
    CURLMcode (*wakeup)(CURLM *multi);
    CURLMsg *(*read)(CURLM *multi, int *ret_left);
    struct curl_slist *(*append)(struct curl_slist *list, const char *text);
    void (*free_list)(struct curl_slist *list);
};
/** False with a reason that names the package. The library stays loaded until the process ends. */
bool otel_curl_load(struct otel_curl *ret_curl, char *reason, size_t reason_size);

#endif
