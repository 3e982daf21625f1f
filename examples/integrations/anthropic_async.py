"""Meters Anthropic's asynchronous client, streamed.

pip install taximeter anthropic
TAXIMETER_BOOTSTRAP=localhost:9092 ANTHROPIC_API_KEY=… python anthropic_async.py
"""

from __future__ import annotations

import asyncio

from anthropic import AsyncAnthropic

import taximeter


async def main() -> None:
    """Ask one question."""
    async with taximeter.wrap(AsyncAnthropic()) as client:
        with taximeter.attribute(user="ada", project="examples"):
            async with client.messages.stream(
                model="claude-opus-4-6",
                max_tokens=100,
                messages=[
                    {"role": "user", "content": "What is the capital of France?"}
                ],
            ) as stream:
                async for text in stream.text_stream:
                    print(text, end="")
    print()


taximeter.start()
asyncio.run(main())
taximeter.stop()
