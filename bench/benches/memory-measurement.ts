import type { IndexedMemory } from '../../src/memory/index.js';
import { ProgressBar } from '../../src/observability/index.js';
import { percentile, round } from '../figures/report.js';
import type { Contender } from './memory-contenders.js';

export const INSERTS = 300;
export const SEARCHES = 200;
export const RESULTS = 10;
export const INSERTS_BEFORE = 20;
// Until Node has compiled the hot code, our side of a search takes nearly 0.1 ms longer.
const SEARCH_WARM_UP_MS = 2_000;
// Small, so that the progress bar moves and no single command takes long.
export const LOAD_PORTION = 256;

/** `ours`: the store of the brain. `bare`: the engine's own commands. `withMemories`: `bare` with the memories. */
const ROLES = ['ours', 'bare', 'withMemories'] as const;
type Role = (typeof ROLES)[number];
export type Arena = Readonly<Record<Role, Contender>>;
type Times = Readonly<Record<Role, number[]>>;

export interface Data {
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

export interface Result {
  readonly adapter: 'redis' | 'sqlite';
  readonly size: number;
  readonly insert: Figures;
  readonly search: Figures;
  readonly recall_at_10: number;
}

/** Inserts and searches at each of `sizes`, the contenders taking turns. @throws the signal's reason */
export async function measure(
  adapter: Result['adapter'],
  arena: Arena,
  data: Data,
  sizes: readonly number[],
  signal: AbortSignal,
): Promise<Result[]> {
  const results: Result[] = [];
  let done = 0;
  for (const size of sizes) {
    const loaded = Math.max(done, size - INSERTS_BEFORE - INSERTS);
    await load(`${adapter}: loading up to ${size}`, arena, data.items.slice(done, loaded), signal);
    const bar = new ProgressBar(`${adapter}: measuring at ${size}`, size - loaded + SEARCHES);
    const inserts = await measureInserts(arena, data.items.slice(loaded, size), data.spares, bar, signal);
    const { searches, found } = await measureSearches(arena, data.queries, bar, signal);
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

async function load(label: string, arena: Arena, items: readonly IndexedMemory[], signal: AbortSignal): Promise<void> {
  const bar = new ProgressBar(label, items.length);
  for (let start = 0; start < items.length; start += LOAD_PORTION) {
    signal.throwIfAborted();
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
  signal: AbortSignal,
): Promise<Times> {
  const times: Times = { ours: [], bare: [], withMemories: [] };
  for (const [index, item] of items.entries()) {
    signal.throwIfAborted();
    for (const role of inTurn(index)) {
      const contender = arena[role];
      // Contenders that share their vectors insert others: a vector in the index would show the next one its place.
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
  signal: AbortSignal,
): Promise<{ searches: Times; found: string[][] }> {
  // Each contender is at another place of the list, so that none profits from the caches of the one before.
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
    signal.throwIfAborted();
    for (const role of inTurn(index)) searches[role].push(await search(role, queryOf[role]));
    bar.advance();
  }
  return { searches, found: queries.map((query) => found.get(query) ?? []) };
}

/** Another contender goes first each time, so that a slow moment of the machine hits all of them alike. */
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
