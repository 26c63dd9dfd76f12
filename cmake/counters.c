// SPDX-License-Identifier: Apache-2.0
// Linked into everything that counts its coverage: whoever leaves a process around its exit handlers writes the counters
// first. gcc's own library does so for the exec functions that it knows, execvpe is not among them.
#include <unistd.h>

void __gcov_dump(void);
void __gcov_reset(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
int __real_execvpe(const char *file, char *const argv[], char *const envp[]);
int __wrap_execvpe(const char *file, char *const argv[], char *const envp[]);

void __wrap__exit(int status) {
    __gcov_dump();
    __real__exit(status);
}

int __wrap_execvpe(const char *file, char *const argv[], char *const envp[]) {
    __gcov_dump();
    int result = __real_execvpe(file, argv, envp);
    __gcov_reset(); // counting goes on
    return result;
}
