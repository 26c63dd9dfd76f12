// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"

#include "fastqueue/error.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void fq_base64_encode(const void *bytes, size_t len, char *text) {
    const uint8_t *in = bytes;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t group = (uint32_t)in[i] << 16;
        if (left > 1)
            group |= (uint32_t)in[i + 1] << 8;
        if (left > 2)
            group |= in[i + 2];
        *text++ = alphabet[group >> 18];
        *text++ = alphabet[group >> 12 & 63];
        *text++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
        *text++ = left > 2 ? alphabet[group & 63] : '=';
    }
}

static int digit(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

int fq_base64_decode(const char *text, size_t len, uint8_t *bytes, size_t *ret_len) {
    for (int padding = 0; padding < 2 && len > 0 && text[len - 1] == '='; padding++)
        len--;
    if (len % 4 == 1)
        return FQ_EINVALID;
    uint32_t group = 0;
    size_t written = 0;
    for (size_t i = 0; i < len; i++) {
        int value = digit(text[i]);
        if (value < 0)
            return FQ_EINVALID;
        group = group << 6 | (uint32_t)value;
        // Four characters make three bytes; a byte is whole with the second, third and fourth of them.
        unsigned extra = i % 4 == 0 ? 8 : 6 - 2 * (unsigned)(i % 4);
        if (extra < 8)
            bytes[written++] = (uint8_t)(group >> extra);
    }
    *ret_len = written;
    return 0;
}
