// SPDX-License-Identifier: Apache-2.0
// Preloaded into a program under test: the n-th allocation that the product's own code makes fails, or all from the n-th
// on. Whose an allocation is, is told by its return address: FQ_SWEEP_RANGES names a file of address pairs (start, end;
// 64 bit, relative to where the program is loaded, sorted), made from the symbol table. A failed assertion of the test ends
// the process at once with status 99, so that nothing runs on over a test that was left half way; so does a fault in the
// test's own code, which did not look at what it got. A fault in the product's code ends it with status 98.
//
//   FQ_SWEEP_PROGRAM   the program meant (children that are other programs are left alone)
//   FQ_SWEEP_AT        number of the allocation that fails, from 1; 0 = none
//   FQ_SWEEP_STICKY    set: all after it fail too
//   FQ_SWEEP_COUNT     file that gets the number of allocations counted, at exit; then a line for each place that they were
//                      made from: the number of the first one there, and the return addresses (relative, innermost first)
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void _fail(const char *file, int line) __attribute__((noreturn));

enum { DEPTH = 4, PLACES = 1 << 15 }; // callers that tell one place from another; a power of two

struct range {
    uint64_t start, end;
};

struct place {
    unsigned long first; // 0: free
    uint64_t callers[DEPTH];
};

static struct {
    const struct range *ranges;
    size_t count;
    uintptr_t base;
    unsigned long fail_at;
    bool is_sticky, is_on;
    pid_t pid;
    const char *count_path;
    atomic_ulong seen;
    struct place *places; // in a run that counts
    size_t place_count;
    atomic_flag is_noting;
} sweep;

static int take_base(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size, (void)context;
    sweep.base = info->dlpi_addr; // the first one is the program
    return 1;
}

static bool is_the_program(void) {
    const char *wanted = getenv("FQ_SWEEP_PROGRAM");
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    if (wanted == NULL || len < 0)
        return false;
    path[len] = '\0';
    return strcmp(path, wanted) == 0;
}

static bool is_ours(const void *caller);

// A fault in a function of the product that the test called itself is the test's: it handed over what it had not looked at. The
// function's frame is set up already, or nearly so; without frame pointers the place alone decides.
static bool is_called_by_the_test(const ucontext_t *state) {
    struct {
        const void *frame, *caller;
    } link = {NULL, NULL};
    struct iovec here = {&link, sizeof link},
                 there = {(void *)(uintptr_t)state->uc_mcontext.gregs[REG_RBP], sizeof link};
    return process_vm_readv(sweep.pid, &here, 1, &there, 1, 0) == (ssize_t)sizeof link &&
           !is_ours(link.caller);
}

static void on_fault(int number, siginfo_t *info, void *context) {
    const ucontext_t *state = context;
    const void *at = (const void *)state->uc_mcontext.gregs[REG_RIP]; // NOLINT: an address in a register
    bool is_product = is_ours(at) && !is_called_by_the_test(state);
    fprintf(stderr, "sweep: signal %d at +0x%lx of %s, accessing %p\n", number,
            (unsigned long)((uintptr_t)at - sweep.base), is_product ? "the product" : "the test",
            info->si_addr);
    exit(is_product ? 98 : 99);
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FQ_SWEEP_RANGES"), *at = getenv("FQ_SWEEP_AT");
    if (path == NULL || !is_the_program())
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    if (fd < 0 || fstat(fd, &facts) != 0)
        return;
    const void *map = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return;
    sweep.ranges = map;
    sweep.count = (size_t)facts.st_size / sizeof *sweep.ranges;
    dl_iterate_phdr(take_base, NULL);
    sweep.fail_at = at != NULL ? strtoul(at, NULL, 10) : 0;
    sweep.is_sticky = getenv("FQ_SWEEP_STICKY") != NULL;
    sweep.count_path = getenv("FQ_SWEEP_COUNT");
    sweep.pid = getpid();
    if (sweep.count_path != NULL) {
        void *room = mmap(NULL, PLACES * sizeof *sweep.places, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        sweep.places = room != MAP_FAILED ? room : NULL;
    }
    sweep.is_on = true;
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = (int)(SA_SIGINFO | SA_RESETHAND)};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

// cmocka would take the faults for itself.
__sighandler_t signal(int number, __sighandler_t handler) {
    if (sweep.is_on && (number == SIGSEGV || number == SIGBUS))
        return SIG_DFL;
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, before;
    return sigaction(number, &action, &before) == 0 ? before.sa_handler : SIG_ERR;
}

__attribute__((destructor)) static void end(void) {
    if (!sweep.is_on || sweep.count_path == NULL || getpid() != sweep.pid)
        return;
    sweep.is_on = false;
    FILE *file = fopen(sweep.count_path, "w");
    if (file == NULL)
        return;
    fprintf(file, "%lu\n", atomic_load(&sweep.seen));
    for (size_t i = 0; sweep.places != NULL && i < PLACES; i++) {
        const struct place *place = &sweep.places[i];
        if (place->first == 0)
            continue;
        fprintf(file, "%lu", place->first);
        for (size_t k = 0; k < DEPTH && place->callers[k] != 0; k++)
            fprintf(file, " %llx", (unsigned long long)place->callers[k]);
        fprintf(file, "\n");
    }
    fclose(file);
}

static bool is_ours(const void *caller) {
    uint64_t address = (uintptr_t)caller - sweep.base;
    size_t low = 0, high = sweep.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (address >= sweep.ranges[middle].end)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sweep.count && address >= sweep.ranges[low].start;
}

// By the chain of frame pointers, as far as it can be read and stays in the product; where a build keeps none, the caller
// alone is the place.
static void take_callers(const void *caller, const void *frame, uint64_t callers[DEPTH]) {
    callers[0] = (uintptr_t)caller - sweep.base;
    struct {
        const void *frame, *caller;
    } link = {frame, caller};
    for (size_t k = 1; k < DEPTH; k++) {
        const void *at = link.frame;
        struct iovec here = {&link, sizeof link}, there = {(void *)(uintptr_t)at, sizeof link};
        if (process_vm_readv(sweep.pid, &here, 1, &there, 1, 0) != (ssize_t)sizeof link || link.frame <= at)
            return;
        if (!is_ours(link.caller))
            return;
        callers[k] = (uintptr_t)link.caller - sweep.base;
    }
}

static void note_place(unsigned long number, const void *caller, const void *frame) {
    struct place place = {.first = number};
    take_callers(caller, frame, place.callers);
    uint64_t hash = 0;
    for (size_t k = 0; k < DEPTH; k++)
        hash = (hash ^ place.callers[k]) * 0x9e3779b97f4a7c15u;
    while (atomic_flag_test_and_set(&sweep.is_noting))
        ;
    size_t at = hash >> 40 & (PLACES - 1);
    while (sweep.places[at].first != 0 &&
           memcmp(sweep.places[at].callers, place.callers, sizeof place.callers) != 0)
        at = (at + 1) & (PLACES - 1);
    if (sweep.places[at].first == 0 && sweep.place_count < PLACES / 2) {
        sweep.places[at] = place;
        sweep.place_count++;
    }
    atomic_flag_clear(&sweep.is_noting);
}

static bool fails(const void *caller, const void *frame) {
    if (!sweep.is_on || !is_ours(caller))
        return false;
    unsigned long number = atomic_fetch_add(&sweep.seen, 1) + 1;
    if (sweep.places != NULL && getpid() == sweep.pid)
        note_place(number, caller, frame);
    if (sweep.fail_at == 0 || number < sweep.fail_at || (number > sweep.fail_at && !sweep.is_sticky))
        return false;
    errno = ENOMEM;
    return true;
}

// The caller of the function that uses it, and that caller's frame.
#define CALLER __builtin_return_address(0), *(void **)__builtin_frame_address(0)

void *malloc(size_t size) {
    return fails(CALLER) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return fails(CALLER) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    return fails(CALLER) ? NULL : __libc_realloc(memory, size);
}

int posix_memalign(void **ret_memory, size_t alignment, size_t size) {
    if (fails(CALLER))
        return ENOMEM;
    void *memory = __libc_memalign(alignment, size);
    if (memory == NULL)
        return ENOMEM;
    *ret_memory = memory;
    return 0;
}

char *strdup(const char *text) {
    size_t len = strlen(text) + 1;
    char *copy = fails(CALLER) ? NULL : __libc_malloc(len);
    return copy != NULL ? memcpy(copy, text, len) : NULL;
}

char *strndup(const char *text, size_t most) {
    size_t len = strnlen(text, most);
    char *copy = fails(CALLER) ? NULL : __libc_malloc(len + 1);
    if (copy == NULL)
        return NULL;
    copy[len] = '\0';
    return memcpy(copy, text, len);
}

// What cmocka's assertions end in.
void _fail(const char *file, int line) {
    fprintf(stderr, "sweep: the test gave up at %s:%d\n", file, line);
    exit(99);
}
