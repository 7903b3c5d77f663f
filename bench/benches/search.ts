// npm run bench -- search [--json] [--memories 10000]
// POST /memories/search by meaning and words, and by meaning alone; and the bytes of a memory.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { readSettings } from '../../src/settings.js';
import { memoryKeys, RedisConnections, redisSettings, removeKeys } from '../../src/infra/redis/index.js';
import { ProgressBar } from '../../src/observability/index.js';
import { newId } from '../../src/shared/index.js';
import { ChildProgram } from '../load/child-program.js';
import { describeMachine, formatTable, percentile, print, round } from '../figures/report.js';
import { SyntheticEmbedder } from '../synthetic/synthetic-embedder.js';
import { SyntheticTexts } from '../synthetic/synthetic-texts.js';

const SEED = 1;
const MEMORIES = '10000';
const USER = 'bench';
const MODES = ['dense', 'hybrid', 'lexical'] as const;
const SEARCHES = 200;
// Node compiles what runs often; until it has, whoever comes first looks slower.
const WARM_UP_SEARCHES = 60;
const QUERY_WORDS = 8;
// As long as the messages of LoCoMo, and as much context as the index takes.
const TEXT_WORDS = 25;
const CONTEXT_WORDS = 55;
const PORTION = 256;
const REQUEST_TIMEOUT_MS = 300_000;
const START_LIMIT_MS = 120_000;
const START_POLL_MS = 250;
const VECTOR_BYTES = { sqlite: 4 * 384, redis: 0 };

interface Result {
  readonly store: 'sqlite' | 'redis';
  readonly memories: number;
  readonly p50_ms: Record<(typeof MODES)[number], number>;
  readonly p99_ms: Record<(typeof MODES)[number], number>;
  readonly hybrid_over_dense_p50: number;
  readonly bytes_beyond_text_and_vector: number;
}

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, memories: { type: 'string', default: MEMORIES } },
});
const count = Number(values.memories);
const redisUrl = process.env.REDIS_URL ?? '';
const folder = mkdtempSync(join(tmpdir(), 'bench-search-'));
process.once('exit', () => {
  ChildProgram.killAll();
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

// What it takes to embed is the same for all and would hide what searching takes.
const embedder = await SyntheticEmbedder.start(SEED);
const vorpal = ChildProgram.start('stub-vorpal', {});

const results = [await onSqlite(), ...(redisUrl === '' ? [] : [await onRedis()])];
await vorpal.end('SIGTERM');
embedder.stop();
report(results);

async function onSqlite(): Promise<Result> {
  return measure('sqlite', { REDIS_URL: '', BRAIN_DATA_DIR: folder }, () => {
    const file = join(folder, 'brain.sqlite');
    return Promise.resolve(statSync(file).size);
  });
}

async function onRedis(): Promise<Result> {
  const prefix = `bench-search-${newId()}:`;
  const settings = readSettings({ ...process.env, REDIS_KEY_PREFIX: prefix, VORPAL_URL: 'http://127.0.0.1:9' });
  const { server } = settings.of(redisSettings);
  if (server === undefined) throw new Error('REDIS_URL names no Redis.');
  const connections = new RedisConnections(server);
  await connections.open();
  try {
    return await measure('redis', { REDIS_KEY_PREFIX: prefix, BRAIN_DATA_DIR: folder }, async () => {
      const { commands } = connections;
      const user = memoryKeys(prefix).ofUser(USER);
      let bytes = 0;
      for (const key of await commands.keys(`${user.ids.slice(0, -'ids'.length)}*`.replaceAll(/[[\]?]/gu, '\\$&'))) {
        if (!key.includes(':vectors:')) bytes += Number(await commands.call('MEMORY', 'USAGE', key, 'SAMPLES', '0'));
      }
      return bytes;
    });
  } finally {
    await removeKeys(connections, prefix);
    await connections.close();
  }
}

/** @param bytesOf what the store takes up, the vectors counted as {@link VECTOR_BYTES} says */
async function measure(
  store: Result['store'],
  environment: NodeJS.ProcessEnv,
  bytesOf: () => Promise<number>,
): Promise<Result> {
  const brain = ChildProgram.start('brain', {
    ...environment,
    VORPAL_URL: await vorpal.url(),
    EMBEDDINGS_URL: embedder.url,
    EMBEDDINGS_MODEL: 'synthetic-384',
  });
  try {
    const url = await brain.url();
    await untilItEmbeds(url);
    const texts = new SyntheticTexts(SEED);
    const textBytes = await load(`${store}: remembering`, url, texts);
    const times = await search(`${store}: searching`, url, texts);
    // A file is complete, and as small as it gets, once nobody has it open.
    if (store === 'sqlite') await brain.end('SIGTERM');
    const bytes = (await bytesOf()) - textBytes - count * VECTOR_BYTES[store];
    const ofModes = (p: number) =>
      Object.fromEntries(MODES.map((mode) => [mode, round(percentile(times[mode], p), 2)])) as Result['p50_ms'];
    const [p50, p99] = [ofModes(50), ofModes(99)];
    return {
      store,
      memories: count,
      p50_ms: p50,
      p99_ms: p99,
      hybrid_over_dense_p50: round(p50.hybrid / p50.dense, 2),
      bytes_beyond_text_and_vector: Math.round(bytes / count),
    };
  } finally {
    await brain.end('SIGTERM');
  }
}

/** @returns the bytes of the texts */
async function load(label: string, url: string, texts: SyntheticTexts): Promise<number> {
  const bar = new ProgressBar(label, count);
  let bytes = 0;
  for (let start = 0; start < count; start += PORTION) {
    const portion = Array.from({ length: Math.min(PORTION, count - start) }, () => ({
      text: texts.next(TEXT_WORDS),
      context: texts.next(CONTEXT_WORDS),
    }));
    for (const { text } of portion) bytes += Buffer.byteLength(text);
    await post(`${url}/memories/batch`, { user_id: USER, memories: portion });
    bar.advance(portion.length);
  }
  bar.stop();
  return bytes;
}

async function search(
  label: string,
  url: string,
  texts: SyntheticTexts,
): Promise<Record<(typeof MODES)[number], number[]>> {
  const times = { dense: [] as number[], hybrid: [] as number[], lexical: [] as number[] };
  const bar = new ProgressBar(label, SEARCHES + WARM_UP_SEARCHES);
  for (let index = 0; index < SEARCHES + WARM_UP_SEARCHES; index += 1) {
    // Each mode has its own query, so that no embedding is cached from another mode; another mode goes first each time.
    const first = index % MODES.length;
    for (const mode of [...MODES.slice(first), ...MODES.slice(0, first)]) {
      const query = texts.next(QUERY_WORDS);
      const startedAt = performance.now();
      await post(`${url}/memories/search`, { user_id: USER, query, mode, limit: 20 });
      if (index >= WARM_UP_SEARCHES) times[mode].push(performance.now() - startedAt);
    }
    bar.advance();
  }
  bar.stop();
  return times;
}

async function untilItEmbeds(url: string): Promise<void> {
  const limit = AbortSignal.timeout(START_LIMIT_MS);
  while ((await send(`${url}/memories/search`, { user_id: USER, query: 'tea', mode: 'dense' })).status === 503) {
    limit.throwIfAborted();
    await delay(START_POLL_MS);
  }
}

function send(url: string, body: object): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
}

async function post(url: string, body: object): Promise<void> {
  const response = await send(url, body);
  const answer = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${answer}`);
}

function report(measured: readonly Result[]): void {
  const rows = measured.map((one) => [
    ...[one.store, one.memories],
    ...MODES.flatMap((mode) => [one.p50_ms[mode], one.p99_ms[mode]]),
    ...[one.hybrid_over_dense_p50, one.bytes_beyond_text_and_vector],
  ]);
  const times = MODES.flatMap((mode) => [`${mode} p50 ms`, 'p99']);
  print(formatTable(['store', 'memories', ...times, 'hybrid/dense p50', 'bytes a memory'], rows));
  print('\nbytes: of the store beyond text and vector; on Redis the keys beside the vector set.');
  print(describeMachine());
  if (values.json) print(JSON.stringify({ machine: describeMachine(), results: measured }));
}
