if(FQ_SANITIZE)
  add_compile_options(-fsanitize=${FQ_SANITIZE} -fno-sanitize-recover=all -g -DFQ_TIGHT)
  add_link_options(-fsanitize=${FQ_SANITIZE})
endif()
if(FQ_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic -O0 -g -DFQ_TIGHT)
  # Into every program and library, and before any of them is known: hence compiled here.
  set(counters "${CMAKE_BINARY_DIR}/counters.o")
  execute_process(COMMAND "${CMAKE_C_COMPILER}" -std=gnu17 -fPIC -c "${CMAKE_CURRENT_LIST_DIR}/counters.c" -o "${counters}"
                  COMMAND_ERROR_IS_FATAL ANY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_CURRENT_LIST_DIR}/counters.c")
  add_link_options(--coverage "${counters}" -Wl,--wrap=_exit,--wrap=execvpe)
endif()
if(FQ_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link) # coverage of every layer steers the fuzzers
endif()
