# One list of warnings for every target; FQ_WERROR makes them errors (CI does).
add_library(fq_warnings INTERFACE)
target_compile_options(fq_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes
  -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wundef -Wformat=2
  -Wimplicit-fallthrough -Wnull-dereference -Wdouble-promotion
  $<$<C_COMPILER_ID:GNU>:-Wduplicated-cond>
  $<$<C_COMPILER_ID:GNU>:-Wlogical-op>
  $<$<BOOL:${FQ_WERROR}>:-Werror>)
include(hardening)
target_link_libraries(fq_warnings INTERFACE fq_hardening)
target_compile_definitions(fq_warnings INTERFACE _GNU_SOURCE)
