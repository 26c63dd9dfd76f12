// SPDX-License-Identifier: Apache-2.0
// What opentelemetry-cpp costs its caller on this machine: the same spans and measurements as bench/otel_span.c and
// bench/otel_metric.c make, in nanoseconds of the calling thread's CPU. One line a case: name, median, least, most.
#include <opentelemetry/metrics/provider.h>
#include <opentelemetry/sdk/common/global_log_handler.h>
#include <opentelemetry/sdk/metrics/aggregation/default_aggregation.h>
#include <opentelemetry/sdk/metrics/meter_provider.h>
#include <opentelemetry/sdk/metrics/push_metric_exporter.h>
#include <opentelemetry/sdk/metrics/export/periodic_exporting_metric_reader.h>
#include <opentelemetry/sdk/trace/batch_span_processor.h>
#include <opentelemetry/sdk/trace/batch_span_processor_options.h>
#include <opentelemetry/sdk/trace/exporter.h>
#include <opentelemetry/sdk/trace/samplers/always_off.h>
#include <opentelemetry/sdk/trace/samplers/always_on.h>
#include <opentelemetry/sdk/trace/span_data.h>
#include <opentelemetry/sdk/trace/tracer_provider.h>
#include <opentelemetry/trace/noop.h>
#include <opentelemetry/trace/provider.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <memory>
#include <vector>

namespace api = opentelemetry::trace;
namespace sdk = opentelemetry::sdk::trace;
namespace nostd = opentelemetry::nostd;
namespace metrics = opentelemetry::metrics;
namespace metrics_sdk = opentelemetry::sdk::metrics;

namespace {

class Discard final : public sdk::SpanExporter {
 public:
  std::unique_ptr<sdk::Recordable> MakeRecordable() noexcept override {
    return std::unique_ptr<sdk::Recordable>(new sdk::SpanData());
  }
  opentelemetry::sdk::common::ExportResult Export(const nostd::span<std::unique_ptr<sdk::Recordable>> &) noexcept override {
    return opentelemetry::sdk::common::ExportResult::kSuccess;
  }
  bool ForceFlush(std::chrono::microseconds) noexcept override { return true; }
  bool Shutdown(std::chrono::microseconds) noexcept override { return true; }
};

class DiscardMetrics final : public metrics_sdk::PushMetricExporter {
 public:
  opentelemetry::sdk::common::ExportResult Export(const metrics_sdk::ResourceMetrics &) noexcept override {
    return opentelemetry::sdk::common::ExportResult::kSuccess;
  }
  metrics_sdk::AggregationTemporality GetAggregationTemporality(metrics_sdk::InstrumentType) const noexcept override {
    return metrics_sdk::AggregationTemporality::kCumulative;
  }
  bool ForceFlush(std::chrono::microseconds) noexcept override { return true; }
  bool Shutdown(std::chrono::microseconds) noexcept override { return true; }
};

double CpuNow() {
  timespec at{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
  return static_cast<double>(at.tv_sec) * 1e9 + static_cast<double>(at.tv_nsec);
}

void Measure(const char *name, int count, const std::function<void(int)> &run) {
  std::vector<double> runs;
  run(count / 10);
  for (int i = 0; i < 7; i++) {
    double start = CpuNow();
    run(count);
    runs.push_back((CpuNow() - start) / count);
  }
  std::sort(runs.begin(), runs.end());
  std::printf("%s\t%.1f\t%.1f\t%.1f\n", name, runs[3], runs[0], runs[6]);
}

// As Measure, in bursts that the queue holds, flushed between them off the clock: no span is dropped.
void MeasureBursts(const char *name, int bursts, int burst, const std::function<void(int)> &run, const std::function<void()> &flush) {
  std::vector<double> runs;
  for (int i = 0; i < 8; i++) {
    double spent = 0;
    for (int j = 0; j < bursts; j++) {
      double start = CpuNow();
      run(burst);
      spent += CpuNow() - start;
      flush();
    }
    if (i > 0) runs.push_back(spent / bursts / burst);
  }
  std::sort(runs.begin(), runs.end());
  std::printf("%s\t%.1f\t%.1f\t%.1f\n", name, runs[3], runs[0], runs[6]);
}

void MakeSpans(api::Tracer &tracer, int count) {
  for (int i = 0; i < count; i++) {
    auto span = tracer.StartSpan("worker.execute_task", {{"task.name", "process_data"},
                                                         {"task.priority", "high"},
                                                         {"task.id", "123e4567-e89b-12d3-a456-426614174000"},
                                                         {"worker.id", "worker-1"}});
    span->End();
  }
}

std::unique_ptr<sdk::TracerProvider> Provider(std::unique_ptr<sdk::Sampler> sampler) {
  sdk::BatchSpanProcessorOptions options;
  auto processor = std::unique_ptr<sdk::SpanProcessor>(
      new sdk::BatchSpanProcessor(std::unique_ptr<sdk::SpanExporter>(new Discard()), options));
  return std::unique_ptr<sdk::TracerProvider>(new sdk::TracerProvider(
      std::move(processor), opentelemetry::sdk::resource::Resource::Create({}), std::move(sampler)));
}

void Spans() {
  auto on = Provider(std::unique_ptr<sdk::Sampler>(new sdk::AlwaysOnSampler()));
  auto tracer = on->GetTracer("bench");
  MeasureBursts("span, 4 attributes, batch", 100, 1024, [&](int count) { MakeSpans(*tracer, count); },
                [&] { on->ForceFlush(); });
  Measure("span, 4 attributes, batch, flat out (drops)", 200000, [&](int count) { MakeSpans(*tracer, count); });
  auto off = Provider(std::unique_ptr<sdk::Sampler>(new sdk::AlwaysOffSampler()));
  auto dropped = off->GetTracer("bench");
  Measure("span, sampled out", 500000, [&](int count) { MakeSpans(*dropped, count); });
  auto noop = api::Provider::GetTracerProvider()->GetTracer("bench");
  Measure("span, telemetry off", 1000000, [&](int count) { MakeSpans(*noop, count); });
}

void Metrics() {
  auto provider = std::make_shared<metrics_sdk::MeterProvider>();
  metrics_sdk::PeriodicExportingMetricReaderOptions options;
  options.export_interval_millis = std::chrono::milliseconds(60000);
  options.export_timeout_millis = std::chrono::milliseconds(30000);
  provider->AddMetricReader(std::make_shared<metrics_sdk::PeriodicExportingMetricReader>(
      std::unique_ptr<metrics_sdk::PushMetricExporter>(new DiscardMetrics()), options));
  auto meter = provider->GetMeter("bench");
  auto counter = meter->CreateUInt64Counter("tasks");
  auto histogram = meter->CreateDoubleHistogram("duration");
  opentelemetry::context::Context context;
  Measure("counter add, 3 attributes", 1000000, [&](int count) {
    for (int i = 0; i < count; i++)
      counter->Add(1, {{"task.name", "process_data"}, {"task.priority", "high"}, {"worker.id", "worker-1"}}, context);
  });
  Measure("histogram record, 3 attributes", 1000000, [&](int count) {
    for (int i = 0; i < count; i++)
      histogram->Record(static_cast<double>(i % 100), {{"task.name", "process_data"}, {"task.priority", "high"}, {"worker.id", "worker-1"}},
                        context);
  });
}

}  // namespace

int main() {
  opentelemetry::sdk::common::internal_log::GlobalLogHandler::SetLogLevel(
      opentelemetry::sdk::common::internal_log::LogLevel::None);  // a full queue says so for each span
  Spans();
  Metrics();
  return 0;
}
