import { setTimeout as pause } from 'node:timers/promises';
import type { Decision, EmbeddingSpace, Memory } from '../../../src/memory/memory.js';
import { MemoryStoreUnavailableError } from '../../../src/memory/memory.errors.js';
import type {
  Candidate,
  CandidateQuery,
  Effect,
  IndexedMemory,
  Judgement,
  MemoryStore,
} from '../../../src/memory/store/memory-store.port.js';
import type { PendingReembedding, ReembeddingStore } from '../../../src/memory/store/reembedding-store.port.js';
import { textDigest } from '../../../src/memory/remember/text-digest.js';
import { newId } from '../../../src/shared/index.js';

export const SPACE: EmbeddingSpace = { model: 'embedder-a', dimensions: 8 };
export const OTHER_SPACE: EmbeddingSpace = { model: 'embedder-b', dimensions: 6 };
// Adapters may keep vectors with 8 bits a component.
export const TOLERANCE = 0.02;

/** The unit vector whose similarity to `axis(main)` is `similarity`; the rest of it points along another axis. */
export function tilted(main: number, side: number, similarity: number, dimensions = SPACE.dimensions): Float32Array {
  const vector = new Float32Array(dimensions);
  vector[side] = Math.sqrt(1 - similarity ** 2);
  vector[main] = similarity;
  return vector;
}
export const axis = (main: number, dimensions = SPACE.dimensions): Float32Array =>
  tilted(main, (main + 1) % dimensions, 1, dimensions);

export const BAD_VECTORS: [string, Float32Array][] = [
  ['too short', axis(0, 7)],
  ['too long', axis(0, 9)],
  ['empty', new Float32Array()],
  ['with NaN', axis(0).map((value, index) => (index === 3 ? NaN : value))],
  ['not finite', axis(0).map((value, index) => (index === 3 ? -Infinity : value))],
  ['without a direction', new Float32Array(8)],
];

export function memoryOf(text: string, more: Partial<Memory> = {}): Memory {
  const createdAtMs = more.createdAtMs ?? 1_790_000_000_123;
  return {
    id: newId(),
    text,
    userId: 'ada',
    sessionId: 's-1',
    role: 'user',
    createdAtMs,
    perplexity: 33.1,
    avgLogprob: -3.4995,
    informationNats: 101.25,
    novelty: 0.1 + 0.2,
    surprise: 0.75,
    model: 'llm-a',
    source: 'worker',
    metadata: {},
    context: '',
    isQuestion: false,
    isPinned: false,
    count: 1,
    lastSeenAtMs: createdAtMs,
    recallCount: 0,
    lastRecalledAtMs: null,
    validFromMs: createdAtMs,
    supersededBy: null,
    supersedes: [],
    ...more,
  };
}

/** Its terms are its words in lower case: stores take terms as they are given. */
export function indexed(text: string, vector = axis(0), more: Partial<Memory> = {}): IndexedMemory {
  const memory = memoryOf(text, more);
  return { memory, vector, terms: termsOf(text), digest: textDigest(memory) };
}

// No adapter is given a term with a space or a control character.
const termsOf = (text: string): string[] => text.toLowerCase().match(/[^\s\p{Cc}]+/gu) ?? [];

export const numbered = (count: number, more: Partial<Memory> = {}): IndexedMemory[] =>
  range(count).map((index) => indexed(`memory ${index}`, axis(index % 8), more));

export const DROP: Effect = { kind: 'drop' };
export const keep = (
  memory: IndexedMemory,
  more: Pick<Extract<Effect, { kind: 'keep' }>, 'supersedes'> & { duplicateOf?: string } = {},
): Effect => ({ kind: 'keep', memory, duplicateOf: null, ...more });

interface MoreOfJudgement {
  readonly decision?: Partial<Decision>;
  readonly forgetMark?: string;
  readonly statistics?: Judgement['statistics'];
}

export function judgementOf(effect: Effect, more: MoreOfJudgement = {}): Judgement {
  const memory = effect.kind === 'keep' ? effect.memory.memory : undefined;
  return {
    decision: {
      id: memory?.id ?? newId(),
      userId: memory?.userId ?? 'ada',
      sessionId: 's-1',
      decidedAtMs: 1_790_000_001_000,
      model: 'llm-a',
      perplexity: 33.1,
      informationNats: 101.25,
      contextual: true,
      plainPerplexity: 44.2,
      novelty: 0.1 + 0.2,
      nearestId: null,
      surprise: 0.75,
      threshold: 0.7,
      mode: 'fixed',
      kept: effect.kind === 'keep',
      duplicateOf: effect.kind === 'keep' ? effect.duplicateOf : null,
      supersedes: effect.kind === 'keep' ? (effect.supersedes?.id ?? null) : null,
      supersessionScore: effect.kind === 'keep' ? (effect.supersedes?.score ?? null) : null,
      reason: 'Surprise 0.75 ≥ 0.7 “so it is”.',
      ...more.decision,
    },
    forgetMark: more.forgetMark ?? '',
    effect,
    statistics: more.statistics ?? [],
  };
}

export const textsOf = (memories: readonly Memory[]): string[] => memories.map(({ text }) => text);
export const textsFound = (found: readonly { readonly memory: Memory }[]): string[] =>
  textsOf(found.map(({ memory }) => memory));
export const idsOf = (items: readonly { readonly id: string }[]): string[] => items.map(({ id }) => id);
/** By bytes, as stores compare ids; JavaScript's order is another one beyond the basic plane. */
export const newestFirst = (ids: readonly string[]): string[] =>
  [...ids].sort((a, b) => Buffer.compare(Buffer.from(b), Buffer.from(a)));
export const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

export const listAll = (store: MemoryStore, userId: string): Promise<Memory[]> => store.list(userId, { limit: 1_000 });

export async function put(store: MemoryStore, memories: readonly IndexedMemory[]): Promise<void> {
  await store.put(memories[0]?.memory.userId ?? 'ada', memories);
}

/** What is nearest to `vector`, nearest first. */
export async function search(
  store: MemoryStore,
  userId: string,
  vector: Float32Array,
  more: Partial<CandidateQuery> = {},
): Promise<Candidate[]> {
  const found = await store.candidates(userId, { vector, limit: 100, ...more });
  return found.sort((a, b) => (b.cosine ?? -2) - (a.cosine ?? -2));
}

export async function nearest(
  store: MemoryStore,
  userId: string,
  vector: Float32Array,
): Promise<{ readonly id: string; readonly similarity: number } | undefined> {
  const [first] = await search(store, userId, vector, { limit: 1 });
  return first && { id: first.memory.id, similarity: first.cosine ?? NaN };
}

export async function reembedAll(
  { reembedding }: { readonly reembedding: ReembeddingStore },
  vectorOf: (pending: PendingReembedding) => Float32Array,
  pageSize = 100,
): Promise<void> {
  for (;;) {
    const pending = await reembedding.pending(pageSize);
    if (pending.length === 0) return;
    await reembedding.put(pending.map((item) => ({ ...item, vector: vectorOf(item) })));
  }
}

export function expectNumbers(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toEqual(expected.map((value): unknown => expect.closeTo(value, 9)));
}

/** Tries until the adapter has found its store again. */
export async function onceAvailable<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MemoryStoreUnavailableError)) throw error;
      await pause(50);
    }
  }
}
