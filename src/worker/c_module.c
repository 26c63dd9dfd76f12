// SPDX-License-Identifier: Apache-2.0
#include "worker/c_module.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef const struct fq_task_entry *const *module_tasks(size_t *ret_count);

struct loading {
    struct fq_c_modules modules;
    size_t capacity;
    char *errstr;
    size_t errstr_size;
};

static int complain(struct loading *loading, int error, const char *path, const char *what,
                    const char *more) {
    snprintf(loading->errstr, loading->errstr_size, "task module %s: %s%s", path, what, more);
    return error;
}

static int add(struct loading *loading, const char *path, const struct fq_task_entry *entry) {
    struct fq_c_modules *modules = &loading->modules;
    if (entry->abi != FQ_TASK_ABI)
        return complain(loading, FQ_EVERSION, path,
                        "built against another version of fastqueue/task.h; compile it again", "");
    if (entry->name == NULL || entry->run == NULL || !fq_str_is_name(fq_str_of(entry->name)))
        return complain(loading, FQ_EINVALID, path, "a task's name must be printable, without blanks: ",
                        entry->name != NULL ? entry->name : "");
    for (size_t i = 0; i < modules->count; i++)
        if (fq_str_equal(modules->names[i], fq_str_of(entry->name)))
            return complain(loading, FQ_EINVALID, path,
                            "a task of this name is declared twice: ", entry->name);
    if (modules->count == loading->capacity) {
        size_t capacity = loading->capacity * 2 + 16;
        void *tasks = realloc(modules->tasks, capacity * sizeof(struct fq_task_entry *));
        if (tasks != NULL)
            modules->tasks = tasks;
        void *names = realloc(modules->names, capacity * sizeof(fq_str));
        if (names != NULL)
            modules->names = names;
        if (tasks == NULL || names == NULL)
            return complain(loading, FQ_ENOMEM, path, "out of memory", "");
        loading->capacity = capacity;
    }
    modules->tasks[modules->count] = entry;
    modules->names[modules->count++] = fq_str_of(entry->name);
    return 0;
}

static int load(struct loading *loading, const char *path) {
    // A bare file name would be looked for in the library path only.
    char place[4096];
    snprintf(place, sizeof place, "%s%s", strchr(path, '/') == NULL ? "./" : "", path);
    if (access(place, R_OK) != 0)
        return complain(loading, FQ_EINVALID, path, "no such file, or not readable", "");
    void *object = dlopen(place, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL) {
        // The loader's text names the symbol or the library that is missing.
        const char *text = dlerror();
        return complain(loading, FQ_EINVALID, path, "cannot be loaded: ", text != NULL ? text : "?");
    }
    module_tasks *tasks_of;
    *(void **)&tasks_of = dlsym(object, "fq_module_tasks");
    if (tasks_of == NULL)
        return complain(loading, FQ_EINVALID, path,
                        "has no tasks; declare them with FQ_TASK(name) { … } of <fastqueue/task.h>", "");
    size_t count = 0;
    const struct fq_task_entry *const *entries = tasks_of(&count);
    if (entries == NULL || count == 0)
        return complain(loading, FQ_EINVALID, path,
                        "has no tasks; declare them with FQ_TASK(name) { … } of <fastqueue/task.h>", "");
    for (size_t i = 0; i < count; i++) {
        int error = add(loading, path, entries[i]);
        if (error < 0)
            return error;
    }
    return 0;
}

int fq_c_modules_load(const char *const *paths, size_t path_count, struct fq_c_modules *ret_modules,
                      char *errstr, size_t errstr_size) {
    struct loading loading = {.errstr = errstr, .errstr_size = errstr_size};
    for (size_t i = 0; i < path_count; i++) {
        int error = load(&loading, paths[i]);
        if (error < 0) {
            fq_c_modules_done(&loading.modules);
            return error;
        }
    }
    *ret_modules = loading.modules;
    return 0;
}

void fq_c_modules_done(struct fq_c_modules *modules) {
    free(modules->tasks);
    free(modules->names);
    *modules = (struct fq_c_modules){NULL, NULL, 0};
}
