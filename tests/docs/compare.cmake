# cmake -D PROGRAM=… -D NAME=cli -D PRINTED=docs/cli.md -P compare.cmake
execute_process(COMMAND "${PROGRAM}" help --document ${NAME} OUTPUT_VARIABLE now RESULT_VARIABLE result)
if(NOT result EQUAL 0 OR now STREQUAL "")
  message(FATAL_ERROR "fastqueue help --document ${NAME} failed: ${result}")
endif()
file(READ "${PRINTED}" before)
if(NOT now STREQUAL before)
  message(FATAL_ERROR "${PRINTED} is stale: 'make docs' prints it anew")
endif()
