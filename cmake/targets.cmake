# Warnings, and how this project makes libraries, programs and tests.

option(TI_SANITIZE "Sanitizers, as for -fsanitize" "")

add_library(ti_warnings INTERFACE)
target_compile_options(ti_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Werror
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)

# Whether what uses gRPC is built. Debian's is not instrumented: TSan sees races
# where there are none.
set(TI_GRPC ON)
if(TI_SANITIZE STREQUAL "thread")
  set(TI_GRPC OFF)
endif()

if(TI_SANITIZE)
  add_compile_options(-fsanitize=${TI_SANITIZE} -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${TI_SANITIZE})
  if(TI_SANITIZE MATCHES "undefined")
    # It asks the kernel, by a pipe, whether each object's memory can be read: nine tenths of the time.
    add_compile_options(-fno-sanitize=vptr)
  endif()
  if(TI_SANITIZE STREQUAL "thread")
    # g++ defines it, which changes the layout of protobuf's maps against libprotobuf.so.
    add_compile_options(-U__SANITIZE_THREAD__)
  endif()
endif()

# ti_library(NAME SRCS … DEPS … PRIVATE_DEPS …)
function(ti_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SRCS})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS} ti_warnings)
endfunction()

# ti_program(NAME SRCS … DEPS …)
function(ti_program name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} ti_warnings)
endfunction()

# ti_test_timeout(TEST SECONDS): when ctest gives up; later under a sanitizer.
function(ti_test_timeout test seconds)
  if(TI_SANITIZE)
    math(EXPR seconds "${seconds} * 5")
  endif()
  set_tests_properties(${test} PROPERTIES TIMEOUT ${seconds})
endfunction()

# ti_test(NAME SRCS … DEPS …): a GoogleTest program, run by ctest as one test.
function(ti_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock_main ti_warnings)
  # What is tested is optimised; the tests themselves are built to be built fast.
  target_compile_options(${name} PRIVATE -O0)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  ti_test_timeout(${name} ${ARG_TIMEOUT})
endfunction()
