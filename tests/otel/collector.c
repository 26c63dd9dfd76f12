// SPDX-License-Identifier: Apache-2.0
// The fake OTLP receiver as a program: prints its port, then a line of JSON for each request it got.
//   otlp_collector [--http] [--port N] [--unix PATH] [--tls CERT KEY] [--client-ca FILE] [--deaf] [SCRIPT…]
// Lines on standard input: "script WORDS…", "drop" (closes all connections); the end of input ends it.
#include "base/assert.h"
#include "base/buf.h"
#include "support/otlp_server.h"

#include <stdio.h>
#include <stdlib.h>

static void put_quoted(fq_buf *line, const char *text, size_t len) {
    fq_buf_append_byte(line, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\' || c < 0x20 || c > 0x7E)
            fq_buf_printf(line, "\\u%04x", c);
        else
            fq_buf_append_byte(line, text[i]);
    }
    fq_buf_append_byte(line, '"');
}

static void put_headers(fq_buf *line, const char *headers) {
    const char *separator = "";
    fq_buf_append_str(line, FQ_STR("\"headers\": {"));
    while (*headers != '\0') {
        size_t len = strcspn(headers, "\r\n");
        const char *colon = len > 1 ? memchr(headers + 1, ':', len - 1) : NULL;
        if (colon != NULL && colon[1] == ' ') {
            size_t name = (size_t)(colon - headers);
            fq_buf_printf(line, "%s", separator);
            put_quoted(line, headers, name);
            fq_buf_append_str(line, FQ_STR(": "));
            put_quoted(line, colon + 2, len - name - 2);
            separator = ", ";
        }
        headers += len;
        headers += strspn(headers, "\r\n");
    }
    fq_buf_append_str(line, FQ_STR("}, "));
}

static void append(void *context, const char *text, size_t len) {
    FQ_ASSERT(fq_buf_append(context, text, len) == 0);
}

static void put_data(fq_buf *line, const struct otlp_request *request) {
    size_t before = line->end;
    fq_buf_append_str(line, FQ_STR("\"data\": "));
    bool is_json = request->len > 0 && request->body[0] == '{';
    if (is_json)
        fq_buf_append(line, request->body, request->len);
    else if (otel_bytes_to_json(request->signal, request->body, request->len, append, line) < 0) {
        line->end = before;
        fq_buf_append_str(line, FQ_STR("\"malformed\": true, \"data\": null"));
    }
}

static void print_request(void *context, const struct otlp_request *request) {
    (void)context;
    static const char *const signals[] = {"traces", "metrics", "logs"};
    fq_buf line = {0};
    fq_buf_printf(&line, "{\"signal\": \"%s\", \"connection\": %u, \"gzip\": %s, \"bytes\": %zu, \"path\": ",
                  signals[request->signal], request->connection, request->was_compressed ? "true" : "false",
                  request->len);
    put_quoted(&line, request->path, strlen(request->path));
    fq_buf_append_str(&line, FQ_STR(", "));
    put_headers(&line, request->headers);
    put_data(&line, request);
    fq_buf_append_str(&line, FQ_STR("}\n"));
    fwrite(line.data, 1, fq_buf_len(&line), stdout);
    fflush(stdout);
    fq_buf_done(&line);
}

static void read_arguments(int argc, char **argv, struct otlp_server_options *options, fq_buf *script) {
    for (int i = 1; i < argc; i++) {
        int left = argc - i - 1;
        if (strcmp(argv[i], "--http") == 0)
            options->is_http = true;
        else if (strcmp(argv[i], "--deaf") == 0)
            options->is_deaf = true;
        else if (strcmp(argv[i], "--port") == 0 && left > 0)
            options->port = (uint16_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--unix") == 0 && left > 0)
            options->unix_path = argv[++i];
        else if (strcmp(argv[i], "--client-ca") == 0 && left > 0)
            options->client_ca = argv[++i];
        else if (strcmp(argv[i], "--tls") == 0 && left > 1) {
            options->cert = argv[++i];
            options->key = argv[++i];
        } else
            fq_buf_printf(script, "%s%s", fq_buf_len(script) > 0 ? " " : "", argv[i]);
    }
    fq_buf_append_byte(script, '\0');
}

int main(int argc, char **argv) {
    struct otlp_server_options options = {.on_request = print_request};
    fq_buf script = {0};
    char line[4096];
    read_arguments(argc, argv, &options, &script);
    if (script.data[0] != '\0')
        options.script = script.data;
    otlp_server *server = otlp_server_start(&options);
    printf("%u\n", otlp_server_port(server));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "script ", 7) == 0)
            otlp_server_set_script(server, line + 7);
        else if (strcmp(line, "drop") == 0)
            otlp_server_drop_connections(server);
    }
    otlp_server_stop(server);
    fq_buf_done(&script);
    return 0;
}
