// npm run bench -- worker [--json] [--role worker] [--batch-sizes 1,10] [--profile FOLDER]: scored messages/s of one
// brain's memory worker beside what a stub Vorpal can serve, and what each message costs the processors.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { redisSettings } from '../../src/infra/redis/index.js';
import { readSettings } from '../../src/settings.js';
import { messageOf } from '../load/backlog.js';
import { ChildProgram } from '../load/child-program.js';
import { generateLoad } from '../load/load-generator.js';
import { describeMachine, formatTable, print, round } from '../figures/report.js';
import { runWorkerLoad, type WorkerLoadOutcome } from '../load/worker-load.js';

const SCORING_MS = 100;
const SCORING_AT_ONCE = 32;
// Of one message, batches show the limiter alone; of ten, the default, also what a message costs the brain.
const BATCH_SIZES = '1,10';
// Some ten seconds each, at the speed that is expected of it.
const BACKLOG_BATCHES = { adaptive: 3_200, sequential: 100 };
const MAX_BACKLOG = 16_000;
// What lies before is the way up to speed.
const MEASURED_FROM = 0.2;
const BARE_CLIENT = { leadInMs: 500, measuredMs: 4_000 };
// Half as many again as are served at once, so that no place is ever empty.
const BARE_CLIENT_CONNECTIONS = SCORING_AT_ONCE * 1.5;

type Reader = keyof typeof BACKLOG_BATCHES;

interface WorkerFigures {
  readonly messages_per_s: number;
  readonly most_batches: number;
  /** Share of all processors that somebody kept busy. */
  readonly machine_busy: number | null;
  /** Processor time that a message costs each part. */
  readonly cpu_ms_per_message: Readonly<Record<string, number | null>>;
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
    profile: { type: 'string' },
  },
});
const batchSizes = values['batch-sizes'].split(',').map(Number);
const { server: redis } = readSettings({
  ...process.env,
  BRAIN_ROLE: values.role,
  VORPAL_URL: 'http://127.0.0.1:9',
}).of(redisSettings);
const store = redis === undefined ? 'SQLite' : 'Redis';
const folder = mkdtempSync(join(tmpdir(), 'bench-worker-'));
const stubArgs = ['--scoring-ms', String(SCORING_MS), '--scoring-at-once', String(SCORING_AT_ONCE)];
const stub = ChildProgram.start('stub-vorpal', {}, { args: stubArgs });

try {
  const results: Result[] = [];
  for (const batchSize of batchSizes) results.push(await measure(batchSize));
  report(results);
} finally {
  await stub.end('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
}

async function measure(batchSize: number): Promise<Result> {
  const nominal = (SCORING_AT_ONCE * batchSize * 1_000) / SCORING_MS;
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

/** What a client gets that does nothing but ask for scores. */
async function measureBareClient(batchSize: number): Promise<number> {
  const prompt = Array.from({ length: batchSize }, (_, index) => messageOf(index));
  const { requestsPerSecond } = await generateLoad({
    url: await stub.url(),
    path: '/v1/completions',
    body: { model: 'stub', prompt, echo: true, logprobs: 0, max_tokens: 1 },
    connections: BARE_CLIENT_CONNECTIONS,
    ...BARE_CLIENT,
  });
  return requestsPerSecond * batchSize;
}

async function measureWorker(reader: Reader, batchSize: number, more: NodeJS.ProcessEnv): Promise<WorkerFigures> {
  const load = {
    stub,
    workers: 1,
    entries: Math.min(MAX_BACKLOG, BACKLOG_BATCHES[reader] * batchSize),
    measuredFrom: MEASURED_FROM,
    environment: {
      BRAIN_DATA_DIR: join(folder, `${reader}-${batchSize}`),
      BRAIN_ROLE: values.role,
      WORKER_BATCH_SIZE: String(batchSize),
      ...more,
    },
    label: `measuring (${reader})`,
    ...(values.profile !== undefined && {
      profileFolder: join(resolve(values.profile), `${store}-${reader}-${batchSize}`),
    }),
  };
  return runWorkerLoad(load, async (outcome) => toFigures(outcome));
}

function toFigures({ messagesPerSecond, mostBatches, use }: WorkerLoadOutcome): WorkerFigures {
  const costs = Object.entries(use.processors).map(([part, processors]): [string, number | null] => [
    part,
    processors === undefined ? null : round((processors * 1_000) / messagesPerSecond, 3),
  ]);
  return {
    messages_per_s: round(messagesPerSecond, 1),
    most_batches: mostBatches,
    machine_busy: use.busyShare === undefined ? null : round(use.busyShare, 2),
    cpu_ms_per_message: Object.fromEntries(costs),
  };
}

function report(results: readonly Result[]): void {
  const parts = Object.keys(results[0]?.adaptive.cpu_ms_per_message ?? {});
  const none = parts.map(() => '-');
  const rows = results.flatMap(({ batch_size: size, ...result }) => {
    const start = (name: string, rate: number) => [
      size,
      name,
      round(rate, 0),
      round(rate / result.nominal_messages_per_s, 3),
      round(rate / result.bare_client_messages_per_s, 3),
    ];
    const worker = (name: string, figures: WorkerFigures) => [
      ...start(name, figures.messages_per_s),
      ...[figures.most_batches, figures.machine_busy ?? '-'],
      ...parts.map((part) => figures.cpu_ms_per_message[part] ?? '-'),
    ];
    return [
      [...start('stub, nominal', result.nominal_messages_per_s), '-', '-', ...none],
      [...start('stub, bare client', result.bare_client_messages_per_s), '-', '-', ...none],
      worker('worker, adaptive', result.adaptive),
      worker('worker, one batch at a time', result.sequential),
    ];
  });
  const headers = ['batch', '', 'messages/s', 'of nominal', 'of bare client', 'most batches', 'machine busy', ...parts];
  print(formatTable(headers, rows));
  print(
    `\nThe stub takes ${SCORING_MS} ms a request and serves ${SCORING_AT_ONCE} at once; ` +
      `store ${store}, role ${values.role}.`,
  );
  print(
    `machine busy: share of all ${availableParallelism()} processors, by all programs; ` +
      'then ms of processor time a message.',
  );
  print(describeMachine());
  if (values.json) {
    const latencies = { scoringMs: SCORING_MS, scoringAtOnce: SCORING_AT_ONCE };
    print(JSON.stringify({ store, role: values.role, stub: latencies, results, machine: describeMachine() }));
  }
}
