// npm run bench -- throughput [--json] [--connections 1,64,256] [--seconds N]
// POST /chat over a stub Vorpal that answers at once: with and without capture, and beside a minimal proxy.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { redisSettings } from '../../src/infra/redis/index.js';
import { readSettings } from '../../src/settings.js';
import { ProgressBar } from '../../src/observability/index.js';
import { newId } from '../../src/shared/index.js';
import { ChildProgram } from '../load/child-program.js';
import { generateLoad, type LoadFigures } from '../load/load-generator.js';
import { processorSeconds } from '../figures/processor-time.js';
import { describeMachine, formatTable, percentile, print, round } from '../figures/report.js';

const CONNECTIONS = '1,64,256';
const STREAMED_CONNECTIONS = [1, 64];
// Short slices in turn, so that a slow minute of the machine meets all alike; this many seconds of each in all.
const SECONDS = '8';
const SLICE_MS = 1_000;
// A busy program accepts connections one by one between its other work: after 300 ms some of 256 were still waiting for
// that, and their first answers, up to a second late, were the p99.
const LEAD_IN_MS = 1_000;
// Long enough for the compiler to have seen all of it.
const WARM_UP_MS = 3_000;
const WARM_UP_CONNECTIONS = 16;
const BARE_STUB = 'stub, bare';
const PROXY = 'proxy';
const MESSAGE = 'The sky is blue today, and the ferry to the island leaves at noon.';

/** Somebody who answers chats. */
interface Contender {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  readonly path: string;
  readonly body: object;
  /** The brain that does the same without capturing. */
  readonly withoutCapture?: Contender;
}

/** One slice of one contender. */
interface Slice extends LoadFigures {
  readonly cpuMicroseconds: Record<'contender' | 'stub' | 'load', number>;
}

type Measured = Map<Contender, Slice[]>;

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    connections: { type: 'string', default: CONNECTIONS },
    seconds: { type: 'string', default: SECONDS },
  },
});
const rounds = Math.max(1, Math.round((Number(values.seconds) * 1_000) / SLICE_MS));
const { server: redis } = readSettings({ ...process.env, VORPAL_URL: 'http://127.0.0.1:9' }).of(redisSettings);
const stores = ['SQLite', ...(redis === undefined ? [] : ['Redis'])];
const folder = mkdtempSync(join(tmpdir(), 'bench-throughput-'));
const programs: ChildProgram[] = [];
const stub = launch('stub-vorpal', {});

try {
  await run();
} finally {
  await Promise.all(programs.map((program) => program.end('SIGTERM')));
  rmSync(folder, { recursive: true, force: true });
}

async function run(): Promise<void> {
  const contenders = await startContenders();
  const streamed = contenders.map((contender) => ({ ...contender, body: { ...contender.body, stream: true } }));
  const counts = values.connections.split(',').map(Number);
  const slices = rounds * (contenders.length * (counts.length + STREAMED_CONNECTIONS.length));
  const bar = new ProgressBar('measuring (slices)', slices);
  for (const contender of [...contenders, ...streamed]) await measureSlice(contender, WARM_UP_CONNECTIONS, WARM_UP_MS);
  const answers = [];
  for (const count of counts) answers.push({ count, measured: await measure(contenders, count, bar) });
  const first = [];
  for (const count of STREAMED_CONNECTIONS) first.push({ count, measured: await measure(streamed, count, bar) });
  bar.stop();
  const throughput = answers.flatMap(({ count, measured }) => throughputOf(count, measured));
  const firstBytes = first.flatMap(({ count, measured }) => firstBytesOf(count, measured));
  report(throughput, firstBytes);
}

/** Who is measured, in the order of the tables. */
async function startContenders(): Promise<Contender[]> {
  const stubUrl = await stub.url();
  const proxy = launch('minimal-proxy', { VORPAL_URL: stubUrl });
  const messages = [{ role: 'user', content: MESSAGE }];
  const contenders = [
    await contenderOf(BARE_STUB, stub, '/v1/chat/completions', { model: 'stub', messages }),
    await contenderOf(PROXY, proxy, '/chat', { message: MESSAGE }),
  ];
  for (const store of stores) {
    const [off, on] = [await startBrain(store, false, stubUrl), await startBrain(store, true, stubUrl)];
    contenders.push(off, { ...on, withoutCapture: off });
  }
  return contenders;
}

/** The two of a store differ in nothing but what they are asked. */
async function startBrain(store: string, captures: boolean, stubUrl: string): Promise<Contender> {
  const name = `${store}, capture ${captures ? 'on' : 'off'}`;
  const brain = launch('brain', environmentOf(store, name, stubUrl));
  return contenderOf(name, brain, '/chat', { message: MESSAGE, memory: captures });
}

/** Without recall, which `memory: false` turns off as well, so that capture is all that differs. */
function environmentOf(store: string, name: string, stubUrl: string): NodeJS.ProcessEnv {
  const keyPrefix = `bench-throughput-${newId()}:`;
  return {
    VORPAL_URL: stubUrl,
    EMBEDDINGS_URL: stubUrl,
    BRAIN_ROLE: 'api',
    RECALL_LIMIT: '0',
    BRAIN_DATA_DIR: join(folder, name),
    ...(store === 'Redis' ? { REDIS_KEY_PREFIX: keyPrefix, STREAM_KEY: `${keyPrefix}stream` } : { REDIS_URL: '' }),
  };
}

function launch(program: 'brain' | 'stub-vorpal' | 'minimal-proxy', environment: NodeJS.ProcessEnv): ChildProgram {
  const started = ChildProgram.start(program, environment);
  programs.push(started);
  return started;
}

async function contenderOf(name: string, program: ChildProgram, path: string, body: object): Promise<Contender> {
  return { name, pid: program.process.pid ?? 0, url: await program.url(), path, body };
}

async function measure(contenders: readonly Contender[], connections: number, bar: ProgressBar): Promise<Measured> {
  const measured: Measured = new Map(contenders.map((contender) => [contender, []]));
  for (let index = 0; index < rounds; index++) {
    // Back and forth: who comes first, and after whom, is not always the same.
    for (const contender of index % 2 === 0 ? contenders : contenders.toReversed()) {
      measured.get(contender)?.push(await measureSlice(contender, connections, SLICE_MS));
      bar.advance();
    }
  }
  return measured;
}

async function measureSlice({ url, path, body, pid }: Contender, connections: number, ms: number): Promise<Slice> {
  const stubPid = stub.process.pid ?? 0;
  const readProcessor = () => {
    const { user, system } = process.cpuUsage();
    return { contender: processorSeconds(pid), stub: processorSeconds(stubPid), load: (user + system) / 1e6 };
  };
  const before = readProcessor();
  const figures = await generateLoad({ url, path, body, connections, leadInMs: LEAD_IN_MS, measuredMs: ms });
  const after = readProcessor();
  const each = (part: keyof typeof before) => ((after[part] - before[part]) * 1e6) / figures.answers;
  return { ...figures, cpuMicroseconds: { contender: each('contender'), stub: each('stub'), load: each('load') } };
}

function throughputOf(connections: number, measured: Measured) {
  const proxy = [...measured].find(([{ name }]) => name === PROXY)?.[1] ?? [];
  return [...measured].map(([{ name, withoutCapture }, slices]) => {
    const off = withoutCapture && measured.get(withoutCapture);
    const answerMs = answersOf(slices);
    const meanOf = (part: keyof Slice['cpuMicroseconds']) =>
      round(average(slices.map(({ cpuMicroseconds }) => cpuMicroseconds[part])), 0);
    const addedMs = (p: number) => off && round(percentile(answerMs, p) - percentile(answersOf(off), p), 2);
    return {
      connections,
      name,
      requests_per_s: round(average(slices.map(({ requestsPerSecond }) => requestsPerSecond)), 0),
      p50_ms: round(percentile(answerMs, 50), 2),
      p99_ms: round(percentile(answerMs, 99), 2),
      of_proxy: name === BARE_STUB || name === PROXY ? undefined : pairedRatio(slices, proxy),
      of_capture_off: off && pairedRatio(slices, off),
      added_p50_ms: addedMs(50),
      added_p99_ms: addedMs(99),
      cpu_us_a_request: { itself: meanOf('contender'), stub: meanOf('stub'), load_generator: meanOf('load') },
    };
  });
}

function firstBytesOf(connections: number, measured: Measured) {
  const rows = [...measured].map(([{ name }, slices]) => ({ name, ms: slices.flatMap((slice) => slice.firstByteMs) }));
  return rows.map(({ name, ms }) => ({
    connections,
    name,
    first_byte_p50_ms: round(percentile(ms, 50), 2),
    first_byte_p99_ms: round(percentile(ms, 99), 2),
  }));
}

function answersOf(slices: readonly Slice[]): number[] {
  return slices.flatMap(({ answerMs }) => answerMs);
}

/** The median of the rounds' own ratios: both sides of each were measured within the same few seconds. */
function pairedRatio(slices: readonly Slice[], others: readonly Slice[]): number {
  const ratios = slices.map(
    ({ requestsPerSecond }, index) => requestsPerSecond / (others[index]?.requestsPerSecond ?? 0),
  );
  return round(percentile(ratios, 50), 3);
}

function average(numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
}

type Throughput = ReturnType<typeof throughputOf>;
type FirstBytes = ReturnType<typeof firstBytesOf>;

function report(throughput: Throughput, firstBytes: FirstBytes): void {
  const headers = [
    'connections',
    '',
    'requests/s',
    'p50 ms',
    'p99 ms',
    'of proxy',
    'on / off',
    'added p50',
    'added p99',
  ];
  print(
    formatTable(
      [...headers, 'CPU µs', 'stub µs', 'load µs'],
      throughput.map((row) => [
        row.connections,
        row.name,
        row.requests_per_s,
        row.p50_ms,
        row.p99_ms,
        row.of_proxy ?? '-',
        row.of_capture_off ?? '-',
        row.added_p50_ms ?? '-',
        row.added_p99_ms ?? '-',
        row.cpu_us_a_request.itself,
        row.cpu_us_a_request.stub,
        row.cpu_us_a_request.load_generator,
      ]),
    ),
  );
  print('\nStreamed, until the first byte of the answer:\n');
  print(
    formatTable(
      ['connections', '', 'p50 ms', 'p99 ms'],
      firstBytes.map((row) => [row.connections, row.name, row.first_byte_p50_ms, row.first_byte_p99_ms]),
    ),
  );
  print(`\nSlices of ${SLICE_MS} ms in turn, ${rounds} of each; ratios are medians of the rounds. CPU is per request.`);
  print(describeMachine());
  if (values.json) {
    print(
      JSON.stringify({ rounds, slice_ms: SLICE_MS, throughput, first_bytes: firstBytes, machine: describeMachine() }),
    );
  }
}
