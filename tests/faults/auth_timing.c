// SPDX-License-Identifier: Apache-2.0
// Does the time of a refused login tell how much of the token was right? Two kinds of wrong tokens, one that shares all but
// its last byte with the right one and one that shares nothing, in random order; Welch's t over the times, the slowest
// tenth (interruptions) left out of both.  auth_timing SAMPLES -> "t=… close_ns=… far_ns=…"
#include "base/random.h"
#include "server/core.h"
#include "server/credentials.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KINDS = 2, ROUNDS = 4 }; // logins in one sample

struct kind {
    fq_str token;
    double *times;
    size_t count;
};

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

// Mean and variance of the faster nine tenths.
static size_t summarize(struct kind *kind, double *ret_mean, double *ret_variance) {
    size_t count = kind->count - kind->count / 10;
    double sum = 0, squares = 0;
    qsort(kind->times, kind->count, sizeof *kind->times, by_value);
    for (size_t i = 0; i < count; i++)
        sum += kind->times[i];
    for (size_t i = 0; i < count; i++)
        squares += (kind->times[i] - sum / (double)count) * (kind->times[i] - sum / (double)count);
    *ret_mean = sum / (double)count;
    *ret_variance = squares / (double)(count - 1);
    return count;
}

int main(int argc, char **argv) {
    size_t samples = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 100000;
    fq_credentials *credentials = fq_credentials_new();
    if (samples < 100 || credentials == NULL)
        return 2;
    struct kind kinds[KINDS] = {{.token = FQ_STR("fqt_4Jw9sKx0Lr7Tn2Vb8Yc5Hd1Gf6Pa3Qe")},
                                {.token = FQ_STR("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz")}};
    if (fq_credentials_add_token(credentials, FQ_STR("default"), FQ_ROLE_ALL,
                                 FQ_STR("fqt_4Jw9sKx0Lr7Tn2Vb8Yc5Hd1Gf6Pa3Qf")) < 0)
        return 2;
    fq_random random;
    char token[64];
    fq_random_seed(&random, (uint64_t)now_ns());
    for (size_t i = 0; i < KINDS; i++)
        if ((kinds[i].times = calloc(samples, sizeof(double))) == NULL)
            return 2;
    for (size_t i = 0; i < samples; i++) {
        struct kind *kind = &kinds[fq_random_next(&random) % KINDS];
        fq_str said = {token,
                       kind->token.len}; // both from one place: the time of an address is not the question
        unsigned roles = 0;
        memcpy(token, kind->token.ptr, kind->token.len);
        double began = now_ns();
        for (int round = 0; round < ROUNDS; round++)
            if (fq_credentials_check(credentials, FQ_STR("default"), said, &roles) == 0)
                return 2;
        kind->times[kind->count++] = now_ns() - began;
    }
    double mean[KINDS], variance[KINDS], error = 0;
    for (size_t i = 0; i < KINDS; i++) {
        size_t count = summarize(&kinds[i], &mean[i], &variance[i]);
        error += variance[i] / (double)count;
    }
    printf("t=%.3f close_ns=%.1f far_ns=%.1f\n", (mean[0] - mean[1]) / sqrt(error), mean[0] / ROUNDS,
           mean[1] / ROUNDS);
    for (size_t i = 0; i < KINDS; i++)
        free(kinds[i].times);
    fq_credentials_free(credentials);
    return 0;
}
