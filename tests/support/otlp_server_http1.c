// SPDX-License-Identifier: Apache-2.0
// The receiver's HTTP/1.1 side.
#include "support/otlp_server_state.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { HUGE_HEADERS = 256 * 1024 };

struct http1 {
    fq_buf in;
    struct otlp_answer waiting; // answer of a slow one
    bool was_json;
    int64_t answer_at_ns; // 0 = none
};

bool otlp_http1_open(struct otlp_connection *connection) {
    connection->protocol = calloc(1, sizeof(struct http1));
    return connection->protocol != NULL;
}

void otlp_http1_close(struct otlp_connection *connection) {
    struct http1 *http1 = connection->protocol;
    fq_buf_done(&http1->in);
    free(http1);
}

// --- answers ---------------------------------------------------------------------------------------------------------
static void put_answer(struct otlp_connection *connection, long status, const char *fields, const char *type,
                       const void *body, size_t len) {
    char head[OTLP_WORD_MAX + 256];
    int count =
        snprintf(head, sizeof head, "HTTP/1.1 %ld Some\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n",
                 status, type, len, fields);
    otlp_connection_put(connection, head, (size_t)count);
    if (len > 0)
        otlp_connection_put(connection, body, len);
}

static void put_status(struct otlp_connection *connection, const struct otlp_answer *answer) {
    char fields[OTLP_WORD_MAX + 32] = "";
    if (strncmp(answer->rest, "after=", 6) == 0)
        snprintf(fields, sizeof fields, "Retry-After: %s\r\n", answer->rest + 6);
    static const char status[] = "\x08\x0d\x12\x05no go"; // google.rpc.Status{13, "no go"}
    put_answer(connection, answer->number, fields, "application/x-protobuf", status, sizeof status - 1);
}

static void put_huge_headers(struct otlp_connection *connection) {
    static const char begin[] = "HTTP/1.1 200 OK\r\n";
    otlp_connection_put(connection, begin, sizeof begin - 1);
    for (int i = 0; i < HUGE_HEADERS / 1024; i++) {
        char field[1024];
        memset(field, 'x', sizeof field);
        memcpy(field, "X-Padding: ", 11);
        memcpy(field + sizeof field - 2, "\r\n", 2);
        otlp_connection_put(connection, field, sizeof field);
    }
    otlp_connection_put(connection, "Content-Length: 0\r\n\r\n", 21);
}

static void put_partial(struct otlp_connection *connection, const struct otlp_answer *answer, bool is_json) {
    uint8_t message[OTLP_WORD_MAX];
    char json[OTLP_WORD_MAX];
    if (!is_json) {
        put_answer(connection, 200, "", "application/x-protobuf", message,
                   otlp_partial_message(answer->rest, message));
        return;
    }
    const char *text = strchr(answer->rest, ':');
    int len = snprintf(json, sizeof json,
                       "{\"partialSuccess\": {\"rejectedSpans\": \"%ld\", \"errorMessage\": \"%s\"}}",
                       answer->number, text != NULL ? text + 1 : "");
    put_answer(connection, 200, "", "application/json", json, (size_t)len);
}

static void put_body(struct otlp_connection *connection, long len) {
    void *body = calloc(1, (size_t)len);
    FQ_ASSERT(body != NULL);
    put_answer(connection, 200, "", "application/x-protobuf", body, (size_t)len);
    free(body);
}

static void answer(struct otlp_connection *connection, const struct otlp_answer *answer, bool is_json) {
    static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    const char *type = is_json ? "application/json" : "application/x-protobuf";
    char fields[OTLP_WORD_MAX + 32];
    if (answer->is_number) {
        put_status(connection, answer);
    } else if (strcmp(answer->name, "partial") == 0) {
        put_partial(connection, answer, is_json);
    } else if (strcmp(answer->name, "redirect") == 0) {
        snprintf(fields, sizeof fields, "Location: %s\r\n", answer->rest);
        put_answer(connection, 307, fields, "text/html", NULL, 0);
    } else if (strcmp(answer->name, "close") == 0) {
        connection->closes = true;
    } else if (strcmp(answer->name, "half") == 0) {
        otlp_connection_put(connection, half, sizeof half - 1);
        connection->closes = connection->resets = true;
    } else if (strcmp(answer->name, "garbage") == 0) {
        for (uint32_t i = 0; i < 4096; i++)
            otlp_connection_put(connection, &(const uint8_t){(uint8_t)(i * 2654435761u >> 24)}, 1);
        connection->closes = true;
    } else if (strcmp(answer->name, "trickle") == 0) {
        put_body(connection, 65536);
        connection->trickle_ns = otlp_now_ns();
    } else if (strcmp(answer->name, "headers") == 0) {
        put_huge_headers(connection);
    } else if (strcmp(answer->name, "body") == 0) {
        put_body(connection, answer->number);
    } else if (strcmp(answer->name, "type") == 0) {
        put_answer(connection, 200, "", "text/html", "<html>", 6);
    } else if (strcmp(answer->name, "hang") != 0) {
        put_answer(connection, 200, "", type, is_json ? "{}" : NULL, is_json ? 2 : 0);
    }
}

// --- requests --------------------------------------------------------------------------------------------------------
static bool field_of(const char *head, const char *name, char *value, size_t size) {
    size_t len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line != NULL && line[2] != '\0';
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':') {
            const char *text = line + 3 + len;
            text += *text == ' ';
            snprintf(value, size, "%.*s", (int)strcspn(text, "\r"), text);
            return true;
        }
    }
    return false;
}

// One request from the front of the input. False: not all there.
static bool take_request(struct otlp_connection *connection) {
    struct http1 *http1 = connection->protocol;
    fq_str in = fq_buf_str(&http1->in);
    const char *end = in.len > 0 ? memmem(in.ptr, in.len, "\r\n\r\n", 4) : NULL;
    char head[8192], value[128], path[256] = "";
    if (end == NULL)
        return false;
    snprintf(head, sizeof head, "%.*s\r\n", (int)(end - in.ptr), in.ptr);
    size_t len = field_of(head, "content-length", value, sizeof value) ? strtoul(value, NULL, 10) : 0;
    size_t head_len = (size_t)(end - in.ptr) + 4;
    if (in.len - head_len < len)
        return false;
    sscanf(head, "%*s %255s", path);
    bool is_compressed =
        field_of(head, "content-encoding", value, sizeof value) && strcmp(value, "gzip") == 0;
    http1->was_json =
        field_of(head, "content-type", value, sizeof value) && strcmp(value, "application/json") == 0;
    otlp_keep(connection, path, head, is_compressed, in.ptr + head_len, len);
    fq_buf_consume(&http1->in, head_len + len);
    struct otlp_answer next = otlp_next_answer(connection->server);
    if (strcmp(next.name, "slow") == 0) {
        http1->waiting = (struct otlp_answer){.name = "ok"};
        http1->answer_at_ns = otlp_now_ns() + next.number * 1000000;
    } else {
        answer(connection, &next, http1->was_json);
    }
    return true;
}

bool otlp_http1_receive(struct otlp_connection *connection, const void *bytes, size_t len) {
    struct http1 *http1 = connection->protocol;
    FQ_ASSERT(fq_buf_append(&http1->in, bytes, len) == 0);
    while (take_request(connection))
        ;
    return true;
}

void otlp_http1_tick(struct otlp_connection *connection, int64_t now_ns) {
    struct http1 *http1 = connection->protocol;
    if (http1->answer_at_ns != 0 && http1->answer_at_ns <= now_ns) {
        http1->answer_at_ns = 0;
        answer(connection, &http1->waiting, http1->was_json);
    }
}
