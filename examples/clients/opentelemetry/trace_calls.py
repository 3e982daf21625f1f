"""Meters OpenAI's client by OpenTelemetry alone: Taximeter takes its spans.

pip install openai opentelemetry-exporter-otlp-proto-http \
    opentelemetry-instrumentation-openai-v2 "opentelemetry-util-genai<1"
OTEL_SERVICE_NAME=search OTEL_RESOURCE_ATTRIBUTES=taximeter.project=portal \
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:8470/v1/traces \
OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20$TAXIMETER_API_TOKEN" \
OPENAI_API_KEY=… python trace_calls.py
"""

from __future__ import annotations

from openai import OpenAI
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

tracing = TracerProvider()
tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
OpenAIInstrumentor().instrument(tracer_provider=tracing)

agent = {
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.usage.input_tokens": 100_000,  # as frameworks write it; it counts nothing
}
with tracing.get_tracer("example").start_as_current_span(
    "invoke_agent", attributes=agent
):
    answer = OpenAI().chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "What is the capital of France?"}],
    )
print(answer.choices[0].message.content)
tracing.shutdown()
