# Debian packages: `make deb`, or cpack -G DEB in the build directory.
set(CPACK_PACKAGE_NAME fastqueue)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "FastQueue maintainers <maintainers@fastqueue.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_GENERATOR DEB)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_STRIP_FILES ON)

# Whatever names no component belongs to the program's package.
set(otel_runtime libotel-c${PROJECT_VERSION_MAJOR})
set(otel_development libotel-c-dev)
set(CPACK_COMPONENTS_ALL Unspecified ${runtime} ${development} ${otel_runtime} ${otel_development})
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_NAME fastqueue)
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_SECTION admin)
set(CPACK_COMPONENT_UNSPECIFIED_DESCRIPTION
  "One program is control plane, worker and admin tool of a task queue that needs no broker.")

string(TOUPPER ${runtime} runtime_upper)
set(CPACK_DEBIAN_${runtime_upper}_PACKAGE_NAME ${runtime})
set(CPACK_DEBIAN_${runtime_upper}_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_${runtime_upper}_DESCRIPTION "The C library that submits tasks to a FastQueue control plane.")

set(CPACK_DEBIAN_${runtime_upper}_PACKAGE_DEPENDS "${otel_runtime} (= ${PROJECT_VERSION})")

set(CPACK_DEBIAN_LIBFASTQUEUE-DEV_PACKAGE_NAME ${development})
set(CPACK_DEBIAN_LIBFASTQUEUE-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBFASTQUEUE-DEV_PACKAGE_DEPENDS "${runtime} (= ${PROJECT_VERSION}), ${otel_development} (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_LIBFASTQUEUE-DEV_DESCRIPTION "Headers, pkg-config and CMake package files of the C library.")

string(TOUPPER ${otel_runtime} otel_runtime_upper)
set(CPACK_DEBIAN_${otel_runtime_upper}_PACKAGE_NAME ${otel_runtime})
set(CPACK_DEBIAN_${otel_runtime_upper}_PACKAGE_SECTION libs)
# OTLP over HTTP and the Prometheus exporter load them when they are asked for.
set(CPACK_DEBIAN_${otel_runtime_upper}_PACKAGE_RECOMMENDS "libcurl4 | libcurl4t64, libmicrohttpd12 | libmicrohttpd12t64")
set(CPACK_COMPONENT_${otel_runtime_upper}_DESCRIPTION "OpenTelemetry for C: traces, metrics and logs over OTLP.")
set(CPACK_DEBIAN_LIBOTEL-C-DEV_PACKAGE_NAME ${otel_development})
set(CPACK_DEBIAN_LIBOTEL-C-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBOTEL-C-DEV_PACKAGE_DEPENDS "${otel_runtime} (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_LIBOTEL-C-DEV_DESCRIPTION "Headers, static library, pkg-config and CMake package files of libotel-c.")
# libfastqueue is made before libotel-c is installed: dpkg-shlibdeps finds it where it was built.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS "${PROJECT_BINARY_DIR}/lib")

find_program(DPKG_SHLIBDEPS dpkg-shlibdeps)
if(DPKG_SHLIBDEPS)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
else()
  message(STATUS "dpkg-shlibdeps is missing: Debian packages will name no library dependencies")
endif()
include(CPack)
