// npm run bench -- chat [--json]: time of POST /chat with the memory worker busy and with it off, side by side.
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { fillBacklog, withStream } from '../load/backlog.js';
import { ChildProgram } from '../load/child-program.js';
import { ProgressBar } from '../../src/observability/index.js';
import { describeMachine, formatTable, percentile, print, round } from '../figures/report.js';
import { FixedLatencyVorpal } from '../load/fixed-latency-vorpal.js';

const LATENCIES = { chatMs: 20, scoringMs: 200 };
// Outlasts the measurement, however fast the worker is; were it done before, an idle one would be measured.
const BACKLOG_MESSAGES = 60_000;
const WARM_UP_REQUESTS = 50;
const MEASURED_REQUESTS = 400;

const { values } = parseArgs({ options: { json: { type: 'boolean' } } });
const agent = new Agent({ keepAlive: true });
const folder = mkdtempSync(join(tmpdir(), 'bench-chat-'));
const stub = await FixedLatencyVorpal.start(LATENCIES);
const environmentOf = (name: string) => ({
  VORPAL_URL: stub.url,
  EMBEDDINGS_URL: stub.url,
  REDIS_URL: '',
  REDIS_KEY_PREFIX: '',
  BRAIN_DATA_DIR: join(folder, name),
});
const start = (name: string, asyncMemory: boolean) =>
  ChildProgram.start('brain', { ...environmentOf(name), ASYNC_MEMORY: String(asyncMemory) });
await withStream(environmentOf('busy'), (stream) => fillBacklog(stream, BACKLOG_MESSAGES));
const brains = { busy: start('busy', true), off: start('off', false) };

try {
  await run();
} finally {
  await Promise.all(Object.values(brains).map((brain) => brain.end('SIGTERM')));
  stub.stop();
  agent.destroy();
  rmSync(folder, { recursive: true, force: true });
}

async function run(): Promise<void> {
  const urls = { busy: await brains.busy.url(), off: await brains.off.url() };
  for (let i = 0; i < WARM_UP_REQUESTS; i++) await Promise.all([timeChatMs(urls.busy), timeChatMs(urls.off)]);
  const times = await measure(urls);
  const lag = await readLag(urls.busy);
  const p50 = { busy: percentile(times.busy, 50), off: percentile(times.off, 50) };
  const ratio = round(p50.busy / p50.off, 3);
  const row = (name: string, values_: readonly number[]) => [
    name,
    values_.length,
    round(percentile(values_, 50), 2),
    round(percentile(values_, 99), 2),
  ];
  print(formatTable(['worker', 'requests', 'p50 ms', 'p99 ms'], [row('busy', times.busy), row('off', times.off)]));
  print(`\np50 busy / off: ${ratio}; still unread at the end: ${lag} entries (0 would mean the worker was not busy)`);
  print(describeMachine());
  if (values.json) {
    print(
      JSON.stringify({
        p50_ms: p50,
        ratio,
        requests: MEASURED_REQUESTS,
        lag,
        stub: LATENCIES,
        machine: describeMachine(),
      }),
    );
  }
}

// One request to each in turn, first one and then the other first: drift of the machine meets both alike.
async function measure(urls: Record<'busy' | 'off', string>): Promise<Record<'busy' | 'off', number[]>> {
  const bar = new ProgressBar('measuring', MEASURED_REQUESTS);
  const times: Record<'busy' | 'off', number[]> = { busy: [], off: [] };
  for (let i = 0; i < MEASURED_REQUESTS; i++) {
    const order = i % 2 === 0 ? (['busy', 'off'] as const) : (['off', 'busy'] as const);
    for (const name of order) times[name].push(await timeChatMs(urls[name]));
    bar.advance();
  }
  bar.stop();
  return times;
}

async function timeChatMs(url: string): Promise<number> {
  const startedAt = performance.now();
  const { status, body } = await call(`${url}/chat`, JSON.stringify({ message: 'The sky is blue today.' }));
  if (status !== 200) throw new Error(`POST /chat answered ${status}: ${body}`);
  return performance.now() - startedAt;
}

async function readLag(url: string): Promise<number> {
  const { body } = await call(`${url}/memory-worker`);
  return (JSON.parse(body) as { lag: number }).lag;
}

function call(url: string, payload?: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        agent,
        method: payload === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/json' },
        timeout: 10_000,
      },
      (response) => {
        text(response).then((body) => {
          resolve({ status: response.statusCode ?? 0, body });
        }, reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${url} did not answer within 10 s`)));
    outgoing.end(payload);
  });
}
