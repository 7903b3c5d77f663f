import { BrainError } from '../shared/index.js';

/** A line of an import is not what it should be. What stood before it is kept; the import may be sent again. */
export class ImportLineError extends BrainError {
  readonly code = 'MEMORY_IMPORT_LINE';
  readonly httpStatus = 400;

  constructor(line: number, problem: string) {
    super(
      `Line ${line}: ${problem}. Lines before it may have been imported; the whole may be sent again, for ids that are known are left as they are.`,
    );
  }
}

/**
 * Parses newline-delimited JSON as it arrives; `line` counts from 1, and blank lines are passed over.
 * @throws ImportLineError for a line that is not UTF-8 or JSON, or longer than `maxLineBytes`
 */
export async function* readNdjson(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<{ readonly line: number; readonly value: unknown }, void> {
  let line = 0;
  for await (const bytes of splitLines(chunks, maxLineBytes)) {
    line += 1;
    if (bytes === TOO_LONG) throw new ImportLineError(line, `it has more than ${maxLineBytes} bytes`);
    const text = decode(bytes, line);
    if (text.trim() === '') continue;
    yield { line, value: parse(text, line) };
  }
}

const TOO_LONG = Symbol('TOO_LONG');
const NEWLINE = 0x0a;

async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<Uint8Array | typeof TOO_LONG, void> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      const part = chunk.subarray(start, end === -1 ? undefined : end);
      parts.push(part);
      length += part.length;
      if (length > maxLineBytes) {
        yield TOO_LONG;
        return;
      }
      if (end === -1) break;
      yield Buffer.concat(parts);
      parts = [];
      length = 0;
      start = end + 1;
    }
  }
  if (length > 0) yield Buffer.concat(parts);
}

function decode(bytes: Uint8Array, line: number): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ImportLineError(line, 'it is not UTF-8');
  }
}

function parse(text: string, line: number): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new ImportLineError(line, 'it is not JSON');
  }
}
