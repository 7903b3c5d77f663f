import { createParser } from 'eventsource-parser';

/** The payload that ends an OpenAI-style event stream. */
export const SSE_DONE = '[DONE]';

/** One server-sent event that carries `payload` as JSON. JSON has no raw line break, so one `data:` line suffices. */
export function encodeSseData(payload: unknown): string {
  return `data: ${payload === SSE_DONE ? SSE_DONE : JSON.stringify(payload)}\n\n`;
}

/**
 * The `data` of each event in a byte stream, `[DONE]` not included.
 *
 * Ends at `[DONE]`; returns `true` if it was seen and `false` if the bytes ended before it, which the caller must
 * treat as a broken answer.
 */
export async function* decodeSseData(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string, boolean> {
  const decoder = new TextDecoder();
  const arrived: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => arrived.push(data) });
  for await (const chunk of bytes) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    for (const data of arrived.splice(0)) {
      if (data === SSE_DONE) return true;
      yield data;
    }
  }
  return false;
}
