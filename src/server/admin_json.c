// SPDX-License-Identifier: Apache-2.0
#include "server/admin_json.h"

#include "resp/reader.h"

#include <openssl/evp.h>
#include <stdlib.h>

typedef struct fq_resp_node node;

static json_t *json_of_node(const node *nodes, uint32_t at);

static json_t *json_of_bytes(fq_str bytes) {
    json_t *text = fq_str_is_utf8(bytes) ? json_stringn(bytes.ptr, bytes.len) : NULL;
    if (text != NULL)
        return text;
    unsigned char *encoded = malloc(bytes.len / 3 * 4 + 5);
    if (encoded == NULL)
        return NULL;
    int len = EVP_EncodeBlock(encoded, (const unsigned char *)bytes.ptr, (int)bytes.len);
    json_t *object = json_pack("{s:s#}", "base64", encoded, len);
    free(encoded);
    return object;
}

static json_t *json_of_array(const node *nodes, uint32_t at) {
    json_t *array = json_array();
    uint32_t child = at + 1;
    for (uint32_t i = 0; array != NULL && i < nodes[at].child_count; i++, child = nodes[child].next) {
        if (json_array_append_new(array, json_of_node(nodes, child)) < 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

// A result in JSON is shown as the value; one that jansson cannot hold (huge integers) stays text.
static json_t *json_of_result(const node *nodes, uint32_t map, uint32_t value) {
    const node *encoding = fq_resp_map_get(nodes, map, FQ_STR("encoding"));
    bool is_json = encoding != NULL && fq_str_equal(encoding->text, FQ_STR("json"));
    json_t *parsed = NULL;
    if (is_json && nodes[value].type == FQ_RESP_STRING)
        parsed =
            json_loadb(nodes[value].text.ptr, nodes[value].text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    return parsed != NULL ? parsed : json_of_node(nodes, value);
}

static json_t *json_of_map(const node *nodes, uint32_t at) {
    json_t *object = json_object();
    uint32_t key = at + 1;
    for (uint32_t i = 0; object != NULL && i + 1 < nodes[at].child_count; i += 2) {
        uint32_t value = nodes[key].next;
        char name[64];
        fq_str text = nodes[key].text;
        bool is_result = fq_str_equal(text, FQ_STR("result"));
        bool fits = text.len < sizeof name && fq_str_is_utf8(text);
        if (fits) {
            memcpy(name, text.ptr, text.len);
            name[text.len] = 0;
        }
        json_t *json = is_result ? json_of_result(nodes, at, value) : json_of_node(nodes, value);
        if (!fits || json_object_set_new(object, name, json) < 0) {
            if (!fits)
                json_decref(json);
            json_decref(object);
            object = NULL;
        }
        key = nodes[value].next;
    }
    return object;
}

static json_t *json_of_node(const node *nodes, uint32_t at) {
    switch (nodes[at].type) {
    case FQ_RESP_NIL: return json_null();
    case FQ_RESP_INTEGER: return json_integer(nodes[at].integer);
    case FQ_RESP_BOOLEAN: return json_boolean(nodes[at].integer != 0);
    case FQ_RESP_DOUBLE: return json_real(nodes[at].real);
    case FQ_RESP_STATUS:
    case FQ_RESP_STRING:
    case FQ_RESP_ERROR: return json_of_bytes(nodes[at].text);
    case FQ_RESP_MAP: return json_of_map(nodes, at);
    case FQ_RESP_ARRAY:
    case FQ_RESP_SET:
    case FQ_RESP_PUSH: return json_of_array(nodes, at);
    }
    return NULL;
}

json_t *fq_admin_json_of_reply(fq_str reply) {
    static const struct fq_resp_limits limits = {
        .args_max = 1 << 20, .arg_bytes_max = 1 << 30, .total_bytes_max = 1 << 30, .depth_max = 16};
    fq_buf input = {.data = (char *)(uintptr_t)reply.ptr, .end = reply.len, .capacity = reply.len};
    fq_resp_reply_reader *reader = fq_resp_reply_reader_new();
    const node *nodes;
    size_t consumed;
    json_t *json = NULL;
    if (reader != NULL && fq_resp_reply_next(reader, &input, &limits, &nodes, &consumed) == 1)
        json = json_of_node(nodes, 0);
    fq_resp_reply_reader_free(reader);
    return json;
}

bool fq_admin_reply_is_error(fq_str reply, fq_str *ret_code, fq_str *ret_text) {
    if (reply.len == 0 || reply.ptr[0] != '-')
        return false;
    const char *end = memchr(reply.ptr, '\r', reply.len);
    fq_str line = {reply.ptr + 1, (end != NULL ? (size_t)(end - reply.ptr) : reply.len) - 1};
    const char *space = memchr(line.ptr, ' ', line.len);
    size_t code_len = space != NULL ? (size_t)(space - line.ptr) : line.len;
    *ret_code = (fq_str){line.ptr, code_len};
    size_t skip = space != NULL ? code_len + 1 : code_len;
    *ret_text = (fq_str){line.ptr + skip, line.len - skip};
    return true;
}
