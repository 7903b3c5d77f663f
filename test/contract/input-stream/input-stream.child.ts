// A process of its own that writes to the embedded stream, so that a test can kill it. Told over IPC what to do.
import { SqliteDatabase } from '../../../src/infra/sqlite/index.js';
import { SqliteInputStream } from '../../../src/stream/adapters/sqlite/sqlite-input-stream.js';
import type { StreamEntry } from '../../../src/stream/input-stream.port.js';

export interface Order {
  readonly append?: readonly StreamEntry[];
  /** How many entries to read. */
  readonly read?: number;
}

const [path = '', consumer = ''] = process.argv.slice(2);
const stream = new SqliteInputStream(await SqliteDatabase.open(path), { consumer, claimIdleMs: 60_000 });

async function carryOut({ append, read }: Order): Promise<void> {
  if (append) await Promise.all(append.map((entry) => stream.append(entry)));
  if (read !== undefined) await stream.read({ count: read, blockMs: 0, signal: new AbortController().signal });
  process.send?.('done');
}

process.on('message', (order: Order) => void carryOut(order));
process.send?.('ready');
