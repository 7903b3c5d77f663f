// npm run bench -- steady [--minutes 30] [--entries 1000000] [--rate 60] [--backlog N] [--out FILE.svg] [--json]:
// one brain under steady load for long, or with many messages waiting: do memory and latency stay as they are?
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { redisSettings } from '../../src/infra/redis/index.js';
import { readSettings } from '../../src/settings.js';
import { USERS } from '../load/chat-load.js';
import { ChildProgram } from '../load/child-program.js';
import { type Panel, renderLineChart } from '../figures/line-chart.js';
import { describeMachine, formatTable, print, round } from '../figures/report.js';
import { runSteadily, type Sample, type SteadyRun } from './steady-run.js';
import { median, trendOf } from '../figures/trend.js';

const STUB_LATENCIES = ['--chat-ms', '20', '--scoring-ms', '100'];
// About half of what one brain answers and remembers on two slow cores, the stub and this program on them as well. Much
// beyond it the worker makes way for the chats, and what waits for it grows.
const CHATS_PER_SECOND = 60;
const SAMPLE_EVERY_MS = 5_000;
const BACKLOG_SAMPLE_EVERY_MS = 1_000;
// Enough to see the worker at full speed, and few enough to weigh nothing.
const SMALL_BACKLOG = 40_000;
const LIMIT_OF_A_USER = 100;
// V8 lets a heap grow step by step until it has seen a few complete collections.
const SETTLED_AFTER_S = 600;
const MIB = 2 ** 20;

/** Most that a series may grow over the whole time, as a share of its median, and be called flat. */
const FLAT = { rss_bytes: 0.1, heap_bytes: 0.1, p99_ms: 0.25 };
/** Most that the brain's memory with a large backlog may be over the one with a small one, after the same time. */
const BACKLOG_GROWTH = 0.15;

type Judged = keyof typeof FLAT;
type Read = (sample: Sample) => number | undefined;

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    minutes: { type: 'string', default: '30' },
    entries: { type: 'string', default: '1000000' },
    rate: { type: 'string' },
    backlog: { type: 'string', default: '0' },
    out: { type: 'string', default: 'docs/steady-load.svg' },
  },
});
const minutes = readNumber('minutes', values.minutes);
const maxChats = readNumber('entries', values.entries);
const backlog = readNumber('backlog', values.backlog);
// With a backlog, chats are no part of the question unless somebody wants them.
const rate = values.rate === undefined ? (backlog > 0 ? 0 : CHATS_PER_SECOND) : readNumber('rate', values.rate);
const { server: redis } = readSettings({ ...process.env, VORPAL_URL: 'http://127.0.0.1:9' }).of(redisSettings);
const store = redis === undefined ? 'SQLite' : 'Redis';
const folder = mkdtempSync(join(tmpdir(), 'bench-steady-'));
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stop.abort();
  });
}
const stub = ChildProgram.start('stub-vorpal', {}, { args: STUB_LATENCIES });

try {
  if (backlog > 0) await measureBacklog();
  else await measureSteadyLoad();
} finally {
  await stub.end('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
}

function readNumber(name: string, text: string): number {
  const given = Number(text);
  if (Number.isFinite(given) && given >= 0) return given;
  process.stderr.write(`--${name} must be a number, and is ${text}.\n`);
  process.exit(2);
}

async function measureSteadyLoad(): Promise<void> {
  const label = `${rate} chats a second`;
  const run = await measure(label, 0, SAMPLE_EVERY_MS);
  draw(run, `${label}, ${USERS} users`);
  report(run);
  finish({ run });
}

/** A small backlog first: what a brain at full speed takes anyway is no matter of how many messages wait. */
async function measureBacklog(): Promise<void> {
  const few = Math.min(backlog, SMALL_BACKLOG);
  const small = await measure(`${few} waiting`, few, BACKLOG_SAMPLE_EVERY_MS);
  if (stop.signal.aborted) return;
  const run = await measure(`${backlog} waiting`, backlog, BACKLOG_SAMPLE_EVERY_MS);
  draw(run, `${backlog.toLocaleString('en')} messages waiting at the start`);
  report(run);
  print(compare(small, run));
  finish({ small, run });
}

function measure(label: string, waiting: number, sampleEveryMs: number): Promise<SteadyRun> {
  return runSteadily({
    stub,
    folder,
    label,
    backlog: waiting,
    chatsPerSecond: rate,
    maxChats,
    maxSeconds: Math.ceil(minutes * 60),
    sampleEveryMs,
    environment: {
      DECISIONS_MAX_ENTRIES: String(LIMIT_OF_A_USER),
    },
    signal: stop.signal,
  });
}

function draw({ samples }: SteadyRun, subtitle: string): void {
  const inUnits = (divisor: number, read: Read) =>
    samples.map((sample) => {
      const value = read(sample);
      return value === undefined ? undefined : value / divisor;
    });
  const panel = (title: string, unit: string, divisor: number, lines: Readonly<Record<string, Read>>): Panel => ({
    title,
    unit,
    series: Object.entries(lines).map(([name, read]) => ({ name, values: inUnits(divisor, read) })),
  });
  const svg = renderLineChart({
    title: `One brain under steady load, ${store}`,
    subtitle: `${subtitle}; ${describeMachine()}`,
    xLabel: 'minutes',
    xs: samples.map(({ at_s: seconds }) => seconds / 60),
    panels: [
      panel('Memory of the brain', 'MiB', MIB, {
        resident: (sample) => sample.rss_bytes,
        'heap used': (sample) => sample.heap_bytes,
        'outside the heap': (sample) => sample.external_bytes,
      }),
      panel(store === 'Redis' ? 'Memory of Redis' : 'Files of SQLite', 'MiB', MIB, {
        store: (sample) => sample.store_bytes,
      }),
      panel('Time of a chat, and delay of the event loop', 'ms', 1, {
        'chat p50': (sample) => sample.p50_ms,
        'chat p99': (sample) => sample.p99_ms,
        'event loop p99': (sample) => sample.event_loop_p99_ms,
      }),
      panel('Waiting for the worker', 'messages', 1, { waiting: (sample) => sample.waiting }),
      panel('Processors in use', `of ${availableParallelism()}`, 1, {
        brain: (sample) => sample.brain_processors,
        'whole machine': ({ machine_busy: share }) => share && share * availableParallelism(),
      }),
    ],
  });
  writeFileSync(values.out, svg);
  print(`${values.out} shows ${samples.length} samples.`);
}

function report(run: SteadyRun): void {
  const { samples, wasBrokenOff, failure } = run;
  const third = Math.ceil(samples.length / 3);
  const thirds = [0, 1, 2].map((index) => samples.slice(index * third, (index + 1) * third));
  const row = (name: string, divisor: number, digits: number, read: Read) => [
    name,
    ...thirds.map((part) => {
      const known = part.map(read).filter((value) => value !== undefined);
      return known.length === 0 ? '-' : round(median(known) / divisor, digits);
    }),
  ];
  const rows = [
    row('resident memory, MiB', MIB, 1, (sample) => sample.rss_bytes),
    row('heap used, MiB', MIB, 1, (sample) => sample.heap_bytes),
    row('store, MiB', MIB, 1, (sample) => sample.store_bytes),
    row('chat p50, ms', 1, 1, (sample) => sample.p50_ms),
    row('chat p99, ms', 1, 1, (sample) => sample.p99_ms),
    row('event loop p99, ms', 1, 1, (sample) => sample.event_loop_p99_ms),
    row('messages waiting', 1, 0, (sample) => sample.waiting),
    row('processors: brain', 1, 2, (sample) => sample.brain_processors),
    row('machine busy', 1, 2, (sample) => sample.machine_busy),
  ];
  print(formatTable(['median of the', 'first third', 'second', 'last'], rows));
  const last = samples.at(-1);
  const total = (read: (sample: Sample) => number) => samples.reduce((sum, sample) => sum + read(sample), 0);
  print(
    `\n${last?.at_s ?? 0} s: ${total(({ chats }) => chats)} chats answered, ` +
      `${total((sample) => sample.failed)} failed, ${last?.processed ?? 0} messages processed` +
      `${wasBrokenOff ? '; broken off' : ''}.`,
  );
  if (failure !== undefined) print(`Failure: ${failure}`);
  print(`Change over the whole time, by the slope of the last two thirds (Theil–Sen): ${describeTrends(run)}.`);
  if ((last?.at_s ?? 0) < SETTLED_AFTER_S) {
    print('In less than ten minutes the heap of a new process has not settled: that tells little of memory.');
  }
  print(
    `The store grows by design up to the limits of each user (here ${LIMIT_OF_A_USER} decisions) ` +
      'and the last 50,000 ids.',
  );
}

function describeTrends(run: SteadyRun): string {
  const trends = trendsOf(run).map(
    ({ name, change, bound, verdict }) => `${name} ${inPercent(change)} (${verdict}, bound ${inPercent(bound)})`,
  );
  return trends.join('; ') || 'too few samples to tell';
}

function trendsOf({ samples }: SteadyRun) {
  return (Object.entries(FLAT) as [Judged, number][]).flatMap(([name, bound]) => {
    const points = samples.flatMap((sample) => {
      const y = sample[name];
      return y === undefined ? [] : [{ x: sample.at_s, y }];
    });
    const trend = trendOf(points);
    if (!trend) return [];
    const { change, leastChange } = trend;
    return [{ name, change: round(change, 3), bound, verdict: verdictOn(change, leastChange, bound) }];
  });
}

function verdictOn(change: number, leastChange: number, bound: number): string {
  if (change <= bound) return 'flat';
  return leastChange > bound ? 'NOT FLAT' : 'too noisy to tell, run longer';
}

/** Their memory in the seconds in which both were at work. */
function compare(small: SteadyRun, large: SteadyRun): string {
  const untilS = Math.min(...[small, large].map(({ samples }) => samples.at(-1)?.at_s ?? 0));
  const rssOf = ({ samples }: SteadyRun) =>
    median(
      samples.flatMap(({ at_s: atS, rss_bytes: bytes }) => (atS <= untilS && bytes !== undefined ? [bytes] : [])),
    ) / MIB;
  const [before, after] = [rssOf(small), rssOf(large)];
  const growth = after / before - 1;
  const isFlat = growth <= BACKLOG_GROWTH;
  return (
    `Resident memory in the first ${untilS} s: ${round(before, 1)} MiB with ${small.backlog} waiting, ` +
    `${round(after, 1)} MiB with ${large.backlog}: ` +
    `${inPercent(growth)} (${isFlat ? 'flat' : 'NOT FLAT'}, bound ${inPercent(BACKLOG_GROWTH)}).`
  );
}

function inPercent(share: number): string {
  return `${share > 0 ? '+' : ''}${round(share * 100, 1)} %`;
}

function finish(results: { readonly run: SteadyRun; readonly small?: SteadyRun }): void {
  print(`Store ${store}. ${describeMachine()}`);
  if (values.json) {
    print(JSON.stringify({ machine: describeMachine(), store, rate, trends: trendsOf(results.run), ...results }));
  }
}
