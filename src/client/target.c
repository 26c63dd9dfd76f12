// SPDX-License-Identifier: Apache-2.0
#include "client/target.h"

#include <stdio.h>
#include <stdlib.h>

static const char *given_or_environment(const char *given, const char *variable) {
    if (given != NULL)
        return given;
    const char *value = getenv(variable);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static int add_address(struct fq_target *target, fq_str text, char *error, size_t error_size) {
    if (target->count == FQ_TARGET_ADDRESSES_MAX) {
        snprintf(error, error_size, "more than %d addresses", FQ_TARGET_ADDRESSES_MAX);
        return FQ_EINVALID;
    }
    const char *reason;
    int rc = fq_address_parse(text, &target->addresses[target->count], &reason);
    if (rc < 0) {
        snprintf(error, error_size, "address of the control plane: %s", reason);
        return rc;
    }
    target->count++;
    return 0;
}

static int parse_addresses(struct fq_target *target, const char *list, char *error, size_t error_size) {
    target->addresses = calloc(FQ_TARGET_ADDRESSES_MAX, sizeof *target->addresses);
    if (target->addresses == NULL) {
        snprintf(error, error_size, "out of memory");
        return FQ_ENOMEM;
    }
    for (const char *part = list;;) {
        size_t len = strcspn(part, ",");
        while (len > 0 && part[0] == ' ') {
            part++;
            len--;
        }
        int rc = add_address(target, (fq_str){part, len}, error, error_size);
        if (rc < 0)
            return rc;
        part += len;
        if (*part == '\0')
            return 0;
        part++;
    }
}

// The credential of the first address that has one.
static int take_credential(struct fq_target *target, const struct fq_target_options *options) {
    const struct fq_address *holder = NULL;
    for (size_t i = 0; i < target->count && holder == NULL; i++) {
        if (target->addresses[i].token[0] != '\0')
            holder = &target->addresses[i];
    }
    const char *user = options->user, *token = options->token;
    if (token == NULL && holder != NULL) {
        token = holder->token;
        if (user == NULL && holder->user[0] != '\0')
            user = holder->user;
    }
    user = given_or_environment(user, "FASTQUEUE_USER");
    token = given_or_environment(token, "FASTQUEUE_TOKEN");
    if (user != NULL && (target->user = strdup(user)) == NULL)
        return FQ_ENOMEM;
    if (token != NULL && token[0] != '\0' && (target->token = strdup(token)) == NULL)
        return FQ_ENOMEM;
    for (size_t i = 0; i < target->count; i++)
        explicit_bzero(target->addresses[i].token, sizeof target->addresses[i].token);
    return 0;
}

static int make_tls(struct fq_target *target, const struct fq_target_options *options, char *error,
                    size_t error_size) {
    bool wanted = false;
    for (size_t i = 0; i < target->count; i++)
        wanted = wanted || target->addresses[i].kind == FQ_ADDRESS_TLS;
    if (!wanted)
        return 0;
    struct fq_tls_options tls = {
        .cert_file = given_or_environment(options->tls_cert, "FASTQUEUE_TLS_CERT"),
        .key_file = given_or_environment(options->tls_key, "FASTQUEUE_TLS_KEY"),
        .ca_file = given_or_environment(options->tls_ca, "FASTQUEUE_TLS_CA"),
    };
    return fq_tls_context_new(&tls, error, error_size, &target->tls);
}

int fq_target_init(struct fq_target *target, const struct fq_target_options *options, char *error,
                   size_t error_size) {
    *target = (struct fq_target){0};
    const char *list = given_or_environment(options->address, "FASTQUEUE_CONTROL_PLANE_ADDRESS");
    int rc = parse_addresses(target, list != NULL ? list : FQ_TARGET_DEFAULT, error, error_size);
    if (rc == 0) {
        rc = take_credential(target, options);
        if (rc < 0)
            snprintf(error, error_size, "%s", fq_strerror(rc));
    }
    if (rc == 0)
        rc = make_tls(target, options, error, error_size);
    if (rc < 0)
        fq_target_done(target);
    return rc;
}

int fq_target_init_like(struct fq_target *target, const struct fq_target *like, const char *addresses,
                        char *error, size_t error_size) {
    *target = (struct fq_target){.tls = like->tls};
    const char *scheme = like->addresses[like->current].kind == FQ_ADDRESS_TLS ? "tls://" : "tcp://";
    target->addresses = calloc(FQ_TARGET_ADDRESSES_MAX, sizeof *target->addresses);
    int rc = target->addresses == NULL ? FQ_ENOMEM : 0;
    for (const char *at = addresses; rc == 0 && target->count < FQ_TARGET_ADDRESSES_MAX; at++) {
        char text[FQ_ADDRESS_TEXT];
        size_t len = strcspn(at, ",");
        int text_len = snprintf(text, sizeof text, "%s%.*s", scheme, (int)(len < 512 ? len : 512), at);
        rc = add_address(target, (fq_str){text, (size_t)text_len}, error, error_size);
        at += len;
        if (*at == '\0')
            break;
    }
    if (rc == 0 && like->user != NULL && (target->user = strdup(like->user)) == NULL)
        rc = FQ_ENOMEM;
    if (rc == 0 && like->token != NULL && (target->token = strdup(like->token)) == NULL)
        rc = FQ_ENOMEM;
    if (rc == FQ_ENOMEM)
        snprintf(error, error_size, "out of memory");
    if (rc < 0) {
        target->tls = NULL;
        fq_target_done(target);
    }
    return rc;
}

void fq_target_done(struct fq_target *target) {
    if (target->addresses != NULL)
        explicit_bzero(target->addresses, FQ_TARGET_ADDRESSES_MAX * sizeof *target->addresses);
    free(target->addresses);
    free(target->user);
    if (target->token != NULL)
        explicit_bzero(target->token, strlen(target->token));
    free(target->token);
    fq_tls_context_free(target->tls);
    *target = (struct fq_target){0};
}

const struct fq_address *fq_target_address(const struct fq_target *target) {
    return &target->addresses[target->current];
}

void fq_target_advance(struct fq_target *target) {
    target->current = (target->current + 1) % target->count;
}

static bool is_named(const struct fq_address *address, const char *leader) {
    const char *colon = strrchr(leader, ':');
    if (address->kind == FQ_ADDRESS_UNIX || colon == NULL)
        return false;
    fq_str host = {leader, (size_t)(colon - leader)};
    if (host.len >= 2 && host.ptr[0] == '[')
        host = (fq_str){host.ptr + 1, host.len - 2};
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)address->port);
    return strcmp(colon + 1, port) == 0 && fq_str_equal_nocase(host, fq_str_of(address->host));
}

void fq_target_follow(struct fq_target *target, const char *leader) {
    for (size_t i = 0; i < target->count; i++) {
        if (i != target->current && is_named(&target->addresses[i], leader)) {
            target->current = i;
            return;
        }
    }
    fq_target_advance(target);
}
