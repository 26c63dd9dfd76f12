#!/usr/bin/env python3
"""What `cmake --install` leaves is enough for others: a program builds against it by pkg-config and by CMake, in C99 and
C++, and the library shows exactly what the headers promise."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FASTQUEUE_BUILD", ROOT / "build" / "dev")).resolve()
EXAMPLE = ROOT / "examples" / "c" / "submit.c"
HEADERS = "".join(f"#include <fastqueue/{name}>\n" for name in
                  ("client.h", "error.h", "payload.h", "session.h", "task.h", "version.h", "worker.h"))
VERSION = (ROOT / "VERSION").read_text().strip()


def call(*line, **more) -> str:
    done = subprocess.run([str(word) for word in line], capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise AssertionError(f"{line}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="fq-install-"))
        cls.prefix = cls.folder / "prefix"
        major = VERSION.split(".")[0]
        for component in (f"libfastqueue{major}", "libfastqueue-dev", f"libotel-c{major}", "libotel-c-dev"):
            call("cmake", "--install", BUILD, "--prefix", cls.prefix, "--component", component)
        cls.pc = next(cls.prefix.rglob("fastqueue.pc"))
        cls.shared_object = next(cls.prefix.rglob("libfastqueue.so"))
        cls.environment = {**os.environ, "PKG_CONFIG_PATH": str(cls.pc.parent)}
        cache = (BUILD / "CMakeCache.txt").read_text()
        sanitizers = re.search(r"^FQ_SANITIZE:\w+=(.+)$", cache, re.MULTILINE)
        cls.flags = [f"-fsanitize={sanitizers.group(1)}"] if sanitizers else []

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def start(self, program) -> None:
        """It runs, and finds that nobody listens."""
        env = {**self.environment, "LD_LIBRARY_PATH": str(self.shared_object.parent),
               "FASTQUEUE_CONTROL_PLANE_ADDRESS": "unix:///nonexistent/socket"}
        done = subprocess.run([program], env=env, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot connect to unix:///nonexistent/socket", done.stderr)

    def test_pkg_config(self):
        self.assertEqual(call("pkg-config", "--modversion", "fastqueue", env=self.environment).strip(), VERSION)
        flags = call("pkg-config", "--cflags", "--libs", "fastqueue", env=self.environment).split()
        program = self.folder / "by-pkg-config"
        call("cc", "-Wall", "-Wextra", "-Werror", *self.flags, EXAMPLE, "-o", program, *flags)
        self.start(program)

    def test_cmake_package(self):
        source = self.folder / "consumer"
        source.mkdir()
        (source / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.20)\nproject(consumer C)\n"
            f"find_package(FastQueue {VERSION} REQUIRED)\nadd_executable(consumer {EXAMPLE})\n"
            "target_link_libraries(consumer PRIVATE FastQueue::fastqueue)\n")
        flags = " ".join(self.flags)
        call("cmake", "-S", source, "-B", source / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_C_FLAGS={flags}")
        call("cmake", "--build", source / "build")
        self.start(source / "build" / "consumer")

    def test_headers_stand_alone(self):
        include = f"-I{self.prefix / 'include'}"
        for compiler, standard, suffix in (("cc", "c99", "c"), ("cc", "c17", "c"), ("c++", "c++11", "cpp"), ("c++", "c++20", "cpp")):
            if shutil.which(compiler) is None:
                self.skipTest(f"no {compiler}")
            for name in re.findall("<(.*?)>", HEADERS) + [None]:
                with self.subTest(standard=standard, header=name):
                    source = self.folder / f"headers.{suffix}"
                    text = HEADERS if name is None else f"#include <{name}>\n"
                    source.write_text(text + "int main(void) { return 0; }\n")
                    call(compiler, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror", include, "-c", source, "-o",
                         self.folder / "headers.o")

    def test_symbols_are_those_of_the_headers(self):
        declared = set()
        for name in ("client.h", "error.h", "payload.h", "session.h", "worker.h"):
            text = (self.prefix / "include" / "fastqueue" / name).read_text()
            declared |= set(re.findall(r"FQ_API[^;{]*?\b(fq_\w+)\(", text))
        exported = {line.split()[-1] for line in call("nm", "-D", "--defined-only", self.shared_object).splitlines()}
        exported = {name for name in exported if not name.startswith(("_", "__"))}
        self.assertGreater(len(declared), 30)
        self.assertEqual(exported, declared)

    def test_debian_packages(self):
        if shutil.which("dpkg-deb") is None or self.flags:
            self.skipTest("needs dpkg-deb and a build without sanitizers")
        folder = self.folder / "packages"
        call("cpack", "-G", "DEB", "-B", folder, "--config", BUILD / "CPackConfig.cmake", cwd=BUILD)
        files = {}
        for package in folder.glob("*.deb"):
            call("dpkg-deb", "-x", package, self.folder / "root")
            listing = call("dpkg-deb", "-c", package)
            files[package.name.split("_")[0]] = {line.split(" ./")[1] for line in listing.splitlines()}
        major = VERSION.split(".")[0]
        self.assertEqual(sorted(files), ["fastqueue", "libfastqueue-dev", f"libfastqueue{major}", "libotel-c-dev",
                                         f"libotel-c{major}"])
        self.assertIn("usr/include/otel/sdk.h", files["libotel-c-dev"])
        self.assertTrue(any("libotel-c.so." in name for name in files[f"libotel-c{major}"]))
        for package in folder.glob(f"libfastqueue{major}_*.deb"):
            self.assertIn(f"libotel-c{major} (= {VERSION})", call("dpkg-deb", "-f", package, "Depends"))
        self.assertTrue({"usr/bin/fastqueue", "usr/lib/systemd/system/fastqueue.service",
                         "usr/lib/systemd/system/fastqueue-subworker.service"} <= files["fastqueue"])
        self.assertIn("usr/include/fastqueue/client.h", files["libfastqueue-dev"])
        self.assertIn(VERSION, call(self.folder / "root" / "usr" / "bin" / "fastqueue", "--version"))


if __name__ == "__main__":
    unittest.main()
