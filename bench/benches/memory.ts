// npm run bench -- memory [--json] [--sizes 1000,10000]
// Insert and search of both stores, beside the commands of their engines.
import 'reflect-metadata';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigModule } from '../../src/config/index.js';
import { readSettings } from '../../src/settings.js';
import { LifecycleModule } from '../../src/infra/lifecycle/index.js';
import { memoryKeys, redisSettings, removeKeys } from '../../src/infra/redis/index.js';
import { SqliteDatabase } from '../../src/infra/sqlite/index.js';
import { Storage, StorageModule } from '../../src/infra/storage/index.js';
import { type IndexedMemory, indexMemory, MemoryModule, MemoryStore, newMemory } from '../../src/memory/index.js';
import { createLogger, observabilitySettings, ProgressBar } from '../../src/observability/index.js';
import { BrainError, describeError, newId, sleep } from '../../src/shared/index.js';
import {
  BareRedis,
  BareRedisWithMemories,
  BareSqlite,
  BareSqliteWithMemories,
  StoreContender,
} from './memory-contenders.js';
import {
  type Arena,
  type Data,
  INSERTS,
  INSERTS_BEFORE,
  LOAD_PORTION,
  measure,
  type Result,
  RESULTS,
  SEARCHES,
} from './memory-measurement.js';
import { describeMachine, formatTable, print } from '../figures/report.js';
import { DIMENSIONS, ExactSearch, SyntheticEmbeddings } from '../synthetic/synthetic-embeddings.js';
import { SyntheticTexts } from '../synthetic/synthetic-texts.js';
import { ImportsOnly } from '../load/imports-only.js';

const SIZES = '1000,10000,100000';
const SEED = 1;
const TEXT_WORDS = 25;
const CONTEXT_WORDS = 55;
const USER = 'bench';
// Nothing is embedded here; without an address the brain's modules would start a local Vorpal.
const NOWHERE = 'http://127.0.0.1:9';

const { values } = parseArgs({ options: { json: { type: 'boolean' }, sizes: { type: 'string', default: SIZES } } });
const sizes = readSizes(values.sizes);
// Only warnings and errors appear between the progress bar and the table.
const environment: NodeJS.ProcessEnv = {
  ...process.env,
  VORPAL_URL: NOWHERE,
  EMBEDDINGS_URL: NOWHERE,
  LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn',
};
const hasRedis = readSettings(environment).of(redisSettings).server !== undefined;
const folder = mkdtempSync(join(tmpdir(), 'bench-memory-'));
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stop.abort(new Error(`Interrupted by ${signal}; everything written is removed.`));
  });
}

try {
  report(await run());
} catch (error) {
  const code = error instanceof BrainError ? `${error.code}: ` : '';
  const hint = hasRedis && code !== '' ? 'Check that the Redis of REDIS_URL is running.\n' : '';
  process.stderr.write(`${code}${describeError(error)}\n${hint}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function readSizes(text: string): number[] {
  const given = [...new Set(text.split(',').map(Number))].sort((a, b) => a - b);
  const least = INSERTS_BEFORE + INSERTS;
  if (given.every((size) => Number.isInteger(size) && size >= least)) return given;
  process.stderr.write(`Usage: npm run bench -- memory [--json] [--sizes 1000,10000]\nA size is at least ${least}.\n`);
  process.exit(2);
}

async function run(): Promise<Result[]> {
  const data = await prepareData();
  const ofRedis = hasRedis ? await onRedis((arena) => measure('redis', arena, data, sizes, stop.signal)) : [];
  return [...ofRedis, ...(await onSqlite((arena) => measure('sqlite', arena, data, sizes, stop.signal)))];
}

async function prepareData(): Promise<Data> {
  const embeddings = new SyntheticEmbeddings(SEED);
  const texts = new SyntheticTexts(SEED);
  const make = (): IndexedMemory =>
    indexMemory(
      newMemory(USER, { text: texts.next(TEXT_WORDS), context: texts.next(CONTEXT_WORDS), sessionId: USER }),
      embeddings.next(),
    );
  const queries = Array.from({ length: SEARCHES }, () => embeddings.next());
  const spares = Array.from({ length: INSERTS_BEFORE + INSERTS }, make);
  const exact = new ExactSearch(queries, RESULTS);
  const items: IndexedMemory[] = [];
  const nearest = new Map<number, string[][]>();
  const bar = new ProgressBar('making memories and searching them exactly', Math.max(...sizes));
  for (const size of sizes) {
    while (items.length < size) {
      // Lets a signal in.
      await sleep(0);
      stop.signal.throwIfAborted();
      const portion = Array.from({ length: Math.min(LOAD_PORTION, size - items.length) }, make);
      for (const { memory, vector } of portion) exact.add(memory.id, vector);
      items.push(...portion);
      bar.advance(portion.length);
    }
    nearest.set(size, exact.results());
  }
  bar.stop();
  return { items, spares, queries, nearest };
}

async function onRedis<T>(work: (arena: Arena) => Promise<T>): Promise<T> {
  const keyPrefix = `bench-memory-${newId()}:`;
  return withStore({ REDIS_KEY_PREFIX: keyPrefix }, async (ours, { backend }) => {
    if (backend.kind !== 'redis') throw new Error('The store is not on Redis.');
    const { connections } = backend;
    const { commands } = connections;
    const keys = memoryKeys(keyPrefix);
    try {
      const generation = Number(await commands.hget(keys.spaces, 'generation'));
      const user = keys.ofUser(USER);
      return await work({
        ours,
        bare: new BareRedis(commands, user, generation),
        withMemories: new BareRedisWithMemories(commands, user, generation),
      });
    } finally {
      await removeKeys(connections, keyPrefix);
    }
  });
}

async function onSqlite<T>(work: (arena: Arena) => Promise<T>): Promise<T> {
  return withStore({ REDIS_URL: '', BRAIN_DATA_DIR: join(folder, 'ours') }, async (ours) => {
    const bare = await SqliteDatabase.open(join(folder, 'bare.sqlite'));
    const withMemories = await SqliteDatabase.open(join(folder, 'with-memories.sqlite'));
    try {
      return await work({
        ours,
        bare: new BareSqlite(bare, USER),
        withMemories: new BareSqliteWithMemories(withMemories, USER),
      });
    } finally {
      await bare.close();
      await withMemories.close();
    }
  });
}

/** Runs `work` with the program's own store of memories, wired as the program wires it. */
async function withStore<T>(
  ownVariables: NodeJS.ProcessEnv,
  work: (ours: StoreContender, storage: Storage) => Promise<T>,
): Promise<T> {
  const settings = readSettings({ ...environment, ...ownVariables });
  const imports = [ConfigModule.forRoot(settings), LifecycleModule, StorageModule, MemoryModule];
  const app: INestApplicationContext = await NestFactory.createApplicationContext(
    { module: ImportsOnly, imports },
    {
      logger: createLogger(settings.of(observabilitySettings), 'Bench'),
      abortOnError: false,
    },
  );
  try {
    const store = app.get(MemoryStore);
    await store.claimSpace({ model: 'bench', dimensions: DIMENSIONS });
    return await work(new StoreContender(store, USER), app.get(Storage));
  } finally {
    await app.close();
  }
}

function report(results: readonly Result[]): void {
  const rows = results.flatMap((result) =>
    (['insert', 'search'] as const).map((call) => [
      ...[result.adapter, result.size, call, result[call].p50_ms, result[call].p99_ms],
      ...[result[call].bare_p50_ms, result[call].bare_p99_ms, result[call].ratio_p50],
      ...[result[call].with_memories_p50_ms, result[call].with_memories_p99_ms, result[call].ratio_with_memories_p50],
      call === 'search' ? result.recall_at_10 : '',
    ]),
  );
  const ours = ['store', 'memories', 'call', 'p50 ms', 'p99 ms'];
  const others = ['bare p50', 'bare p99', 'ratio', '+memories p50', '+memories p99', 'ratio', 'recall@10'];
  print(formatTable([...ours, ...others], rows));
  print(
    '\nbare: VADD and VSIM, or a table of sqlite-vec, and nothing else. +memories: with the memories kept beside it.',
  );
  if (!hasRedis) print('REDIS_URL is not set, so only SQLite was measured; set it to a Redis 8 to have both.');
  print(describeMachine());
  if (values.json) print(JSON.stringify({ machine: describeMachine(), results }));
}
