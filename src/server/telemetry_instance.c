// SPDX-License-Identifier: Apache-2.0
#include "server/telemetry_instance.h"

#include "server/data_dir.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { UUID_BYTES = 16, HOST_ROOM = 256 };

// The namespace that the semantic conventions name for service.instance.id.
static const unsigned char namespace[UUID_BYTES] = {0x4d, 0x63, 0x00, 0x9a, 0x8d, 0x0f, 0x11, 0xee,
                                                    0xaa, 0xd7, 0x4c, 0x79, 0x6e, 0xd8, 0xe3, 0x20};

bool fq_telemetry_instance(const char *data_dir, char ret_text[FQ_INSTANCE_TEXT]) {
    char host[HOST_ROOM] = "", path[PATH_MAX], error[HOST_ROOM];
    unsigned char text[UUID_BYTES + HOST_ROOM + PATH_MAX], id[EVP_MAX_MD_SIZE];
    if (data_dir != NULL && strcmp(data_dir, "none") == 0)
        return false;
    if (fq_data_dir_find(data_dir, path, sizeof path, error, sizeof error) < 0)
        return false;
    (void)gethostname(host, sizeof host - 1);
    memcpy(text, namespace, UUID_BYTES);
    int len = snprintf((char *)text + UUID_BYTES, sizeof text - UUID_BYTES, "%s\n%s", host, path);
    if (len < 0 || EVP_Digest(text, UUID_BYTES + (size_t)len, id, NULL, EVP_sha1(), NULL) != 1)
        return false;
    id[6] = (unsigned char)((id[6] & 0x0f) | 0x50); // version 5
    id[8] = (unsigned char)((id[8] & 0x3f) | 0x80);
    char *at = ret_text;
    for (int i = 0; i < UUID_BYTES; i++)
        at += sprintf(at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", id[i]);
    return true;
}
