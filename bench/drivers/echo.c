// SPDX-License-Identifier: Apache-2.0
// What waiting costs without a queue:
//
//   echo serve PORT                  a libuv server that sends back what it is sent
//   echo ping  PORT COUNT BYTES      sends BYTES to it and reads them back, COUNT times
//   echo alive PORT COUNT PAUSE_US   sends a RESP PING to any server, waits, pauses: how long its loop keeps others waiting
//
// The last two print percentiles as one line of JSON.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "wire.h"

static void give_memory(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    static char memory[1 << 16];
    (void)handle, (void)suggested;
    *buf = uv_buf_init(memory, sizeof memory);
}

static void closed(uv_handle_t *handle) {
    free(handle);
}

static void send_back(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
    uv_buf_t out = uv_buf_init(buf->base, got > 0 ? (unsigned)got : 0);
    if (got < 0)
        uv_close((uv_handle_t *)stream, closed);
    else if (got > 0 && uv_try_write(stream, &out, 1) != got)
        die("echo");
}

static void welcome(uv_stream_t *server, int status) {
    uv_tcp_t *client = malloc(sizeof *client);
    if (client == NULL || status < 0 || uv_tcp_init(server->loop, client) < 0 ||
        uv_accept(server, (uv_stream_t *)client) < 0)
        die("accept");
    uv_tcp_nodelay(client, 1);
    uv_read_start((uv_stream_t *)client, give_memory, send_back);
}

static void serve(int port) {
    struct sockaddr_in address;
    uv_tcp_t server;
    uv_ip4_addr("127.0.0.1", port, &address);
    uv_tcp_init(uv_default_loop(), &server);
    if (uv_tcp_bind(&server, (struct sockaddr *)&address, 0) < 0 ||
        uv_listen((uv_stream_t *)&server, 8, welcome) < 0)
        die("listen on port %d", port);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static void exchange(struct wire *wire, const char *bytes, size_t len) {
    wire_put(wire, bytes, len);
    wire_flush(wire);
    wire_take(wire, len);
}

static void ping(struct wire *wire, long count, size_t bytes, double *seconds) {
    char *text = calloc(1, bytes);
    for (long i = 0; i < count; i++) {
        double start = now_s();
        exchange(wire, text, bytes);
        seconds[i] = now_s() - start;
    }
    free(text);
}

static void alive(struct wire *wire, long count, long pause_us, double *seconds) {
    for (long i = 0; i < count; i++) {
        double start = now_s();
        wire_literal(wire, "*1\r\n$4\r\nPING\r\n");
        wire_flush(wire);
        wire_line(wire, NULL);
        seconds[i] = now_s() - start;
        usleep((useconds_t)pause_us);
    }
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "serve") == 0) {
        serve(atoi(argv[2]));
        return 0;
    }
    long count = argc == 5 ? atol(argv[3]) : 0;
    long last = argc == 5 ? atol(argv[4]) : 0;
    if (count < 1 || last < 1) {
        fputs("usage: echo serve PORT | ping PORT COUNT BYTES | alive PORT COUNT PAUSE_US\n", stderr);
        return 2;
    }
    struct wire wire;
    double *seconds = calloc((size_t)count, sizeof *seconds);
    wire_dial(&wire, atoi(argv[2]));
    if (strcmp(argv[1], "ping") == 0)
        ping(&wire, count, (size_t)last, seconds);
    else
        alive(&wire, count, last, seconds);
    printf("{\"count\":%ld", count);
    print_percentiles(seconds, count);
    puts("}");
    wire_close(&wire);
    free(seconds);
    return 0;
}
