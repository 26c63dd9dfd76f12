// SPDX-License-Identifier: Apache-2.0
// Replies in RESP2, as the drivers of Redis and of FastQueue read them: item by item, no tree. An error ends the program.
#ifndef BENCH_RESP_H
#define BENCH_RESP_H
#include <stdlib.h>
#include <string.h>

#include "wire.h"

struct resp {
    char type;   // + : $ *
    long number; // of `:`, length of `$` and `*`, -1 for nil
    char *text;  // of `+` and `$`, borrowed until the next item
    size_t len;
};

static inline struct resp resp_next(struct wire *wire) {
    size_t len;
    char *line = wire_line(wire, &len);
    struct resp item = {.type = line[0], .text = line + 1, .len = len - 1};
    if (item.type == '-')
        die("the server said %s", item.text);
    if (item.type != '+')
        item.number = strtol(line + 1, NULL, 10);
    if (item.type == '$' && item.number >= 0) {
        item.len = (size_t)item.number;
        item.text = wire_take(wire, item.len + 2);
    }
    return item;
}

// Reads a whole reply and forgets it; how many items it had at its top, -1 for nil.
static inline long resp_skip(struct wire *wire) {
    struct resp item = resp_next(wire);
    for (long i = 0; item.type == '*' && i < item.number; i++)
        resp_skip(wire);
    return item.number;
}

static inline void resp_put(struct wire *wire, const char *text, size_t len) {
    char head[24];
    size_t at = sizeof head;
    head[--at] = '\n';
    head[--at] = '\r';
    size_t left = len;
    do
        head[--at] = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    head[--at] = '$';
    wire_put(wire, head + at, sizeof head - at);
    wire_put(wire, text, len);
    wire_literal(wire, "\r\n");
}

static inline void resp_put_text(struct wire *wire, const char *text) {
    resp_put(wire, text, strlen(text));
}
#endif
