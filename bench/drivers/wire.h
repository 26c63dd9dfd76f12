// SPDX-License-Identifier: Apache-2.0
// A blocking connection with buffers both ways, clocks and percentiles: what the drivers share. Any failure ends the
// program with a message; the drivers measure, they do not recover.
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H
#include <stddef.h>
#include <stdint.h>

struct wire {
    int fd;
    char *in, *out;
    size_t in_from, in_to, in_cap; // unread input is in[in_from, in_to)
    size_t out_len, out_cap;
};

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
double now_s(void);

void wire_dial(struct wire *wire, int port); // 127.0.0.1
void wire_close(struct wire *wire);
void wire_put(struct wire *wire, const void *bytes, size_t len);
#define wire_literal(wire, text) wire_put(wire, text, sizeof(text) - 1)
void wire_print(struct wire *wire, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wire_flush(struct wire *wire);
// Input; each waits until it is there. What is returned is borrowed until the next call.
char *wire_line(struct wire *wire, size_t *ret_len); // without its CR LF, and ended by a zero
char *wire_take(struct wire *wire, size_t len);

// Sorts `seconds` and prints percentiles in microseconds as members of a JSON object, with a leading comma.
void print_percentiles(double *seconds, long count);
#endif
