import type { StreamEntry } from '../input-stream.port.js';
import { decodeEntry, encodeEntry } from '../stored-entry.js';

const NEWLINE = 10;

/** An entry as a line of JSON, its end included. */
export function encodeLine(entry: StreamEntry): Buffer {
  return Buffer.from(`${JSON.stringify(encodeEntry(entry))}\n`);
}

/** `undefined` for a line that is no entry: torn by a crash, or by a disk that was full. */
export function decodeLine(line: Buffer): StreamEntry | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(line.toString('utf8'));
  } catch {
    return undefined;
  }
  return decodeEntry(fields).entry;
}

/** The whole lines of `chunk`, without their ends; with `isLast` what stands after the last end is one, too. */
export function* linesOf(chunk: Buffer, isLast: boolean): Generator<{ readonly line: Buffer; readonly end: number }> {
  let start = 0;
  for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, start)) {
    yield { line: chunk.subarray(start, at), end: at + 1 };
    start = at + 1;
  }
  if (isLast && start < chunk.length) yield { line: chunk.subarray(start), end: chunk.length };
}
