// npm run bench -- scaling [--json] [--workers 1,2,4] [--batches 2,8,32] [--batch-size 10]: one and several worker
// processes on one Redis, over a stub Vorpal that serves any number of requests at once.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { redisSettings } from '../../src/infra/redis/index.js';
import { readSettings } from '../../src/settings.js';
import { memoryKeys, type RedisClient } from '../../src/infra/redis/index.js';
import { userIds } from '../load/backlog.js';
import { ChildProgram } from '../load/child-program.js';
import { describeMachine, formatTable, print, round } from '../figures/report.js';
import { runWorkerLoad, type WorkerLoadOutcome } from '../load/worker-load.js';

const SCORING_MS = 100;
// How many batches a worker has in flight. One with few of them leaves most of a processor to others, and shows how
// several share a Redis; one with many takes all it can get.
const BATCHES = '2,8,32';
// A processor's worth of messages a second is about this many: so long a backlog lasts, whoever is slower than Vorpal.
const MESSAGES_PER_PROCESSOR = 1_000;
const LASTS_SECONDS = 15;
const MEASURED_FROM = 0.3;
// Beyond it, what one worker gains another one loses.
const FULL = 0.85;
// Processors in use by other programs, above which the rows were not measured on the same machine.
const QUIET = 0.15;
const AIM = 0.9;

interface Row {
  readonly batches: number;
  readonly workers: number;
  readonly messages_per_s: number;
  /** Of one worker alone with as many batches, times the number of workers. */
  readonly scaling_per_worker: number;
  readonly machine_busy: number | null;
  /** Processors that each kept busy. */
  readonly processors: Readonly<Record<string, number | null>>;
  readonly most_batches: number;
  readonly lost: number;
  readonly twice: number;
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    workers: { type: 'string', default: '1,2,4' },
    batches: { type: 'string', default: BATCHES },
    'batch-size': { type: 'string', default: '10' },
  },
});
const workerCounts = readCounts(values.workers);
const batchLimits = readCounts(values.batches);
const [batchSize = 10] = readCounts(values['batch-size']);
const { server: redis } = readSettings({ ...process.env, VORPAL_URL: 'http://127.0.0.1:9' }).of(redisSettings);
if (redis === undefined) {
  process.stderr.write(
    'Workers share a store only in Redis. Set REDIS_URL to a Redis 8, or run npm run bench -- scaling.\n',
  );
  process.exit(2);
}
if (workerCounts[0] !== 1) {
  process.stderr.write('What several workers do is compared with one: --workers begins with 1, as in 1,2,4.\n');
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'bench-scaling-'));
const stub = ChildProgram.start('stub-vorpal', {}, { args: ['--scoring-ms', String(SCORING_MS)] });

try {
  const rows: Row[] = [];
  for (const batches of batchLimits) {
    for (const workers of workerCounts) rows.push(await measure(batches, workers, rows));
  }
  report(rows);
} finally {
  await stub.end('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
}

function readCounts(text: string): number[] {
  const counts = text.split(',').map(Number);
  if (counts.every((count) => Number.isInteger(count) && count > 0)) return counts;
  process.stderr.write(
    'Usage: npm run bench -- scaling [--json] [--workers 1,2,4] [--batches 2,8,32] [--batch-size 10]\n',
  );
  process.exit(2);
}

async function measure(batches: number, workers: number, before: readonly Row[]): Promise<Row> {
  const nominal = (workers * batches * batchSize * 1_000) / SCORING_MS;
  const entries = LASTS_SECONDS * Math.round(Math.min(nominal, availableParallelism() * MESSAGES_PER_PROCESSOR));
  const environment = {
    BRAIN_ROLE: 'worker',
    BRAIN_DATA_DIR: folder,
    WORKER_MAX_BATCHES: String(batches),
    WORKER_BATCH_SIZE: String(batchSize),
    // So that every message leaves a decision that can be counted.
    DECISIONS_MAX_ENTRIES: String(entries),
  };
  const label = `${workers} workers with ${batches} batches each`;
  const load = { stub, workers, entries, measuredFrom: MEASURED_FROM, environment, label };
  return runWorkerLoad(load, async (outcome, redis, keyPrefix) => {
    const decisions = redis ? await countDecisions(redis, keyPrefix) : 0;
    const alone = before.find((row) => row.batches === batches && row.workers === 1);
    return toRow({ batches, workers, entries, decisions, alone: alone?.messages_per_s }, outcome);
  });
}

async function countDecisions(redis: RedisClient, keyPrefix: string): Promise<number> {
  const keys = memoryKeys(keyPrefix);
  const counts = await Promise.all(userIds().map((userId) => redis.hlen(keys.ofUser(userId).decisions)));
  return counts.reduce((sum, count) => sum + count, 0);
}

interface Measured {
  readonly batches: number;
  readonly workers: number;
  readonly entries: number;
  readonly decisions: number;
  readonly alone: number | undefined;
}

function toRow({ batches, workers, entries, decisions, alone }: Measured, outcome: WorkerLoadOutcome): Row {
  const { messagesPerSecond, mostBatches, use, processed, left } = outcome;
  const parts: Readonly<Record<string, number | undefined>> = { ...use.processors, others: use.others };
  const processors = Object.entries(parts).map(([name, count]): [string, number | null] => [
    name,
    count === undefined ? null : round(count, 2),
  ]);
  return {
    batches,
    workers,
    messages_per_s: round(messagesPerSecond, 1),
    scaling_per_worker: round(messagesPerSecond / ((alone ?? messagesPerSecond) * workers), 3),
    machine_busy: use.busyShare === undefined ? null : round(use.busyShare, 2),
    processors: Object.fromEntries(processors),
    most_batches: mostBatches,
    lost: entries - decisions + left,
    twice: processed - entries,
  };
}

function report(rows: readonly Row[]): void {
  const parts = Object.keys(rows[0]?.processors ?? {});
  const cells = rows.map((row) => [
    ...[row.batches, row.workers, row.messages_per_s, row.scaling_per_worker, row.machine_busy ?? '-'],
    ...parts.map((part) => row.processors[part] ?? '-'),
    ...[row.lost, row.twice],
  ]);
  const headers = ['batches', 'workers', 'messages/s', 'per worker', 'machine busy', ...parts, 'lost', 'twice'];
  print(formatTable(headers, cells));
  print(`\nbatches: most in flight at one worker, of ${batchSize} messages; the stub takes ${SCORING_MS} ms for each.`);
  print('per worker: messages/s over those of one worker times the number of workers.');
  print(`machine busy: share of all ${availableParallelism()} processors; then how many of them each part kept busy.`);
  print(verdictOn(rows));
  print(describeMachine());
  if (values.json)
    print(JSON.stringify({ machine: describeMachine(), scoring_ms: SCORING_MS, batch_size: batchSize, rows }));
}

function verdictOn(rows: readonly Row[]): string {
  const isFull = ({ machine_busy: busy }: Row) => busy !== null && busy >= FULL;
  const free = rows.filter((row) => row.workers > 1 && !isFull(row));
  const least = Math.min(...free.map((row) => row.scaling_per_worker));
  const full = rows.find(isFull);
  const wrong = rows.some(({ lost, twice }) => lost !== 0 || twice !== 0);
  const scaling =
    free.length === 0
      ? 'No row with several workers left the machine room, so nothing is known of their scaling.'
      : `While the machine is less than ${FULL * 100} % busy: at least ${least} per worker in ${free.length} rows ` +
        `(aim ${AIM}${least >= AIM ? '' : ', missed'}).`;
  const where = full
    ? ` It fills with ${full.workers} workers of ${full.batches} batches, at ${full.messages_per_s} messages/s.`
    : '';
  const counts = wrong
    ? ' MESSAGES WERE LOST OR PROCESSED TWICE, see the last columns.'
    : ' Nothing was lost or processed twice.';
  return scaling + where + counts + describeOthers(rows);
}

function describeOthers(rows: readonly Row[]): string {
  const most = Math.max(...rows.map(({ processors }) => processors.others ?? 0));
  return most <= QUIET ? '' : ` Other programs took up to ${most} processors meanwhile: measure again without them.`;
}
