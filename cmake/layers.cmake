# fq_layer(NAME [LTO] DEPENDS layers... LIBRARIES targets...)
# One static library per folder of src/, made of every .c file in it. Which folder may include which is
# the law that tools/check_layers.py tests; DEPENDS only carries the link order.
# LTO: a task passes through this layer, so that with FQ_LTO the program `fastqueue` is optimised across its files. The objects
# hold ordinary code as well: everything else is linked from that, as quickly as ever.
function(fq_layer name)
  cmake_parse_arguments(ARG "LTO" "" "DEPENDS;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.c")
  list(TRANSFORM ARG_DEPENDS PREPEND fq_)
  if(NOT sources)
    message(FATAL_ERROR "layer ${name} has no source files")
  endif()
  add_library(fq_${name} STATIC ${sources})
  target_include_directories(fq_${name} PUBLIC
    "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include" "${PROJECT_BINARY_DIR}/include")
  if(FQ_LTO AND ARG_LTO)
    target_compile_options(fq_${name} PRIVATE -flto=auto -ffat-lto-objects)
  endif()
  target_link_libraries(fq_${name} PUBLIC ${ARG_DEPENDS} ${ARG_LIBRARIES} PRIVATE fq_warnings)
endfunction()
