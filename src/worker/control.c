// SPDX-License-Identifier: Apache-2.0
#include "worker/control.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

int fq_control_pair(int ret_fds[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) == 0 ? 0 : FQ_EIO;
}

int fq_control_send(int fd, enum fq_control_type type, const void *bytes, size_t len) {
    if (len > FQ_CONTROL_MAX - 1)
        return FQ_ETOOBIG;
    char head = (char)type;
    struct iovec parts[2] = {
        {&head,                    1  },
        {(void *)(uintptr_t)bytes, len}
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = len > 0 ? 2 : 1};
    ssize_t sent;
    do
        sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return 0;
    return errno == EAGAIN || errno == ENOBUFS ? FQ_EAGAIN : FQ_EDISCONNECTED;
}

int fq_control_receive(int fd, char *ret_type, char *out, size_t *ret_len) {
    ssize_t got;
    do
        got = recv(fd, out, FQ_CONTROL_MAX, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? 0 : FQ_EDISCONNECTED;
    if (got == 0)
        return FQ_EDISCONNECTED;
    *ret_type = out[0];
    memmove(out, out + 1, (size_t)got - 1);
    out[got - 1] = '\0';
    *ret_len = (size_t)got - 1;
    return 1;
}

char *fq_runner_setup_encode(const struct fq_runner_setup *setup, size_t *ret_len) {
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:b, s:b, s:b}", "version",
        setup->version, "address", setup->address, "user", setup->user, "token", setup->token, "tls_ca",
        setup->tls_ca, "tls_cert", setup->tls_cert, "tls_key", setup->tls_key, "worker_id", setup->worker_id,
        "instance", setup->instance, "async_concurrency", (json_int_t)setup->async_concurrency, "max_tasks",
        (json_int_t)setup->max_tasks, "allow_pickle", (int)setup->allow_pickle, "telemetry",
        (int)setup->telemetry, "logs", (int)setup->logs, "traces", (int)setup->traces);
    if (root == NULL)
        return NULL;
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (text != NULL)
        *ret_len = strlen(text);
    return text;
}

static bool copy_texts(const json_t *root, struct fq_runner_setup *setup) {
    const struct {
        const char *key;
        char **place;
    } texts[] = {
        {"version",   &setup->version  },
        {"address",   &setup->address  },
        {"user",      &setup->user     },
        {"token",     &setup->token    },
        {"tls_ca",    &setup->tls_ca   },
        {"tls_cert",  &setup->tls_cert },
        {"tls_key",   &setup->tls_key  },
        {"worker_id", &setup->worker_id},
        {"instance",  &setup->instance },
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *text = json_string_value(json_object_get(root, texts[i].key));
        *texts[i].place = strdup(text != NULL ? text : "");
        if (*texts[i].place == NULL)
            return false;
    }
    return true;
}

int fq_runner_setup_decode(const char *bytes, size_t len, struct fq_runner_setup *ret_setup) {
    json_t *root = json_loadb(bytes, len, 0, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        return FQ_EPROTOCOL;
    }
    struct fq_runner_setup setup = {
        .async_concurrency = json_integer_value(json_object_get(root, "async_concurrency")),
        .max_tasks = json_integer_value(json_object_get(root, "max_tasks")),
        .allow_pickle = json_is_true(json_object_get(root, "allow_pickle")),
        .telemetry = json_is_true(json_object_get(root, "telemetry")),
        .traces = json_is_true(json_object_get(root, "traces")),
        .logs = json_is_true(json_object_get(root, "logs")),
    };
    bool copied = copy_texts(root, &setup);
    json_decref(root);
    if (!copied) {
        fq_runner_setup_done(&setup);
        return FQ_ENOMEM;
    }
    *ret_setup = setup;
    return 0;
}

void fq_runner_setup_done(struct fq_runner_setup *setup) {
    free(setup->version);
    free(setup->address);
    free(setup->user);
    free(setup->token);
    free(setup->tls_ca);
    free(setup->tls_cert);
    free(setup->tls_key);
    free(setup->worker_id);
    free(setup->instance);
    *setup = (struct fq_runner_setup){0};
}
