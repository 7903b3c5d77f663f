// npm run bench -- memory [--json] [--sizes 1000,10000]: insert and search of both stores beside their engines' own commands.
import 'reflect-metadata';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigModule, readSettings } from '../../src/config/index.js';
import { LifecycleModule } from '../../src/infra/lifecycle/index.js';
import { memoryKeys, removeKeys } from '../../src/infra/redis/index.js';
import { SqliteDatabase } from '../../src/infra/sqlite/index.js';
import { Storage, StorageModule } from '../../src/infra/storage/index.js';
import { type IndexedMemory, indexMemory, MemoryModule, MemoryStore, newMemory } from '../../src/memory/index.js';
import { createLogger, ProgressBar } from '../../src/observability/index.js';
import { BrainError, describeError, newId, sleep } from '../../src/shared/index.js';
import {
  BareRedis,
  BareRedisWithMemories,
  BareSqlite,
  BareSqliteWithMemories,
  type Contender,
  StoreContender,
} from './memory-contenders.js';
import { describeMachine, formatTable, percentile, print, round } from '../figures/report.js';
import { DIMENSIONS, ExactSearch, SyntheticEmbeddings } from '../synthetic/synthetic-embeddings.js';
import { SyntheticTexts } from '../synthetic/synthetic-texts.js';
import { ImportsOnly } from '../load/imports-only.js';

const SIZES = '1000,10000,100000';
const SEED = 1;
const INSERTS = 300;
const SEARCHES = 200;
const RESULTS = 10;
const INSERTS_BEFORE = 20;
const TEXT_WORDS = 25;
const CONTEXT_WORDS = 55;
// Node compiles what runs often, and until it has, our side of a search takes nearly 0.1 ms longer.
const SEARCH_WARM_UP_MS = 2_000;
// Few enough that the bar moves, and no command is waited for too long.
const LOAD_PORTION = 256;
const USER = 'bench';
// Nothing is embedded here; without an address the brain's modules would start a local Vorpal.
const NOWHERE = 'http://127.0.0.1:9';

const ROLES = ['ours', 'bare', 'withMemories'] as const;
type Role = (typeof ROLES)[number];
type Arena = Readonly<Record<Role, Contender>>;
type Times = Readonly<Record<Role, number[]>>;

interface Data {
  readonly items: readonly IndexedMemory[];
  /** For contenders that take back what they insert. */
  readonly spares: readonly IndexedMemory[];
  readonly queries: readonly Float32Array[];
  /** Size → for each query, the ids of the memories that are nearest. */
  readonly nearest: ReadonlyMap<number, readonly string[][]>;
}

interface Figures {
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly bare_p50_ms: number;
  readonly bare_p99_ms: number;
  readonly ratio_p50: number;
  readonly with_memories_p50_ms: number;
  readonly with_memories_p99_ms: number;
  readonly ratio_with_memories_p50: number;
}

interface Result {
  readonly adapter: 'redis' | 'sqlite';
  readonly size: number;
  readonly insert: Figures;
  readonly search: Figures;
  readonly recall_at_10: number;
}

const { values } = parseArgs({ options: { json: { type: 'boolean' }, sizes: { type: 'string', default: SIZES } } });
const sizes = readSizes(values.sizes);
// Between bar and table only what is wrong should stand.
const environment: NodeJS.ProcessEnv = {
  ...process.env,
  VORPAL_URL: NOWHERE,
  EMBEDDINGS_URL: NOWHERE,
  LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn',
};
const hasRedis = readSettings(environment).redis !== undefined;
const folder = mkdtempSync(join(tmpdir(), 'bench-memory-'));
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stop.abort(new Error(`Broken off by ${signal}; what was written is removed.`));
  });
}

try {
  report(await run());
} catch (error) {
  const code = error instanceof BrainError ? `${error.code}: ` : '';
  const hint = hasRedis && code !== '' ? 'Is the Redis that REDIS_URL names running?\n' : '';
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
  const ofRedis = hasRedis ? await onRedis((arena) => measure('redis', arena, data)) : [];
  return [...ofRedis, ...(await onSqlite((arena) => measure('sqlite', arena, data)))];
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
  settings: NodeJS.ProcessEnv,
  work: (ours: StoreContender, storage: Storage) => Promise<T>,
): Promise<T> {
  const variables = { ...environment, ...settings };
  const imports = [ConfigModule.forRoot(variables), LifecycleModule, StorageModule, MemoryModule];
  const app: INestApplicationContext = await NestFactory.createApplicationContext(
    { module: ImportsOnly, imports },
    {
      logger: createLogger(readSettings(variables), 'Bench'),
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

async function measure(adapter: Result['adapter'], arena: Arena, data: Data): Promise<Result[]> {
  const results: Result[] = [];
  let done = 0;
  for (const size of sizes) {
    const loaded = Math.max(done, size - INSERTS_BEFORE - INSERTS);
    await load(`${adapter}: loading up to ${size}`, arena, data.items.slice(done, loaded));
    const bar = new ProgressBar(`${adapter}: measuring at ${size}`, size - loaded + SEARCHES);
    const inserts = await measureInserts(arena, data.items.slice(loaded, size), data.spares, bar);
    const { searches, found } = await measureSearches(arena, data.queries, bar);
    bar.stop();
    results.push({
      adapter,
      size,
      insert: figuresOf(inserts),
      search: figuresOf(searches),
      recall_at_10: recallOf(found, data.nearest.get(size) ?? []),
    });
    done = size;
  }
  return results;
}

async function load(label: string, arena: Arena, items: readonly IndexedMemory[]): Promise<void> {
  const bar = new ProgressBar(label, items.length);
  for (let start = 0; start < items.length; start += LOAD_PORTION) {
    stop.signal.throwIfAborted();
    const portion = items.slice(start, start + LOAD_PORTION);
    for (const role of ROLES) await arena[role].load(portion);
    bar.advance(portion.length);
  }
  bar.stop();
}

async function measureInserts(
  arena: Arena,
  items: readonly IndexedMemory[],
  spares: readonly IndexedMemory[],
  bar: ProgressBar,
): Promise<Times> {
  const times: Times = { ours: [], bare: [], withMemories: [] };
  for (const [index, item] of items.entries()) {
    stop.signal.throwIfAborted();
    for (const role of inTurn(index)) {
      const contender = arena[role];
      // Where they share their vectors, one that is there already would show the next one its place.
      const own = contender.takeBack ? (spares[index] ?? item) : item;
      const startedAt = performance.now();
      await contender.insert(own);
      const ms = performance.now() - startedAt;
      if (index >= INSERTS_BEFORE) times[role].push(ms);
      await contender.takeBack?.(own.memory.id);
    }
    bar.advance();
  }
  return times;
}

async function measureSearches(
  arena: Arena,
  queries: readonly Float32Array[],
  bar: ProgressBar,
): Promise<{ searches: Times; found: string[][] }> {
  // Each is somewhere else in the list, so that none finds in the caches what another one has just looked for.
  const third = Math.floor(queries.length / ROLES.length);
  const rounds = queries.map((query, index) => ({
    ours: query,
    bare: queries.at(index - third) ?? query,
    withMemories: queries.at(index - 2 * third) ?? query,
  }));
  const searches: Times = { ours: [], bare: [], withMemories: [] };
  const found = new Map<Float32Array, string[]>();
  const search = async (role: Role, query: Float32Array): Promise<number> => {
    const startedAt = performance.now();
    const ids = await arena[role].search(query, RESULTS);
    const ms = performance.now() - startedAt;
    if (ids.length !== RESULTS) throw new Error(`A search found ${ids.length} of ${RESULTS} memories (${role}).`);
    if (role === 'ours') found.set(query, ids);
    return ms;
  };
  const warm = performance.now() + SEARCH_WARM_UP_MS;
  while (performance.now() < warm) {
    for (const queryOf of rounds.slice(0, 10)) for (const role of ROLES) await search(role, queryOf[role]);
  }
  for (const [index, queryOf] of rounds.entries()) {
    stop.signal.throwIfAborted();
    for (const role of inTurn(index)) searches[role].push(await search(role, queryOf[role]));
    bar.advance();
  }
  return { searches, found: queries.map((query) => found.get(query) ?? []) };
}

/** Another one first each time: what slows the machine down meets all alike. */
function inTurn(round_: number): Role[] {
  const first = round_ % ROLES.length;
  return [...ROLES.slice(first), ...ROLES.slice(0, first)];
}

function figuresOf(times: Times): Figures {
  const ms = (role: Role, p: number) => round(percentile(times[role], p), 3);
  const ratioTo = (role: Role) => round(percentile(times.ours, 50) / percentile(times[role], 50), 2);
  return {
    p50_ms: ms('ours', 50),
    p99_ms: ms('ours', 99),
    bare_p50_ms: ms('bare', 50),
    bare_p99_ms: ms('bare', 99),
    ratio_p50: ratioTo('bare'),
    with_memories_p50_ms: ms('withMemories', 50),
    with_memories_p99_ms: ms('withMemories', 99),
    ratio_with_memories_p50: ratioTo('withMemories'),
  };
}

function recallOf(found: readonly string[][], nearest: readonly string[][]): number {
  const hits = nearest.map((ids, query) => ids.filter((id) => found[query]?.includes(id)).length);
  return round(hits.reduce((total, count) => total + count, 0) / (nearest.length * RESULTS), 4);
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
