// SPDX-License-Identifier: Apache-2.0
// Gives every file of a folder to a fuzzer's function, and prefixes of it too: all of them, or 256 of a long one.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20, PREFIXES_MAX = 256 };

// Each prefix is a copy of its own size, so that a sanitizer sees a read behind its end.
static void give(const uint8_t *bytes, size_t size) {
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        abort();
    for (size_t i = 0; i < size; i++)
        copy[i] = bytes[i];
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int replay(const char *folder, const char *name) {
    static uint8_t bytes[INPUT_MAX];
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return 0;
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    size_t step = size / PREFIXES_MAX + 1;
    for (size_t prefix = 0; prefix < size; prefix += step)
        give(bytes, prefix);
    give(bytes, size);
    return 1;
}

int main(int argc, char **argv) {
    int files = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (folder == NULL) {
            perror(argv[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
            if (entry->d_name[0] != '.')
                files += replay(argv[i], entry->d_name);
        }
        closedir(folder);
    }
    printf("%d inputs replayed\n", files);
    return files > 0 ? 0 : 1;
}
