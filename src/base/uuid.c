// SPDX-License-Identifier: Apache-2.0
#include "base/uuid.h"

#include "fastqueue/error.h"

// Value of a hexadecimal digit plus 1; 0 for any other byte.
static const unsigned char hex_values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};
// Where the two digits of each byte stand in the text.
static const unsigned char places[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

int fq_uuid_parse(fq_str text, fq_uuid *ret_id) {
    if (text.len != FQ_UUID_TEXT)
        return FQ_EINVALID;
    const unsigned char *p = (const unsigned char *)text.ptr;
    if (p[8] != '-' || p[13] != '-' || p[18] != '-' || p[23] != '-')
        return FQ_EINVALID;
    fq_uuid id;
    bool is_hex = true;
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        unsigned high = hex_values[p[places[i]]];
        unsigned low = hex_values[p[places[i] + 1]];
        is_hex = is_hex && high != 0 && low != 0;
        id.bytes[i] = (unsigned char)((high - 1) << 4 | (low - 1));
    }
    if (!is_hex)
        return FQ_EINVALID;
    *ret_id = id;
    return 0;
}

void fq_uuid_format(const fq_uuid *id, char text[FQ_UUID_TEXT]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        text[places[i]] = digits[id->bytes[i] >> 4];
        text[places[i] + 1] = digits[id->bytes[i] & 15];
    }
    text[8] = text[13] = text[18] = text[23] = '-';
}

fq_uuid fq_uuid_v7(int64_t unix_ms, uint64_t random_high, uint64_t random_low) {
    fq_uuid id;
    uint64_t ms = (uint64_t)unix_ms;
    for (size_t i = 0; i < 6; i++)
        id.bytes[i] = (unsigned char)(ms >> (40 - 8 * i));
    for (size_t i = 0; i < 2; i++)
        id.bytes[6 + i] = (unsigned char)(random_high >> (8 * i));
    for (size_t i = 0; i < 8; i++)
        id.bytes[8 + i] = (unsigned char)(random_low >> (8 * i));
    id.bytes[6] = (unsigned char)((id.bytes[6] & 0x0f) | 0x70);
    id.bytes[8] = (unsigned char)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}
