#!/usr/bin/env python3
"""libotel-c stands alone: it builds and installs without the queue, programs build against what is installed by pkg-config
and by CMake, shared and static, in C99 and C++, and it shows exactly what its headers promise."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "examples" / "otel_c" / "trace_and_meter.c"
HEADERS = sorted(path.name for path in (ROOT / "include" / "otel").glob("*.h"))
VERSION = (ROOT / "VERSION").read_text().strip()


def call(*line, **more) -> str:
    done = subprocess.run([str(word) for word in line], capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise AssertionError(f"{line}: {done.returncode}\n{done.stdout[-4000:]}{done.stderr}")
    return done.stdout


class Alone(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="otel-c-"))
        cls.prefix = cls.folder / "prefix"
        build = cls.folder / "build"
        launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        call("cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DFQ_ONLY_OTEL=ON", f"-DCMAKE_INSTALL_PREFIX={cls.prefix}",
             *launcher)
        call("cmake", "--build", build, "-j", "2")
        call("cmake", "--install", build)
        cls.pc = next(cls.prefix.rglob("otel-c.pc"))
        cls.shared_object = next(cls.prefix.rglob("libotel-c.so"))
        cls.environment = {**os.environ, "PKG_CONFIG_PATH": str(cls.pc.parent)}

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def run_example(self, program) -> None:
        env = {"LD_LIBRARY_PATH": str(self.shared_object.parent), "OTEL_TRACES_EXPORTER": "otlp/stdout",
               "OTEL_METRICS_EXPORTER": "otlp/stdout", "OTEL_LOGS_EXPORTER": "none"}
        done = subprocess.run([program], env=env, capture_output=True, text=True, timeout=60, check=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        spans = [span for line in lines for resource in line.get("resourceSpans", [])
                 for scope in resource["scopeSpans"] for span in scope["spans"]]
        metrics = [metric for line in lines for resource in line.get("resourceMetrics", [])
                   for scope in resource["scopeMetrics"] for metric in scope["metrics"]]
        by_name = {span["name"]: span for span in spans}
        self.assertEqual(sorted(span["name"] for span in spans), ["charge", "charge", "close the day"])
        self.assertEqual(len({span["traceId"] for span in spans}), 1)
        self.assertEqual(by_name["charge"]["parentSpanId"], by_name["close the day"]["spanId"])
        self.assertEqual([span["status"]["code"] for span in spans if "status" in span], [2])
        self.assertEqual([metric["name"] for metric in metrics], ["shop.charged"])
        self.assertEqual(metrics[0]["histogram"]["dataPoints"][0]["sum"], 19.99)

    def test_nothing_of_the_queue_is_installed(self):
        names = [str(path.relative_to(self.prefix)) for path in self.prefix.rglob("*") if path.is_file()]
        self.assertTrue(names)
        self.assertEqual([name for name in names if "fastqueue" in name], [])

    def test_pkg_config(self):
        self.assertEqual(call("pkg-config", "--modversion", "otel-c", env=self.environment).strip(), VERSION)
        flags = call("pkg-config", "--cflags", "--libs", "otel-c", env=self.environment).split()
        program = self.folder / "shared"
        call("cc", "-Wall", "-Wextra", "-Werror", EXAMPLE, "-o", program, *flags)
        self.run_example(program)

    def test_pkg_config_static(self):
        flags = call("pkg-config", "--cflags", "--libs", "--static", "otel-c", env=self.environment).split()
        program = self.folder / "static"
        call("cc", EXAMPLE, "-o", program, *[str(self.shared_object.with_suffix(".a")) if flag == "-lotel-c" else flag
                                             for flag in flags])
        self.assertNotIn("libotel-c", call("ldd", program))
        self.run_example(program)

    def test_cmake_package(self):
        source = self.folder / "consumer"
        source.mkdir()
        (source / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.20)\nproject(consumer C)\n"
            f"find_package(OtelC {VERSION} REQUIRED)\nadd_executable(consumer {EXAMPLE})\n"
            "target_link_libraries(consumer PRIVATE OtelC::otel-c)\n")
        call("cmake", "-S", source, "-B", source / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}")
        call("cmake", "--build", source / "build")
        self.run_example(source / "build" / "consumer")

    def test_headers_stand_alone(self):
        include = f"-I{self.prefix / 'include'}"
        for compiler, standard, suffix in (("cc", "c99", "c"), ("cc", "c17", "c"), ("c++", "c++11", "cpp"), ("c++", "c++20", "cpp")):
            if shutil.which(compiler) is None:
                self.skipTest(f"no {compiler}")
            for name in HEADERS:
                with self.subTest(standard=standard, header=name):
                    source = self.folder / f"header.{suffix}"
                    source.write_text(f"#include <otel/{name}>\n")
                    call(compiler, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", include, source)

    def test_library_shows_what_the_headers_promise(self):
        promised = set()
        for name in HEADERS:
            text = re.sub(r"/\*.*?\*/", "", (ROOT / "include" / "otel" / name).read_text(), flags=re.DOTALL)
            promised |= set(re.findall(r"OTEL_API\s[^;{]*?\b(otel_\w+)\(", text))
        shown = {line.split()[2].split("@")[0] for line in
                 call("nm", "-D", "--defined-only", self.shared_object).splitlines() if line.split()[1] == "T"}
        self.assertGreater(len(promised), 100)
        self.assertEqual(promised - shown, set(), "declared, not defined")
        self.assertEqual(shown - promised, set(), "shown, not declared")


if __name__ == "__main__":
    unittest.main()
