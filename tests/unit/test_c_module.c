// SPDX-License-Identifier: Apache-2.0
// Loading task modules: what is right is found, what is wrong is named.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/c_module.h"
#include "worker/task_state.h"

#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// The modules lie beside the test program.
static const char *path_of(const char *module, char path[4096]) {
    char program[2048] = "";
    assert_true(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    snprintf(path, 4096, "%s/modules/%s", dirname(program), module);
    return path;
}

static int load_two(const char *first, const char *second, struct fq_c_modules *modules, char *error) {
    char paths[2][4096];
    const char *list[2] = {path_of(first, paths[0])};
    if (second != NULL)
        list[1] = path_of(second, paths[1]);
    return fq_c_modules_load(list, second != NULL ? 2 : 1, modules, error, 1024);
}

static void tasks_are_found_by_their_names(void **state) {
    (void)state;
    struct fq_c_modules modules;
    char error[1024] = "";
    // Modules call back into the program: the linker must keep what only they use.
    int (*volatile kept)(fq_task *, int64_t) = fq_task_result_int;
    assert_true(kept != NULL);
    assert_int_equal(load_two("good.so", "second.so", &modules, error), 0);
    assert_int_equal(modules.count, 3);
    bool seen_two = false, seen_three = false;
    for (size_t i = 0; i < modules.count; i++) {
        assert_string_equal(modules.tasks[i]->name, modules.names[i].ptr);
        seen_two = seen_two || fq_str_equal(modules.names[i], FQ_STR("number.two"));
        seen_three = seen_three || fq_str_equal(modules.names[i], FQ_STR("three"));
    }
    assert_true(seen_two && seen_three);
    fq_c_modules_done(&modules);
}

static void what_is_wrong_is_named(void **state) {
    (void)state;
    const struct {
        const char *first, *second;
        int error;
        const char *words[3];
    } cases[] = {
        {"missing.so",     NULL,      FQ_EINVALID, {"missing.so", "no such file"}                          },
        {"no_tasks.so",    NULL,      FQ_EINVALID, {"no_tasks.so", "has no tasks", "FQ_TASK"}              },
        {"no_entry.so",    NULL,      FQ_EINVALID, {"no_entry.so", "has no tasks"}                         },
        {"duplicate.so",   NULL,      FQ_EINVALID, {"duplicate.so", "twice", "once"}                       },
        {"good.so",        "good.so", FQ_EINVALID, {"good.so", "twice"}                                    },
        {"unresolved.so",  NULL,      FQ_EINVALID, {"unresolved.so", "undefined symbol", "defined_nowhere"}},
        {"other_abi.so",   NULL,      FQ_EVERSION, {"other_abi.so", "compile it again"}                    },
        {"bad_name.so",    NULL,      FQ_EINVALID, {"bad_name.so", "two words", "blanks"}                  },
        {"CMakeLists.txt", NULL,      FQ_EINVALID, {"no such file"}                                        },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fq_c_modules modules;
        char error[1024] = "";
        assert_int_equal(load_two(cases[i].first, cases[i].second, &modules, error), cases[i].error);
        for (size_t w = 0; w < 3 && cases[i].words[w] != NULL; w++)
            if (strstr(error, cases[i].words[w]) == NULL)
                fail_msg("%s: '%s' is not in: %s", cases[i].first, cases[i].words[w], error);
    }
}

static void a_file_that_is_no_object_is_named(void **state) {
    (void)state;
    struct fq_c_modules modules;
    char error[1024] = "", name[] = "/tmp/fq-module-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0 && write(fd, "not an object", 13) == 13);
    close(fd);
    const char *path = name;
    assert_int_equal(fq_c_modules_load(&path, 1, &modules, error, sizeof error), FQ_EINVALID);
    unlink(name);
    assert_non_null(strstr(error, name));
    assert_non_null(strstr(error, "cannot be loaded"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_are_found_by_their_names),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_file_that_is_no_object_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
