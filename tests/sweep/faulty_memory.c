// SPDX-License-Identifier: Apache-2.0
#include "faulty_memory.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *block);
int __real_posix_memalign(void **ret_block, size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
void __wrap_free(void *block);
int __wrap_posix_memalign(void **ret_block, size_t alignment, size_t size);
char *__wrap_strdup(const char *text);

static struct {
    bool is_armed, is_sticky;
    int paused;
    uint64_t left, hits;
    int64_t live;
} memory;

void faulty_memory_arm(uint64_t n, bool sticky) {
    memory.is_armed = n > 0;
    memory.is_sticky = sticky;
    memory.left = n;
    memory.hits = 0;
    memory.paused = 0;
}

void faulty_memory_disarm(void) {
    memory.is_armed = false;
}

uint64_t faulty_memory_hits(void) {
    return memory.hits;
}

void faulty_memory_pause(void) {
    memory.paused++;
}

void faulty_memory_resume(void) {
    memory.paused--;
}

int64_t faulty_memory_live(void) {
    return memory.live;
}

static bool fails(void) {
    if (!memory.is_armed || memory.paused > 0)
        return false;
    if (memory.left > 1) {
        memory.left--;
        return false;
    }
    if (!memory.is_sticky)
        memory.is_armed = false;
    memory.hits++;
    errno = ENOMEM;
    return true;
}

static void *counted(void *block) {
    memory.live += block != NULL;
    return block;
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size) {
    if (fails())
        return NULL;
    void *block = __real_realloc(old, size);
    return old == NULL ? counted(block) : block;
}

void *__wrap_reallocarray(void *old, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return __wrap_realloc(old, bytes);
}

void __wrap_free(void *block) {
    memory.live -= block != NULL;
    __real_free(block);
}

int __wrap_posix_memalign(void **ret_block, size_t alignment, size_t size) {
    if (fails())
        return ENOMEM;
    int result = __real_posix_memalign(ret_block, alignment, size);
    memory.live += result == 0;
    return result;
}

char *__wrap_strdup(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = __wrap_malloc(size);
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}
