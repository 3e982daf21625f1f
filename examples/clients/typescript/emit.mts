// Sends usage events to Taximeter's API: one, then a batch. Node 22.18 or newer runs it
// as it is, with nothing installed:
//
//   TAXIMETER_URL=http://127.0.0.1:8470 TAXIMETER_API_TOKEN=… node emit.mts
//
// Every language can send the same: docs/events/UsageRecorded.v1.schema.json.
import { createHash } from "node:crypto";

const url = process.env.TAXIMETER_URL ?? "http://127.0.0.1:8470";
const token = process.env.TAXIMETER_API_TOKEN;
const patienceMs = 120_000;

interface UsageRecorded {
  event_id: string;
  occurred_at: string;
  source: string;
  provider: string;
  model: string;
  usage: Record<string, number>;
  user_id?: string;
  project_id?: string;
  response_id?: string;
  duration_ms?: number;
}

/** What OpenAI answered, as far as a meter needs it. */
interface Answer {
  id: string;
  model: string;
  usage: {
    prompt_tokens: number;
    completion_tokens: number;
    prompt_tokens_details?: { cached_tokens?: number };
    completion_tokens_details?: { reasoning_tokens?: number };
  };
}

/**
 * The id of a call's event: made of the provider's own id of its answer, so that it is the
 * same after a restart, and the same that Taximeter's other integrations give the call.
 */
function eventId(provider: string, responseId: string): string {
  const namespace = Buffer.from("7f6c1a523c0e5e0b9a5574c1d6f6a8f1", "hex");
  const name = ["response", provider, responseId, "0"].join("\x1f");
  const id = createHash("sha1").update(namespace).update(name).digest().subarray(0, 16);
  id[6] = (id[6] & 0x0f) | 0x50;
  id[8] = (id[8] & 0x3f) | 0x80;
  return id.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** A token stands in exactly one bucket: cached ones are not input, reasoning is not text. */
function recorded(answer: Answer, user: string): UsageRecorded {
  const { usage } = answer;
  const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
  const reasoning = usage.completion_tokens_details?.reasoning_tokens ?? 0;
  return {
    event_id: eventId("openai", answer.id),
    occurred_at: new Date().toISOString(),
    source: "typescript-example",
    provider: "openai",
    model: answer.model,
    usage: {
      text_input_tokens: usage.prompt_tokens - cached,
      cache_read_tokens: cached,
      text_output_tokens: usage.completion_tokens - reasoning,
      reasoning_output_tokens: reasoning,
    },
    user_id: user,
    project_id: "search",
    response_id: answer.id,
  };
}

/** Sends one event or many; sends the same again while the API cannot take them. */
async function send(events: UsageRecorded | UsageRecorded[]): Promise<number> {
  const headers: Record<string, string> = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const body = JSON.stringify(events);
  const until = Date.now() + patienceMs;
  for (;;) {
    const answer = await fetch(`${url}/v1/events`, { method: "POST", headers, body }).catch(
      (error: Error) => error,
    );
    let wait = 1;
    if (answer instanceof Response) {
      const said = await answer.json();
      if (answer.status === 202 && !said.rejected) return said.accepted;
      // Too much is under way, or Kafka is away: events count once, however often they come.
      if (answer.status !== 429 && answer.status !== 503) {
        throw new Error(`${answer.status}: ${JSON.stringify(said)}`);
      }
      wait = Number(answer.headers.get("Retry-After") ?? 1);
    }
    if (Date.now() + wait * 1000 > until) throw new Error(`nobody took them: ${answer}`);
    await new Promise((resume) => setTimeout(resume, wait * 1000));
  }
}

function anAnswer(id: string): Answer {
  return {
    id,
    model: "gpt-4o-mini",
    usage: {
      prompt_tokens: 1200,
      completion_tokens: 350,
      prompt_tokens_details: { cached_tokens: 800 },
      completion_tokens_details: { reasoning_tokens: 120 },
    },
  };
}

console.log("accepted", await send(recorded(anAnswer("chatcmpl-example-0001"), "alice")));
const batch = ["chatcmpl-example-0002", "chatcmpl-example-0003"];
console.log("accepted", await send(batch.map((id) => recorded(anAnswer(id), "bob"))));
