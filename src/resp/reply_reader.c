// SPDX-License-Identifier: Apache-2.0
// Replies and pushes of RESP2 and RESP3 as a flat preorder array of nodes. Nesting is a stack in the reader, never
// recursion. While a reply is incomplete, texts are offsets from the front of the input; attributes are read and dropped.
#include "resp/line.h"
#include "resp/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_NODES = 32, KEPT_NODES = 4096, ERROR_TEXT = 200, TEXT_LINE_MAX = 65536 };

struct level {
    uint32_t node;
    uint32_t missing; // children that are still to come
    bool attribute;
};

struct fq_resp_reply_reader {
    struct fq_resp_node *nodes;
    size_t node_count;
    size_t node_room;
    struct level levels[FQ_RESP_DEPTH_MAX];
    size_t depth;
    size_t offset;  // first byte that is not parsed
    size_t scanned; // no line end before this offset
    char error[ERROR_TEXT];
};

fq_resp_reply_reader *fq_resp_reply_reader_new(void) {
    return calloc(1, sizeof(fq_resp_reply_reader));
}

fq_resp_reply_reader *fq_resp_reply_reader_free(fq_resp_reply_reader *reader) {
    if (reader != NULL) {
        free(reader->nodes);
        free(reader);
    }
    return NULL;
}

const char *fq_resp_reply_error(const fq_resp_reply_reader *reader) {
    return reader->error;
}

__attribute__((format(printf, 3, 4))) static int refuse(fq_resp_reply_reader *reader, int error,
                                                        const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(reader->error, sizeof reader->error, format, args);
    va_end(args);
    return error;
}

// Room for one more node, which is filled in place: a node that is made elsewhere and copied costs more than the parsing.
static int reserve_node(fq_resp_reply_reader *reader, const struct fq_resp_limits *limits) {
    if (limits->args_max != 0 && reader->node_count >= limits->args_max)
        return refuse(reader, FQ_ETOOBIG, "a reply of more than %u values", limits->args_max);
    if (reader->node_count < reader->node_room)
        return 0;
    size_t room = reader->node_room != 0 ? reader->node_room * 2 : FIRST_NODES;
    struct fq_resp_node *nodes = realloc(reader->nodes, room * sizeof *nodes);
    if (nodes == NULL)
        return refuse(reader, FQ_ENOMEM, "out of memory");
    reader->nodes = nodes;
    reader->node_room = room;
    return 0;
}

static void fill(struct fq_resp_node *node, enum fq_resp_type type) {
    node->type = type;
    node->child_count = 0;
    node->integer = 0;
    node->real = 0;
    node->text = (fq_str){NULL, 0};
}

// A text while the reply is incomplete: its offset stands in for the pointer.
static fq_str span(size_t at, size_t len) {
    return (fq_str){(const char *)(uintptr_t)at, len};
}

// Length of the line behind the type byte (without CR LF) in *ret_len: 1, 0 if incomplete, or an error.
static int find_line(fq_resp_reply_reader *reader, fq_str text, size_t *ret_len) {
    size_t start = reader->offset + 1;
    size_t from = reader->scanned > start ? reader->scanned : start;
    const char *end = from < text.len ? memchr(text.ptr + from, '\n', text.len - from) : NULL;
    if (end == NULL) {
        if (text.len > start + TEXT_LINE_MAX)
            return refuse(reader, FQ_ETOOBIG, "a line of more than %d bytes", TEXT_LINE_MAX);
        reader->scanned = text.len;
        return 0;
    }
    size_t at = (size_t)(end - text.ptr);
    if (at == start || text.ptr[at - 1] != '\r')
        return refuse(reader, FQ_EPROTOCOL, "a line does not end with CR LF");
    *ret_len = at - 1 - start;
    return 1;
}

static int read_line_value(fq_resp_reply_reader *reader, fq_str text, char type, struct fq_resp_node *node) {
    size_t len;
    int rc = find_line(reader, text, &len);
    if (rc <= 0)
        return rc;
    fq_str line = {text.ptr + reader->offset + 1, len};
    char number[64];
    fill(node, FQ_RESP_STATUS);
    node->text = span(reader->offset + 1, len);
    switch (type) {
    case '+': break;
    case '-': node->type = FQ_RESP_ERROR; break;
    case '(': node->type = FQ_RESP_STRING; break;
    case '_':
        node->type = FQ_RESP_NIL;
        node->text = span(0, 0);
        break;
    case '#':
        if (len != 1 || (line.ptr[0] != 't' && line.ptr[0] != 'f'))
            return refuse(reader, FQ_EPROTOCOL, "a malformed boolean");
        node->type = FQ_RESP_BOOLEAN;
        node->integer = line.ptr[0] == 't';
        node->text = span(0, 0);
        break;
    default: // ','
        if (len == 0 || len >= sizeof number)
            return refuse(reader, FQ_EPROTOCOL, "a malformed double");
        memcpy(number, line.ptr, len);
        number[len] = '\0';
        char *rest;
        node->real = strtod(number, &rest);
        if (*rest != '\0')
            return refuse(reader, FQ_EPROTOCOL, "a malformed double");
        node->type = FQ_RESP_DOUBLE;
    }
    reader->offset += 1 + len + 2;
    return 1;
}

static int read_bulk(fq_resp_reply_reader *reader, fq_str text, const struct fq_resp_limits *limits,
                     char type, struct fq_resp_node *node) {
    int64_t len;
    int taken = fq_resp_number_line(text, reader->offset + 1, &len);
    if (taken == 0)
        return 0;
    if (taken < 0 || len < -1)
        return refuse(reader, FQ_EPROTOCOL, "the length of a string is malformed");
    if (len == -1) {
        fill(node, FQ_RESP_NIL);
        reader->offset += 1 + (size_t)taken;
        return 1;
    }
    if (limits->arg_bytes_max != 0 && (uint64_t)len > limits->arg_bytes_max)
        return refuse(reader, FQ_ETOOBIG, "a string of %lld bytes; at most %llu are taken", (long long)len,
                      (unsigned long long)limits->arg_bytes_max);
    size_t body = reader->offset + 1 + (size_t)taken;
    size_t end = body + (size_t)len + 2;
    if (limits->total_bytes_max != 0 && end > limits->total_bytes_max)
        return refuse(reader, FQ_ETOOBIG, "a reply of more than %llu bytes",
                      (unsigned long long)limits->total_bytes_max);
    if (end > text.len)
        return 0;
    if (text.ptr[end - 2] != '\r' || text.ptr[end - 1] != '\n')
        return refuse(reader, FQ_EPROTOCOL, "a string is not followed by CR LF");
    if (type == '=') { // verbatim: three letters and a colon in front
        if (len < 4 || text.ptr[body + 3] != ':')
            return refuse(reader, FQ_EPROTOCOL, "a malformed verbatim string");
        body += 4;
        len -= 4;
    }
    fill(node, type == '!' ? FQ_RESP_ERROR : FQ_RESP_STRING);
    node->text = span(body, (size_t)len);
    reader->offset = end;
    return 1;
}

static enum fq_resp_type aggregate_type(char type) {
    switch (type) {
    case '%':
    case '|': return FQ_RESP_MAP;
    case '~': return FQ_RESP_SET;
    case '>': return FQ_RESP_PUSH;
    default: return FQ_RESP_ARRAY;
    }
}

static int read_aggregate(fq_resp_reply_reader *reader, fq_str text, const struct fq_resp_limits *limits,
                          char type, struct fq_resp_node *node) {
    int64_t count;
    int taken = fq_resp_number_line(text, reader->offset + 1, &count);
    if (taken == 0)
        return 0;
    if (taken < 0 || count < -1 || (count == -1 && type != '*'))
        return refuse(reader, FQ_EPROTOCOL, "the number of elements is malformed");
    if (count == -1) {
        fill(node, FQ_RESP_NIL);
        reader->offset += 1 + (size_t)taken;
        return 1;
    }
    bool pairs = type == '%' || type == '|';
    uint64_t most = limits->args_max != 0 ? limits->args_max : UINT32_MAX / 2;
    if ((uint64_t)count > most / (pairs ? 2 : 1))
        return refuse(reader, FQ_ETOOBIG, "a reply of %lld elements", (long long)count);
    size_t depth_max = limits->depth_max != 0 && limits->depth_max < FQ_RESP_DEPTH_MAX ? limits->depth_max
                                                                                       : FQ_RESP_DEPTH_MAX;
    if (reader->depth >= depth_max)
        return refuse(reader, FQ_ETOOBIG, "a reply nested deeper than %zu", depth_max);
    fill(node, aggregate_type(type));
    node->child_count = (uint32_t)count * (pairs ? 2 : 1);
    reader->offset += 1 + (size_t)taken;
    return 2; // opens a level
}

static int read_integer(fq_resp_reply_reader *reader, fq_str text, struct fq_resp_node *node) {
    size_t len;
    int rc = find_line(reader, text, &len);
    if (rc <= 0)
        return rc;
    fq_str line = {text.ptr + reader->offset + 1, len};
    if (len > 1 && line.ptr[0] == '+') {
        line.ptr++;
        line.len--;
    }
    fill(node, FQ_RESP_INTEGER);
    if (fq_str_to_int64(line, &node->integer) < 0)
        return refuse(reader, FQ_EPROTOCOL, "a malformed integer");
    reader->offset += 1 + len + 2;
    return 1;
}

// One value, or the head of an aggregate, into `node`: 1, 2 for a head, 0 if incomplete, or an error.
static int read_value(fq_resp_reply_reader *reader, fq_str text, const struct fq_resp_limits *limits,
                      char type, struct fq_resp_node *node) {
    switch (type) {
    case '$':
    case '=':
    case '!': return read_bulk(reader, text, limits, type, node);
    case '*':
    case '%':
    case '~':
    case '>':
    case '|': return read_aggregate(reader, text, limits, type, node);
    case ':': return read_integer(reader, text, node);
    case '+':
    case '-':
    case '_':
    case '#':
    case ',':
    case '(': return read_line_value(reader, text, type, node);
    default: return refuse(reader, FQ_EPROTOCOL, "byte 0x%02x starts no RESP value", (unsigned char)type);
    }
}

// A value is whole: closes every level that it completes. True when the reply is whole.
static bool close_levels(fq_resp_reply_reader *reader) {
    while (reader->depth > 0) {
        struct level *top = &reader->levels[reader->depth - 1];
        if (top->missing > 0 && --top->missing > 0)
            return false;
        reader->depth--;
        if (top->attribute) { // it stands in front of a value and is none itself
            reader->node_count = top->node;
            return false;
        }
        reader->nodes[top->node].next = (uint32_t)reader->node_count;
    }
    return true;
}

// Takes one step: 1 when the reply is whole, 2 to go on, 0 if more bytes are needed, or an error.
static int step(fq_resp_reply_reader *reader, fq_str text, const struct fq_resp_limits *limits) {
    if (reader->offset >= text.len)
        return 0;
    char type = text.ptr[reader->offset];
    int rc = reserve_node(reader, limits);
    if (rc < 0)
        return rc;
    uint32_t index = (uint32_t)reader->node_count;
    struct fq_resp_node *node = &reader->nodes[index];
    rc = read_value(reader, text, limits, type, node);
    if (rc <= 0)
        return rc;
    reader->scanned = 0;
    if (limits->total_bytes_max != 0 && reader->offset > limits->total_bytes_max)
        return refuse(reader, FQ_ETOOBIG, "a reply of more than %llu bytes",
                      (unsigned long long)limits->total_bytes_max);
    node->next = index + 1;
    reader->node_count++;
    if (rc == 2) {
        reader->levels[reader->depth++] = (struct level){index, node->child_count, type == '|'};
        if (node->child_count > 0)
            return 2;
        // An empty aggregate is whole at once; its level counts no child.
    }
    return close_levels(reader) ? 1 : 2;
}

static void finish(fq_resp_reply_reader *reader, fq_str text) {
    for (size_t i = 0; i < reader->node_count; i++) {
        struct fq_resp_node *node = &reader->nodes[i];
        bool has_text = node->type == FQ_RESP_STATUS || node->type == FQ_RESP_ERROR ||
                        node->type == FQ_RESP_STRING || node->type == FQ_RESP_DOUBLE;
        node->text.ptr = has_text ? text.ptr + (uintptr_t)node->text.ptr : "";
    }
}

int fq_resp_reply_next(fq_resp_reply_reader *reader, const fq_buf *input, const struct fq_resp_limits *limits,
                       const struct fq_resp_node **ret_nodes, size_t *ret_consumed) {
    fq_str text = fq_buf_str(input);
    if (reader->offset == 0 && reader->depth == 0) {
        reader->node_count = 0;
        if (reader->node_room > KEPT_NODES) {
            free(reader->nodes);
            reader->nodes = NULL;
            reader->node_room = 0;
        }
    }
    int rc;
    while ((rc = step(reader, text, limits)) == 2)
        continue;
    if (rc <= 0)
        return rc;
    finish(reader, text);
    *ret_nodes = reader->nodes;
    *ret_consumed = reader->offset;
    reader->offset = 0;
    reader->scanned = 0;
    return 1;
}

const struct fq_resp_node *fq_resp_map_get(const struct fq_resp_node *nodes, uint32_t at, fq_str key) {
    uint32_t pairs = nodes[at].child_count / 2;
    uint32_t child = at + 1;
    for (uint32_t i = 0; i < pairs; i++) {
        uint32_t value = nodes[child].next;
        if ((nodes[child].type == FQ_RESP_STRING || nodes[child].type == FQ_RESP_STATUS) &&
            fq_str_equal(nodes[child].text, key))
            return &nodes[value];
        child = nodes[value].next;
    }
    return NULL;
}
