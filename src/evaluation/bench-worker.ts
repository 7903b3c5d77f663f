// npm run bench:worker [-- --json] [-- --role worker] [-- --batch-sizes 1,10]: scored messages/s of one brain's memory worker beside what a stub Vorpal can serve.
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { readSettings } from '../config/index.js';
import { ProgressBar } from '../observability/index.js';
import { newId, sleep } from '../shared/index.js';
import { fillBacklog, messageOf, withStream } from './backlog.js';
import { ChildProgram } from './child-program.js';
import { FixedLatencyVorpal } from './fixed-latency-vorpal.js';
import { describeMachine, formatTable, print, round } from './report.js';

const LATENCIES = { chatMs: 20, scoringMs: 100, scoringAtOnce: 32 };
// Of one message, batches show the limiter alone; of ten, the default, also what a message costs the brain.
const BATCH_SIZES = '1,10';
// Some ten seconds each, at the speed that is expected of it.
const BACKLOG_BATCHES = { adaptive: 3_200, sequential: 100 };
const MAX_BACKLOG = 16_000;
// What lies before the first share is the way up to speed; after the last, batches are not full any more.
const MEASURED = { from: 0.2, to: 0.95 };
const BARE_CLIENT_MS = 4_000;
const POLL_MS = 50;
const STALL_MS = 30_000;

interface Progress {
  readonly processed: number;
  readonly batch_limit: number;
}

type Reader = keyof typeof BACKLOG_BATCHES;

interface WorkerFigures {
  readonly messages_per_s: number;
  readonly highest_limit: number;
}

interface Result {
  readonly batch_size: number;
  readonly nominal_messages_per_s: number;
  readonly bare_client_messages_per_s: number;
  readonly adaptive: WorkerFigures;
  readonly sequential: WorkerFigures;
  readonly ratio_of_nominal: number;
  readonly ratio_of_bare_client: number;
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    role: { type: 'string', default: 'all' },
    'batch-sizes': { type: 'string', default: BATCH_SIZES },
  },
});
const batchSizes = values['batch-sizes'].split(',').map(Number);
const { redisUrl } = readSettings({ ...process.env, BRAIN_ROLE: values.role, VORPAL_URL: 'http://127.0.0.1:9' }).stream;
const store = redisUrl === undefined ? 'SQLite' : 'Redis';
const agent = new Agent({ keepAlive: true });
const folder = mkdtempSync(join(tmpdir(), 'bench-worker-'));
const stub = await FixedLatencyVorpal.start(LATENCIES);

try {
  const results: Result[] = [];
  for (const batchSize of batchSizes) results.push(await measure(batchSize));
  report(results);
} finally {
  stub.stop();
  agent.destroy();
  rmSync(folder, { recursive: true, force: true });
}

async function measure(batchSize: number): Promise<Result> {
  const nominal = (LATENCIES.scoringAtOnce * batchSize * 1_000) / LATENCIES.scoringMs;
  const bare = await measureBareClient(batchSize);
  const sequential = await measureWorker('sequential', batchSize, { WORKER_MAX_BATCHES: '1' });
  const adaptive = await measureWorker('adaptive', batchSize, {});
  return {
    batch_size: batchSize,
    nominal_messages_per_s: nominal,
    bare_client_messages_per_s: round(bare, 1),
    adaptive,
    sequential,
    ratio_of_nominal: round(adaptive.messages_per_s / nominal, 3),
    ratio_of_bare_client: round(adaptive.messages_per_s / bare, 3),
  };
}

function report(results: readonly Result[]): void {
  const rows = results.flatMap(({ batch_size: size, ...result }) => {
    const row = (name: string, rate: number, limit: number | string) => [
      size,
      name,
      round(rate, 0),
      round(rate / result.nominal_messages_per_s, 3),
      round(rate / result.bare_client_messages_per_s, 3),
      limit,
    ];
    return [
      row('stub, nominal', result.nominal_messages_per_s, '-'),
      row('stub, bare client', result.bare_client_messages_per_s, '-'),
      row('worker, adaptive', result.adaptive.messages_per_s, result.adaptive.highest_limit),
      row('worker, one batch at a time', result.sequential.messages_per_s, result.sequential.highest_limit),
    ];
  });
  print(formatTable(['batch', '', 'messages/s', 'of nominal', 'of bare client', 'highest limit'], rows));
  const { scoringMs, scoringAtOnce } = LATENCIES;
  print(
    `\nThe stub takes ${scoringMs} ms a request and serves ${scoringAtOnce} at once; store ${store}, role ${values.role}.`,
  );
  print(describeMachine());
  if (values.json) {
    print(JSON.stringify({ store, role: values.role, stub: LATENCIES, results, machine: describeMachine() }));
  }
}

/** What a client gets that does nothing but ask for scores: half as many connections again as are served at once. */
async function measureBareClient(batchSize: number): Promise<number> {
  const messages = Array.from({ length: batchSize }, (_, index) => messageOf(index));
  const body = JSON.stringify({ model: 'stub', prompt: messages, echo: true, logprobs: 0, max_tokens: 1 });
  const begin = performance.now();
  let scored = 0;
  const connection = async () => {
    while (performance.now() - begin < BARE_CLIENT_MS) {
      await call(`${stub.url}/v1/completions`, body);
      scored += batchSize;
    }
  };
  await Promise.all(Array.from({ length: LATENCIES.scoringAtOnce * 1.5 }, connection));
  return (scored * 1_000) / (performance.now() - begin);
}

async function measureWorker(reader: Reader, batchSize: number, more: NodeJS.ProcessEnv): Promise<WorkerFigures> {
  const keyPrefix = `bench-worker-${newId()}:`;
  const count = Math.min(MAX_BACKLOG, BACKLOG_BATCHES[reader] * batchSize);
  const environment = {
    VORPAL_URL: stub.url,
    EMBEDDINGS_URL: stub.url,
    BRAIN_DATA_DIR: join(folder, `${reader}-${batchSize}`),
    REDIS_KEY_PREFIX: keyPrefix,
    STREAM_KEY: `${keyPrefix}stream`,
    BRAIN_ROLE: values.role,
    WORKER_BATCH_SIZE: String(batchSize),
    LOG_LEVEL: 'log',
    ...more,
  };
  return withStream(environment, async (stream) => {
    await fillBacklog(stream, count);
    const brain = ChildProgram.start('brain', environment);
    try {
      return await follow(await brain.url(), count, new ProgressBar(`measuring (${reader})`, count));
    } finally {
      await brain.end('SIGTERM');
    }
  });
}

/** Messages a second between two shares of the backlog, as the brain itself reports them. */
async function follow(url: string, count: number, bar: ProgressBar): Promise<WorkerFigures> {
  let begin: { readonly at: number; readonly processed: number } | undefined;
  let before = 0;
  let highestLimit = 0;
  let movedAt = performance.now();
  for (;;) {
    const { processed, batch_limit: limit } = await readProgress(url);
    const at = performance.now();
    if (processed > before) movedAt = at;
    if (at - movedAt > STALL_MS) throw new Error(`The worker stands still at ${processed} of ${count} messages.`);
    bar.advance(processed - before);
    before = processed;
    highestLimit = Math.max(highestLimit, limit);
    if (begin === undefined && processed >= count * MEASURED.from) begin = { at, processed };
    if (begin && processed >= count * MEASURED.to) {
      bar.stop();
      const rate = ((processed - begin.processed) * 1_000) / (at - begin.at);
      return { messages_per_s: round(rate, 1), highest_limit: highestLimit };
    }
    await sleep(POLL_MS);
  }
}

async function readProgress(url: string): Promise<Progress> {
  return JSON.parse(await call(`${url}/memory-worker`)) as Progress;
}

function call(url: string, payload?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        agent,
        method: payload === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/json' },
        timeout: 20_000,
      },
      (response) => {
        text(response).then((body) => {
          if (response.statusCode === 200) resolve(body);
          else reject(new Error(`${url} answered ${response.statusCode}: ${body}`));
        }, reject);
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer from ${url}`)));
    outgoing.on('error', reject);
    outgoing.end(payload);
  });
}
