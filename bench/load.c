// SPDX-License-Identifier: Apache-2.0
// Load for the figures of docs/benchmarks.md. One thread, one connection, raw RESP: what is measured is the server.
//
//   load submit  HOST PORT COUNT PAYLOAD_BYTES DEPTH     submit COUNT tasks, DEPTH in flight
//   load work    HOST PORT COUNT BATCH                   fetch and complete COUNT tasks, BATCH at a time
//   load latency HOST PORT COUNT PAYLOAD_BYTES           submit one, wait for its result, repeat
//   load pace    HOST PORT COUNT PAYLOAD_BYTES RATE      submit COUNT tasks, RATE of them a second, in ticks of 2 ms
//   load ack     HOST PORT COUNT PAYLOAD_BYTES           submit one, wait for its acknowledgement, repeat
//   load alive   HOST PORT COUNT PAUSE_US                PING, wait PAUSE_US, repeat: how long the loop keeps others waiting
//   load ping    HOST PORT COUNT BYTES                   send BYTES to an echo server and read them back, repeat
//   load echo    PORT                                    the libuv echo server that `ping` is measured against
//
// Prints one line of JSON.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "resp/reader.h"
#include "resp/writer.h"

struct link {
    int fd;
    fq_buf in, out;
    size_t consumed; // of the reply that was given last
    fq_resp_reply_reader *reader;
};

static const struct fq_resp_limits limits = {
    .args_max = 1 << 20, .arg_bytes_max = 64 << 20, .total_bytes_max = 64 << 20, .depth_max = 16};

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, errno != 0 ? strerror(errno) : "failed");
    exit(1);
}

static double now_s(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct link dial(const char *host, const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die("host must be an IPv4 address");
    struct link link = {.fd = socket(AF_INET, SOCK_STREAM, 0), .reader = fq_resp_reply_reader_new()};
    int one = 1;
    if (link.fd < 0 || connect(link.fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    setsockopt(link.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return link;
}

static void flush(struct link *link) {
    while (fq_buf_len(&link->out) > 0) {
        fq_str text = fq_buf_str(&link->out);
        ssize_t sent = write(link->fd, text.ptr, text.len);
        if (sent <= 0)
            die("write");
        fq_buf_consume(&link->out, (size_t)sent);
    }
}

// The next reply; its nodes borrow until the next call. An error reply ends the program.
static const struct fq_resp_node *reply(struct link *link) {
    fq_buf_consume(&link->in, link->consumed);
    link->consumed = 0;
    for (;;) {
        const struct fq_resp_node *nodes;
        int rc = fq_resp_reply_next(link->reader, &link->in, &limits, &nodes, &link->consumed);
        if (rc < 0)
            die(fq_resp_reply_error(link->reader));
        if (rc == 1 && nodes[0].type == FQ_RESP_ERROR) {
            fprintf(stderr, "load: server: %.*s\n", FQ_STR_ARGS(nodes[0].text));
            exit(1);
        }
        if (rc == 1)
            return nodes;
        link->consumed = 0;
        if (fq_buf_reserve(&link->in, 1 << 16) < 0)
            die("memory");
        ssize_t got = read(link->fd, fq_buf_tail(&link->in), 1 << 16);
        if (got <= 0)
            die("read");
        fq_buf_commit(&link->in, (size_t)got);
    }
}

static void request(struct link *link, size_t count, const fq_str *args) {
    struct fq_resp_writer writer = {.out = &link->out, .protocol = 2};
    fq_resp_write_request(&writer, count);
    for (size_t i = 0; i < count; i++)
        fq_resp_write_string(&writer, args[i]);
    if (writer.failed < 0)
        die("memory");
}

static fq_str payload_of(size_t bytes) {
    char *text = calloc(1, bytes + 64);
    int head = snprintf(text, 64, "{\"args\":[\"");
    const char *tail = "\"],\"kwargs\":{}}";
    size_t fill = bytes > (size_t)head + strlen(tail) ? bytes - (size_t)head - strlen(tail) : 0;
    memset(text + head, 'x', fill);
    memcpy(text + (size_t)head + fill, tail, strlen(tail));
    return (fq_str){text, (size_t)head + fill + strlen(tail)};
}

// LOAD_TASK names another task than the one that does nothing.
static fq_str task_name(void) {
    const char *name = getenv("LOAD_TASK");
    return fq_str_of(name != NULL ? name : "bench.noop");
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print_rate(const char *mode, long count, double seconds) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"mode\":\"%s\",\"count\":%ld,\"seconds\":%.4f,\"per_second\":%.0f,\"own_cpu_s\":%.3f}\n", mode,
           count, seconds, (double)count / seconds, cpu);
}

static void print_latency(const char *mode, double *seconds, long count) {
    qsort(seconds, (size_t)count, sizeof *seconds, by_value);
    printf(
        "{\"mode\":\"%s\",\"count\":%ld,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
        mode, count, seconds[count / 2] * 1e6, seconds[count * 9 / 10] * 1e6, seconds[count * 99 / 100] * 1e6,
        seconds[count - 1] * 1e6);
}

static void submit(struct link *link, long count, size_t bytes, long depth) {
    fq_str args[] = {FQ_STR("FQ.SUBMIT"), task_name(), payload_of(bytes)};
    double start = now_s();
    long sent = 0, done = 0;
    while (done < count) {
        long burst = sent - done < depth / 2 || depth < 2 ? depth - (sent - done) : 0;
        for (; burst > 0 && sent < count; burst--, sent++)
            request(link, 3, args);
        flush(link);
        (void)reply(link);
        done++;
    }
    print_rate("submit", count, now_s() - start);
}

static void work(struct link *link, long count, const char *batch) {
    fq_str fetch[] = {FQ_STR("FQ.FETCH"), FQ_STR("TASKS"), FQ_STR("bench.noop"), FQ_STR("COUNT"),
                      fq_str_of(batch),   FQ_STR("BLOCK"), FQ_STR("1000")};
    double start = now_s();
    long done = 0, reports = 0;
    request(link, 7, fetch);
    flush(link);
    while (done < count) {
        for (; reports > 0; reports--)
            (void)reply(link);
        const struct fq_resp_node *nodes = reply(link);
        uint32_t at = 1;
        for (uint32_t i = 0; i < nodes[0].child_count; i++, at = nodes[at].next) {
            const struct fq_resp_node *id = fq_resp_map_get(nodes, at, FQ_STR("id"));
            const struct fq_resp_node *token = fq_resp_map_get(nodes, at, FQ_STR("token"));
            char number[24];
            fq_str text = token->text;
            if (token->type == FQ_RESP_INTEGER)
                text = (fq_str){number, (size_t)snprintf(number, sizeof number, "%ld", token->integer)};
            fq_str complete[] = {FQ_STR("FQ.COMPLETE"), id->text, text, FQ_STR("null")};
            request(link, 4, complete);
            reports++;
        }
        done += reports;
        if (done < count)
            request(link, 7, fetch);
        flush(link);
    }
    for (; reports > 0; reports--)
        (void)reply(link);
    print_rate("work", done, now_s() - start);
}

static void latency(struct link *link, const char *mode, long count, size_t bytes) {
    bool wait = strcmp(mode, "latency") == 0;
    fq_str args[] = {FQ_STR("FQ.SUBMIT"), task_name(), payload_of(bytes)};
    double *seconds = calloc((size_t)count, sizeof *seconds);
    for (long i = 0; i < count; i++) {
        double start = now_s();
        request(link, 3, args);
        flush(link);
        const struct fq_resp_node *nodes = reply(link);
        if (wait) {
            char id[64];
            size_t len = nodes[0].text.len < sizeof id ? nodes[0].text.len : sizeof id;
            memcpy(id, nodes[0].text.ptr, len);
            fq_str result[] = {
                FQ_STR("FQ.RESULT"), {id, len},
                 FQ_STR("WAIT"), FQ_STR("10000")
            };
            request(link, 4, result);
            flush(link);
            (void)reply(link);
        }
        seconds[i] = now_s() - start;
    }
    print_latency(mode, seconds, count);
}

// Offers tasks at a steady rate, whatever the server does with them; replies are taken as they come.
static void pace(struct link *link, long count, size_t bytes, long rate) {
    fq_str args[] = {FQ_STR("FQ.SUBMIT"), task_name(), payload_of(bytes)};
    double start = now_s();
    long sent = 0, answered = 0;
    while (answered < count) {
        long due = (long)((now_s() - start) * (double)rate);
        for (due = due < count ? due : count; sent < due; sent++)
            request(link, 3, args);
        flush(link);
        for (; answered < sent; answered++)
            (void)reply(link);
        usleep(2000);
    }
    print_rate("pace", count, now_s() - start);
}

static void alive(struct link *link, long count, long pause_us) {
    fq_str args[] = {FQ_STR("PING")};
    double *seconds = calloc((size_t)count, sizeof *seconds);
    for (long i = 0; i < count; i++) {
        double start = now_s();
        request(link, 1, args);
        flush(link);
        (void)reply(link);
        seconds[i] = now_s() - start;
        usleep((useconds_t)pause_us);
    }
    print_latency("alive", seconds, count);
}

static void ping(struct link *link, long count, size_t bytes) {
    char *text = calloc(1, bytes);
    double *seconds = calloc((size_t)count, sizeof *seconds);
    for (long i = 0; i < count; i++) {
        double start = now_s();
        if (write(link->fd, text, bytes) != (ssize_t)bytes)
            die("write");
        for (size_t got = 0; got < bytes;) {
            ssize_t n = read(link->fd, text + got, bytes - got);
            if (n <= 0)
                die("read");
            got += (size_t)n;
        }
        seconds[i] = now_s() - start;
    }
    print_latency("ping", seconds, count);
}

static void echo_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    static char memory[1 << 16];
    (void)handle, (void)suggested;
    *buf = uv_buf_init(memory, sizeof memory);
}
static void echo_closed(uv_handle_t *handle) {
    free(handle);
}
static void echo_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
    uv_buf_t out = uv_buf_init(buf->base, got > 0 ? (unsigned)got : 0);
    if (got < 0)
        uv_close((uv_handle_t *)stream, echo_closed);
    else if (got > 0 && uv_try_write(stream, &out, 1) != got)
        die("echo");
}
static void echo_accept(uv_stream_t *server, int status) {
    uv_tcp_t *client = malloc(sizeof *client);
    if (status < 0 || uv_tcp_init(server->loop, client) < 0 || uv_accept(server, (uv_stream_t *)client) < 0)
        die("accept");
    uv_tcp_nodelay(client, 1);
    uv_read_start((uv_stream_t *)client, echo_alloc, echo_read);
}
static void echo(const char *port) {
    struct sockaddr_in address;
    uv_tcp_t server;
    uv_ip4_addr("127.0.0.1", atoi(port), &address);
    uv_tcp_init(uv_default_loop(), &server);
    if (uv_tcp_bind(&server, (struct sockaddr *)&address, 0) < 0 ||
        uv_listen((uv_stream_t *)&server, 8, echo_accept) < 0)
        die("listen");
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "echo") == 0) {
        echo(argv[2]);
        return 0;
    }
    if (argc < 6) {
        fputs("usage: load submit|pace|work|latency|ack|alive|ping HOST PORT COUNT BYTES_OR_BATCH [DEPTH], "
              "load "
              "echo "
              "PORT\n",
              stderr);
        return 2;
    }
    struct link link = dial(argv[2], argv[3]);
    long count = atol(argv[4]);
    size_t bytes = (size_t)atol(argv[5]);
    if (count < 1) {
        fputs("load: COUNT must be at least 1\n", stderr);
        return 2;
    }
    if (strcmp(argv[1], "submit") == 0)
        submit(&link, count, bytes, argc > 6 ? atol(argv[6]) : 1);
    else if (strcmp(argv[1], "pace") == 0)
        pace(&link, count, bytes, argc > 6 ? atol(argv[6]) : 1000);
    else if (strcmp(argv[1], "work") == 0)
        work(&link, count, argv[5]);
    else if (strcmp(argv[1], "alive") == 0)
        alive(&link, count, (long)bytes);
    else if (strcmp(argv[1], "ping") == 0)
        ping(&link, count, bytes);
    else
        latency(&link, argv[1], count, bytes);
    return 0;
}
