# Every library the project stands on; `tools/install_deps.sh` installs the Debian packages.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
foreach(dep libuv openssl jansson libmicrohttpd libxxhash)
  string(MAKE_C_IDENTIFIER ${dep} name)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${dep})
endforeach()
