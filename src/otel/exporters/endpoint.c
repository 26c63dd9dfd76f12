// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/endpoint.h"

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct otel_otlp_pool {
    pthread_mutex_t lock;
    unsigned holders; // its owner and its endpoints
    struct otel_endpoint *endpoints;
};

// --- the pool --------------------------------------------------------------------------------------------------------
otel_otlp_pool *otel_otlp_pool_new(void) {
    otel_otlp_pool *pool = calloc(1, sizeof *pool);
    if (pool != NULL) {
        pool->holders = 1;
        pthread_mutex_init(&pool->lock, NULL);
    }
    return pool;
}

otel_otlp_pool *otel_otlp_pool_free(otel_otlp_pool *pool) {
    if (pool == NULL)
        return NULL;
    pthread_mutex_lock(&pool->lock);
    bool is_last = --pool->holders == 0;
    pthread_mutex_unlock(&pool->lock);
    if (is_last) {
        pthread_mutex_destroy(&pool->lock);
        free(pool);
    }
    return NULL;
}

// --- endpoints -------------------------------------------------------------------------------------------------------
// HTTP: paths differ by signal and do not matter. A malformed endpoint is somebody else's to refuse.
static char *key_of(const struct otel_otlp_options *options) {
    fq_buf key = {0};
    struct otel_target target;
    const char *reason;
    const char *const files[] = {options->ca_file, options->client_cert_file, options->client_key_file};
    bool is_grpc = options->protocol == OTEL_OTLP_GRPC;
    bool is_http = !is_grpc && otel_target_parse_http(options->endpoint, &target, &reason) == OTEL_OK;
    int result = fq_buf_printf(&key, "%d|%d|%d|%s", is_grpc, options->insecure, is_http && target.is_tls,
                               is_http ? target.authority : options->endpoint);
    for (size_t i = 0; i < sizeof files / sizeof files[0] && result == 0; i++)
        result = fq_buf_printf(&key, "|%s", files[i] != NULL ? files[i] : "");
    if (result == 0 && fq_buf_append_byte(&key, '\0') == 0)
        return key.data; // nothing was consumed from it: begins at its memory's begin
    fq_buf_done(&key);
    return NULL;
}

static void init_lock(struct otel_endpoint *endpoint) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&endpoint->lock, NULL);
    pthread_cond_init(&endpoint->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void free_endpoint(struct otel_endpoint *endpoint) {
    otel_grpc_channel_free(endpoint->channel);
    pthread_cond_destroy(&endpoint->changed);
    pthread_mutex_destroy(&endpoint->lock);
    free(endpoint->key);
    free(endpoint);
}

static struct otel_endpoint *make_endpoint(const struct otel_otlp_options *options, char *key, char *reason,
                                           size_t reason_size) {
    struct otel_endpoint *endpoint = calloc(1, sizeof *endpoint);
    if (endpoint == NULL) {
        snprintf(reason, reason_size, "out of memory");
        free(key);
        return NULL;
    }
    endpoint->key = key;
    endpoint->holders = 1;
    init_lock(endpoint);
    if (options->protocol == OTEL_OTLP_GRPC) {
        endpoint->channel = otel_grpc_channel_new(options, reason, reason_size);
        if (endpoint->channel == NULL) {
            free_endpoint(endpoint);
            return NULL;
        }
    }
    return endpoint;
}

static struct otel_endpoint *find(const otel_otlp_pool *pool, const char *key) {
    struct otel_endpoint *endpoint = pool->endpoints;
    while (endpoint != NULL && strcmp(endpoint->key, key) != 0)
        endpoint = endpoint->next;
    return endpoint;
}

static struct otel_endpoint *take_from_pool(otel_otlp_pool *pool, const struct otel_otlp_options *options,
                                            char *key, char *reason, size_t reason_size) {
    pthread_mutex_lock(&pool->lock);
    struct otel_endpoint *endpoint = find(pool, key);
    if (endpoint != NULL) {
        endpoint->holders++;
        free(key);
    } else {
        endpoint = make_endpoint(options, key, reason, reason_size);
        if (endpoint != NULL) {
            endpoint->pool = pool;
            endpoint->next = pool->endpoints;
            pool->endpoints = endpoint;
            pool->holders++;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return endpoint;
}

struct otel_endpoint *otel_endpoint_take(const struct otel_otlp_options *options, char *reason,
                                         size_t reason_size) {
    char *key = key_of(options);
    if (key == NULL) {
        snprintf(reason, reason_size, "out of memory");
        return NULL;
    }
    if (options->pool == NULL)
        return make_endpoint(options, key, reason, reason_size);
    return take_from_pool(options->pool, options, key, reason, reason_size);
}

struct otel_endpoint *otel_endpoint_leave(struct otel_endpoint *endpoint) {
    if (endpoint == NULL)
        return NULL;
    otel_otlp_pool *pool = endpoint->pool;
    if (pool == NULL) {
        free_endpoint(endpoint);
        return NULL;
    }
    pthread_mutex_lock(&pool->lock);
    bool is_last = --endpoint->holders == 0;
    for (struct otel_endpoint **at = &pool->endpoints; is_last && *at != NULL; at = &(*at)->next) {
        if (*at == endpoint) {
            *at = endpoint->next;
            break;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    if (is_last) {
        free_endpoint(endpoint);
        otel_otlp_pool_free(pool);
    }
    return NULL;
}

// --- waiting ---------------------------------------------------------------------------------------------------------
void otel_endpoint_hold(struct otel_endpoint *endpoint, int64_t now_ns, int64_t delay_ms) {
    pthread_mutex_lock(&endpoint->lock);
    int64_t until = now_ns + delay_ms * 1000000;
    if (until > endpoint->hold_until_ns)
        endpoint->hold_until_ns = until;
    pthread_mutex_unlock(&endpoint->lock);
}

static void sleep_until(struct otel_endpoint *endpoint, int64_t left_ns) {
    const struct timespec until = otel_wait_until(left_ns);
    (void)pthread_cond_timedwait(&endpoint->changed, &endpoint->lock, &until);
}

enum otel_endpoint_end otel_endpoint_wait(struct otel_endpoint *endpoint, const struct otel_runtime *runtime,
                                          int64_t until_ns, int64_t deadline_ns,
                                          const atomic_bool *is_given_up) {
    enum otel_endpoint_end end = OTEL_ENDPOINT_FREE;
    pthread_mutex_lock(&endpoint->lock);
    for (;;) {
        int64_t until = until_ns > endpoint->hold_until_ns ? until_ns : endpoint->hold_until_ns;
        int64_t now = otel_monotonic_ns(runtime);
        if (atomic_load(is_given_up))
            end = OTEL_ENDPOINT_GIVEN_UP;
        else if (until > deadline_ns)
            end = OTEL_ENDPOINT_TIMEOUT;
        else if (now < until) {
            sleep_until(endpoint, until - now);
            continue;
        }
        break;
    }
    pthread_mutex_unlock(&endpoint->lock);
    return end;
}

void otel_endpoint_wake(struct otel_endpoint *endpoint) {
    pthread_mutex_lock(&endpoint->lock);
    pthread_cond_broadcast(&endpoint->changed);
    pthread_mutex_unlock(&endpoint->lock);
    if (endpoint->channel != NULL)
        otel_grpc_channel_wake(endpoint->channel);
}

void otel_endpoint_after_fork(struct otel_endpoint *endpoint) {
    init_lock(endpoint);
    if (endpoint->pool != NULL)
        pthread_mutex_init(&endpoint->pool->lock, NULL);
    if (endpoint->channel != NULL)
        otel_grpc_channel_after_fork(endpoint->channel);
}
