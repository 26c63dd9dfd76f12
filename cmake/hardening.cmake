# What makes an error harder to exploit, for every target that links fq_warnings. A flag that the compiler does not know is
# left out; tools/check_hardening.py reads the result back from the programs and libraries themselves.
include(CheckCCompilerFlag)
include(CheckPIESupported)
check_pie_supported()
add_library(fq_hardening INTERFACE)
foreach(flag
    -fstack-protector-strong # a canary before the return address
    -fstack-clash-protection # big frames cannot jump over the guard page
    -fcf-protection=full # indirect branches land on marks, returns where the call was (x86)
    -mbranch-protection=standard # the same for arm64
    -ftrivial-auto-var-init=zero # a forgotten initialisation reads zeros, not what another call left there
    -fno-delete-null-pointer-checks
    -fno-strict-overflow
    -fno-strict-aliasing
    -fno-omit-frame-pointer)
  string(MAKE_C_IDENTIFIER "FQ_HAS${flag}" known)
  check_c_compiler_flag(${flag} ${known})
  if(${known})
    target_compile_options(fq_hardening INTERFACE ${flag})
  endif()
endforeach()
# Zeroing costs a loop of wide stores instead of a string instruction, which takes as long to start as a request takes to read.
set(zeroing -mmemset-strategy=vector_loop:1024:noalign,libcall:-1:noalign)
check_c_compiler_flag(${zeroing} FQ_HAS_mmemset_strategy) # gcc for x86
if(FQ_HAS_mmemset_strategy)
  target_compile_options(fq_hardening INTERFACE ${zeroing})
endif()
# Checked variants of the C library's functions; they need optimisation. Sanitizers watch the plain ones, and know more.
if(NOT FQ_SANITIZE)
  target_compile_options(fq_hardening INTERFACE
    $<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE> $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=3>)
endif()
target_link_options(fq_hardening INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
# The C library's own start files may lack the marks of -fcf-protection; a shadow stack asks nothing of them, so it is claimed.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND FQ_HAS_fcf_protection_full)
  target_link_options(fq_hardening INTERFACE -Wl,-z,shstk)
endif()
