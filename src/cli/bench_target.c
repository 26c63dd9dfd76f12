// SPDX-License-Identifier: Apache-2.0
// What the tasks of a benchmark are like: options become a payload and names.
#include "cli/bench.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int out_of_memory(void) {
    fputs("fastqueue bench: out of memory\n", stderr);
    return FQ_EXIT_INTERNAL;
}

// JSON arguments, as most users' payloads are; where they do not fit, a JSON number.
static int make_payload(struct fq_bench_target *target) {
    static const char HEAD[] = "{\"args\":[\"", TAIL[] = "\"],\"kwargs\":{}}";
    size_t frame = sizeof HEAD + sizeof TAIL - 2;
    size_t len = (size_t)fq_option_number(target->options, FQ_OPTION_BENCH_PAYLOAD_BYTES);
    target->payload_text = malloc(len + 1);
    if (target->payload_text == NULL)
        return out_of_memory();
    memset(target->payload_text, len < frame ? '1' : 'x', len + 1);
    if (len >= frame) {
        memcpy(target->payload_text, HEAD, sizeof HEAD - 1);
        memcpy(target->payload_text + len - (sizeof TAIL - 1), TAIL, sizeof TAIL - 1);
    }
    target->payload = (fq_slice){target->payload_text, len};
    return 0;
}

static int make_names(struct fq_bench_target *target) {
    size_t count = (size_t)fq_option_number(target->options, FQ_OPTION_BENCH_NAMES);
    size_t size = strlen(target->task) + sizeof ".50000";
    target->names = calloc(count, sizeof *target->names);
    target->name_text = calloc(count, size);
    if (target->names == NULL || target->name_text == NULL)
        return out_of_memory();
    for (size_t i = 0; i < count; i++) {
        char *name = target->name_text + i * size;
        if (count > 1)
            snprintf(name, size, "%s.%zu", target->task, i + 1);
        else
            snprintf(name, size, "%s", target->task);
        target->names[i] = name;
    }
    target->name_count = count;
    return 0;
}

// From here to the end of the program: between runs too, nothing that was begun is left behind.
static int take_signals(struct fq_bench_target *target) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
        target->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (target->signal_fd >= 0)
        return 0;
    fprintf(stderr, "fastqueue bench: no signals: %s\n", strerror(errno));
    return FQ_EXIT_INTERNAL;
}

int fq_bench_target_signal(const struct fq_bench_target *target) {
    struct signalfd_siginfo info;
    return read(target->signal_fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

int fq_bench_target_read(const struct fq_options *options, struct fq_bench_target *target) {
    *target = (struct fq_bench_target){
        .options = options,
        .address = fq_option_text(options, FQ_OPTION_CONTROL_PLANE_ADDRESS),
        .task = fq_option_text(options, FQ_OPTION_BENCH_TASK),
        .silence_ms = fq_option_number(options, FQ_OPTION_REQUEST_TIMEOUT),
        .delay_ms = fq_option_number(options, FQ_OPTION_BENCH_DELAY),
        .priority = (int)fq_option_number(options, FQ_OPTION_BENCH_PRIORITY),
        .signal_fd = -1,
        .seed = (uint64_t)fq_option_number(options, FQ_OPTION_BENCH_SEED) * 0x9e3779b97f4a7c15u,
    };
    int found = fq_token_read(options, target->token);
    if (found < 0)
        return FQ_EXIT_CONFIG;
    int code = take_signals(target);
    if (code == 0)
        code = make_payload(target);
    return code != 0 ? code : make_names(target);
}

void fq_bench_target_done(struct fq_bench_target *target) {
    explicit_bzero(target->token, sizeof target->token);
    free(target->payload_text);
    free(target->name_text);
    free(target->names);
    if (target->options != NULL && target->signal_fd >= 0)
        close(target->signal_fd);
    *target = (struct fq_bench_target){.options = NULL};
}

bool fq_bench_target_has(const struct fq_bench_target *target, fq_slice name) {
    size_t len = strlen(target->task);
    if (name.len < len || memcmp(name.ptr, target->task, len) != 0)
        return false;
    return target->name_count > 1 ? name.len > len && name.ptr[len] == '.' : name.len == len;
}
