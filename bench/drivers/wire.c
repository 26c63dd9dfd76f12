// SPDX-License-Identifier: Apache-2.0
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES ((size_t)256 << 10)

void die(const char *format, ...) {
    int error = errno;
    va_list args;
    va_start(args, format);
    fputs("driver: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    if (error != 0)
        fprintf(stderr, ": %s", strerror(error));
    fputc('\n', stderr);
    exit(1);
}

double now_s(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void wire_dial(struct wire *wire, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *wire = (struct wire){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    if (wire->fd < 0 || connect(wire->fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect to port %d", port);
    setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

void wire_close(struct wire *wire) {
    close(wire->fd);
    free(wire->in);
    free(wire->out);
}

static void grow(char **memory, size_t *cap, size_t need) {
    if (need <= *cap)
        return;
    *cap = need * 2;
    *memory = realloc(*memory, *cap);
    if (*memory == NULL)
        die("memory");
}

void wire_put(struct wire *wire, const void *bytes, size_t len) {
    grow(&wire->out, &wire->out_cap, wire->out_len + len);
    memcpy(wire->out + wire->out_len, bytes, len);
    wire->out_len += len;
}

void wire_print(struct wire *wire, const char *format, ...) {
    va_list args;
    grow(&wire->out, &wire->out_cap, wire->out_len + 512);
    va_start(args, format);
    int len = vsnprintf(wire->out + wire->out_len, 512, format, args);
    va_end(args);
    if (len < 0 || len >= 512)
        die("a request of %d bytes", len);
    wire->out_len += (size_t)len;
}

void wire_flush(struct wire *wire) {
    for (size_t sent = 0; sent < wire->out_len;) {
        ssize_t n = write(wire->fd, wire->out + sent, wire->out_len - sent);
        if (n <= 0)
            die("write");
        sent += (size_t)n;
    }
    wire->out_len = 0;
}

// Reads until `need` unread bytes are there, or once when `need` is zero.
static void fill(struct wire *wire, size_t need) {
    size_t unread = wire->in_to - wire->in_from;
    if (wire->in_from > 0) {
        memmove(wire->in, wire->in + wire->in_from, unread);
        wire->in_from = 0, wire->in_to = unread;
    }
    grow(&wire->in, &wire->in_cap, (need > unread ? need : unread) + READ_BYTES);
    do {
        errno = 0;
        ssize_t n = read(wire->fd, wire->in + wire->in_to, wire->in_cap - wire->in_to);
        if (n <= 0)
            die("the server closed the connection");
        wire->in_to += (size_t)n;
    } while (wire->in_to < need);
}

char *wire_line(struct wire *wire, size_t *ret_len) {
    for (size_t searched = 0;;) {
        char *from = wire->in + wire->in_from;
        size_t unread = wire->in_to - wire->in_from;
        char *end = unread > searched ? memchr(from + searched, '\n', unread - searched) : NULL;
        if (end != NULL) {
            wire->in_from += (size_t)(end - from) + 1;
            end -= end > from && end[-1] == '\r';
            *end = 0;
            if (ret_len != NULL)
                *ret_len = (size_t)(end - from);
            return from;
        }
        searched = unread;
        fill(wire, 0);
    }
}

char *wire_take(struct wire *wire, size_t len) {
    if (wire->in_to - wire->in_from < len)
        fill(wire, len);
    wire->in_from += len;
    return wire->in + wire->in_from - len;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void print_percentiles(double *seconds, long count) {
    qsort(seconds, (size_t)count, sizeof *seconds, by_value);
    printf(",\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f", seconds[count / 2] * 1e6,
           seconds[count * 9 / 10] * 1e6, seconds[count * 99 / 100] * 1e6, seconds[count - 1] * 1e6);
}
