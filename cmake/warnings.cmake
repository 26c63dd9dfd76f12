# One list of warnings for every target; FQ_WERROR makes them errors (CI does).
add_library(fq_warnings INTERFACE)
target_compile_options(fq_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes
  -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wundef -Wformat=2
  -Wimplicit-fallthrough -Wnull-dereference -Wdouble-promotion
  $<$<C_COMPILER_ID:GNU>:-Wduplicated-cond>
  $<$<C_COMPILER_ID:GNU>:-Wlogical-op>
  $<$<BOOL:${FQ_WERROR}>:-Werror>)
# Hardening that costs little; FORTIFY needs optimisation.
target_compile_options(fq_warnings INTERFACE
  -fstack-protector-strong -fno-strict-aliasing -fno-omit-frame-pointer
  $<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE>
  $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=3>
  $<$<CONFIG:Release,RelWithDebInfo>:-fstack-clash-protection>)
target_compile_definitions(fq_warnings INTERFACE _GNU_SOURCE)
target_link_options(fq_warnings INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
