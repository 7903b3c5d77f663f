/** A line of newline-delimited JSON: what it says, or why it says nothing. `line` counts from 1. */
export type NdjsonLine =
  { readonly line: number; readonly value: unknown } | { readonly line: number; readonly problem: string };

/**
 * Parses newline-delimited JSON as it arrives, and skips blank lines. A line that is not UTF-8 or JSON, or is longer
 * than `maxLineBytes`, yields a problem; the lines after it are still read.
 */
export async function* readNdjson(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<NdjsonLine, void> {
  let line = 0;
  for await (const bytes of splitLines(chunks, maxLineBytes)) {
    line += 1;
    const read = bytes === TOO_LONG ? { problem: `it has more than ${maxLineBytes} bytes` } : parse(bytes);
    if (read !== BLANK) yield { line, ...read };
  }
}

const TOO_LONG = Symbol('TOO_LONG');
const BLANK = Symbol('BLANK');
const NEWLINE = 0x0a;

/** Never holds more than `maxLineBytes` and a chunk. */
async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<Uint8Array | typeof TOO_LONG, void> {
  let parts: Uint8Array[] = [];
  let length = 0;
  const take = (): Uint8Array | typeof TOO_LONG => {
    const line = length > maxLineBytes ? TOO_LONG : Buffer.concat(parts);
    parts = [];
    length = 0;
    return line;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      const part = chunk.subarray(start, end === -1 ? undefined : end);
      length += part.length;
      if (length > maxLineBytes) parts = [];
      else parts.push(part);
      if (end === -1) break;
      yield take();
      start = end + 1;
    }
  }
  if (length > 0) yield take();
}

function parse(bytes: Uint8Array): { readonly value: unknown } | { readonly problem: string } | typeof BLANK {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { problem: 'it is not UTF-8' };
  }
  if (text.trim() === '') return BLANK;
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return { problem: 'it is not JSON' };
  }
}
