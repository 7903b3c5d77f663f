import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import type { Decision, EmbeddingSpace, FoundMemory, Memory } from '../../../src/memory/memory.js';
import { MemoryStoreUnavailableError, MemoryVectorError } from '../../../src/memory/memory.errors.js';
import type { MemoryLimits } from '../../../src/memory/memory-limits.js';
import type {
  Effect,
  EmbeddedMemory,
  Judgement,
  MemoryStore,
  PendingReembedding,
  SearchOptions,
} from '../../../src/memory/memory-store.port.js';
import { newId } from '../../../src/shared/index.js';
import { AWKWARD_NAMES } from '../../support/awkward-names.js';
import { type DamagedRecord, describeUndecodableRecords } from './undecodable.contract.js';

/** One backing, empty at first, and what a test must be able to do to it behind the adapter's back. */
export interface MemoryStoreHarness {
  /** A store as a process of its own would have it: nothing shared but the backing. */
  open(limits?: Partial<MemoryLimits>): Promise<MemoryStore>;
  /** Takes the backing away until the returned function is called. */
  beginOutage(): Promise<() => Promise<void>>;
  /** Makes a record of user `ada` unreadable. */
  damage(record: DamagedRecord): Promise<void>;
  /** Closes every store that was opened, as the end of the processes would. */
  closeAll(): Promise<void>;
  dispose(): Promise<void>;
}

const SPACE: EmbeddingSpace = { model: 'embedder-a', dimensions: 8 };
const OTHER_SPACE: EmbeddingSpace = { model: 'embedder-b', dimensions: 6 };
// Adapters may keep vectors with 8 bits a component.
const TOLERANCE = 0.02;
const HOUR_MS = 3_600_000;

/** The unit vector whose similarity to `axis(main)` is `similarity`; the rest of it points along another axis. */
function tilted(main: number, side: number, similarity: number, dimensions = SPACE.dimensions): Float32Array {
  const vector = new Float32Array(dimensions);
  vector[side] = Math.sqrt(1 - similarity ** 2);
  vector[main] = similarity;
  return vector;
}
const axis = (main: number, dimensions = SPACE.dimensions): Float32Array =>
  tilted(main, (main + 1) % dimensions, 1, dimensions);

const BAD_VECTORS: [string, Float32Array][] = [
  ['too short', axis(0, 7)],
  ['too long', axis(0, 9)],
  ['empty', new Float32Array()],
  ['with NaN', axis(0).map((value, index) => (index === 3 ? NaN : value))],
  ['not finite', axis(0).map((value, index) => (index === 3 ? -Infinity : value))],
  ['without a direction', new Float32Array(8)],
];

function memoryOf(text: string, more: Partial<Memory> = {}): Memory {
  return {
    id: newId(),
    text,
    userId: 'ada',
    sessionId: 's-1',
    role: 'user',
    createdAtMs: 1_790_000_000_123,
    perplexity: 33.1,
    avgLogprob: -3.4995,
    novelty: 0.1 + 0.2,
    surprise: 0.75,
    model: 'llm-a',
    source: 'worker',
    metadata: {},
    count: 1,
    lastSeenAtMs: 1_790_000_000_123,
    ...more,
  };
}

function embedded(text: string, vector = axis(0), more: Partial<Memory> = {}): EmbeddedMemory {
  return { memory: memoryOf(text, more), vector };
}

const numbered = (count: number, more: Partial<Memory> = {}): EmbeddedMemory[] =>
  Array.from({ length: count }, (_, index) => embedded(`memory ${index}`, axis(index % 8), more));

const keep = (memory: EmbeddedMemory): Effect => ({ kind: 'keep', memory });
const shadow = (memory: EmbeddedMemory, expiresAtMs = Date.now() + HOUR_MS): Effect => ({
  kind: 'shadow',
  memory,
  expiresAtMs,
});
const strengthen = (id: string, seenAtMs = 1_790_000_999_000): Effect => ({ kind: 'strengthen', id, seenAtMs });

interface MoreOfJudgement {
  readonly decision?: Partial<Decision>;
  readonly forgetMark?: string;
  readonly statistics?: Judgement['statistics'];
}

function judgementOf(effect: Effect, more: MoreOfJudgement = {}): Judgement {
  const memory = effect.kind === 'strengthen' ? undefined : effect.memory.memory;
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
      reason: 'Surprise 0.75 ≥ 0.7 “so it is”.',
      ...more.decision,
    },
    forgetMark: more.forgetMark ?? '',
    effect,
    statistics: more.statistics ?? [],
  };
}

const textsOf = (memories: readonly Memory[]): string[] => memories.map(({ text }) => text);
const textsFound = (found: readonly FoundMemory[]): string[] => textsOf(found.map(({ memory }) => memory));
const idsOf = (items: readonly { readonly id: string }[]): string[] => items.map(({ id }) => id);
/** By bytes, as stores compare ids; JavaScript's order is another one beyond the basic plane. */
const newestFirst = (ids: readonly string[]): string[] =>
  [...ids].sort((a, b) => Buffer.compare(Buffer.from(b), Buffer.from(a)));
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

const everything: SearchOptions = { limit: 100, minSimilarity: -1, includeShadow: true };
const memoriesOnly: SearchOptions = { ...everything, includeShadow: false };

const listAll = (store: MemoryStore, userId: string): Promise<Memory[]> => store.list(userId, { limit: 1_000 });

async function put(store: MemoryStore, memories: readonly EmbeddedMemory[]): Promise<void> {
  await store.put(memories[0]?.memory.userId ?? 'ada', memories);
}

async function reembedAll(
  store: MemoryStore,
  vectorOf: (pending: PendingReembedding) => Float32Array,
  pageSize = 100,
): Promise<void> {
  for (;;) {
    const pending = await store.pendingReembedding(pageSize);
    if (pending.length === 0) return;
    await store.putReembedded(pending.map((item) => ({ ...item, vector: vectorOf(item) })));
  }
}

/** What every adapter of the port has to do; the port's comment, in tests. */
export function describeMemoryStore(name: string, makeHarness: () => Promise<MemoryStoreHarness>): void {
  describe(`MemoryStore: ${name}`, () => {
    let harness: MemoryStoreHarness;

    /** A store with a space of 8 dimensions. */
    async function open(limits?: Partial<MemoryLimits>): Promise<MemoryStore> {
      const store = await harness.open(limits);
      await store.claimSpace(SPACE);
      return store;
    }

    beforeAll(() => {
      Logger.overrideLogger(false);
    });

    beforeEach(async () => {
      harness = await makeHarness();
    });

    afterEach(async () => {
      await harness.dispose();
    });

    describe('keeping', () => {
      it('returns every field as it was given', async () => {
        const sut = await open();
        const full = embedded('full', axis(0), {
          role: 'assistant',
          source: 'manual',
          perplexity: 1e-300,
          surprise: 1 / 3,
          createdAtMs: 1,
          lastSeenAtMs: 2 ** 52,
          count: 7,
          metadata: { tags: ['a', '🧠'], deep: { none: null, n: 0.1, '{k}': [true] }, empty: [], 'a b:c': {} },
        });
        const bare = embedded('bare', axis(1), {
          sessionId: null,
          perplexity: null,
          avgLogprob: null,
          novelty: null,
          surprise: null,
          model: null,
        });

        await put(sut, [full, bare]);

        expect(await sut.get('ada', full.memory.id)).toEqual(full.memory);
        expect(await listAll(sut, 'ada')).toEqual([bare.memory, full.memory]);
        expect((await sut.search('ada', axis(0), everything)).map(({ memory }) => memory)).toEqual([
          full.memory,
          bare.memory,
        ]);
      });

      it.each([
        ['emoji and joiners', '👩‍👩‍👧‍👦 👍🏽 🇮🇸'],
        ['decomposed accents', 'e\u0301 vs \u00e9'],
        ['NUL and control characters', 'a\u0000b\u0001\u001b[31m\u007f'],
        ['line breaks and quotes', `one\r\ntwo\n"three" 'four' \\ \t`],
        ['a million characters', 'ключ🔑'.repeat(142_858)],
      ])('keeps a text exactly: %s', async (_, text) => {
        const sut = await open();
        const { memory, vector } = embedded(text);

        await sut.put('ada', [{ memory, vector }]);

        expect((await sut.get('ada', memory.id))?.text === text).toBe(true);
        expect((await sut.search('ada', vector, everything))[0]?.memory.text === text).toBe(true);
      });

      it('leaves an id that the user has as it is, and says for each memory whether it is new', async () => {
        const sut = await open();
        const first = embedded('first', axis(0));
        await put(sut, [first]);
        const again = embedded('again', axis(1), { id: first.memory.id });
        const second = embedded('second', axis(2));

        expect(await sut.put('ada', [again, second, second])).toEqual([false, true, false]);
        expect(await sut.put('ada', [])).toEqual([]);

        expect(textsOf(await listAll(sut, 'ada'))).toEqual(['second', 'first']);
        expect(await sut.nearest('ada', axis(1))).toMatchObject({ similarity: expect.closeTo(0, 1) });
        expect(await sut.count('ada')).toEqual({ memories: 2, shadow: 0 });
      });

      it('keeps what was in the shadow buffer only', async () => {
        const sut = await open();
        const waiting = embedded('waiting');
        await sut.record(judgementOf(shadow(waiting)));

        expect(await sut.put('ada', [waiting])).toEqual([true]);

        expect(await sut.get('ada', waiting.memory.id)).toEqual(waiting.memory);
        expect(await sut.count('ada')).toEqual({ memories: 1, shadow: 0 });
        expect(await sut.search('ada', axis(0), everything)).toHaveLength(1);
      });

      it('takes an id from one of many who put it at once', async () => {
        const stores = [await open(), await open()];
        const memories = numbered(5);

        const outcomes = await Promise.all(range(20).map((i) => stores[i % 2]!.put('ada', memories)));

        for (const index of range(5)) {
          expect(outcomes.filter((isNew) => isNew[index])).toHaveLength(1);
        }
        expect(await listAll(stores[0]!, 'ada')).toHaveLength(5);
        expect(await stores[1]!.search('ada', axis(0), everything)).toHaveLength(5);
      });

      it('takes an id that comes twice at once for one memory', async () => {
        const sut = await open();
        const [memory] = numbered(1);

        expect((await sut.put('ada', [memory!, memory!])).toSorted()).toEqual([false, true]);

        expect(await sut.count('ada')).toMatchObject({ memories: 1 });
      });

      it('knows no memory by an id that nobody has', async () => {
        const sut = await open();
        await put(sut, numbered(1));

        expect(await sut.get('ada', newId())).toBeUndefined();
        expect(await sut.get('bob', newId())).toBeUndefined();
        expect(await sut.count('bob')).toEqual({ memories: 0, shadow: 0 });
      });
    });

    describe('listing', () => {
      it('gives the newest first, by id, whatever the order they came in', async () => {
        const sut = await open();
        const memories = numbered(5);
        for (const index of [3, 0, 4, 1, 2]) await put(sut, [memories[index]!]);

        expect(textsOf(await listAll(sut, 'ada'))).toEqual([4, 3, 2, 1, 0].map((index) => `memory ${index}`));
      });

      it('goes on after the last id seen, until there is nothing left', async () => {
        const sut = await open();
        const memories = numbered(7);
        await put(sut, memories);
        const pages: string[][] = [];

        let after: string | undefined;
        do {
          const page = await sut.list('ada', { limit: 3, ...(after === undefined ? {} : { after }) });
          pages.push(idsOf(page));
          after = page.at(-1)?.id;
        } while (after !== undefined);

        expect(pages.map((page) => page.length)).toEqual([3, 3, 1, 0]);
        expect(pages.flat()).toEqual(newestFirst(memories.map(({ memory }) => memory.id)));
      });

      it('goes on after an id that was deleted, or never was', async () => {
        const sut = await open();
        const [oldest, middle, newest] = numbered(3);
        await put(sut, [oldest!, middle!, newest!]);
        const later = newId();
        await sut.delete('ada', middle!.memory.id);

        expect(textsOf(await sut.list('ada', { limit: 10, after: middle!.memory.id }))).toEqual(['memory 0']);
        expect(textsOf(await sut.list('ada', { limit: 1, after: later }))).toEqual(['memory 2']);
        expect(await sut.list('ada', { limit: 10, after: oldest!.memory.id })).toEqual([]);
      });

      it('has no gaps and no doubles while others put memories', async () => {
        const sut = await open();
        const other = await open();
        const memories = numbered(60);
        await put(sut, memories);
        const seen: string[] = [];

        const writing = (async () => {
          for (const memory of numbered(30)) await put(other, [memory]);
        })();
        let after: string | undefined;
        do {
          const page = await sut.list('ada', { limit: 4, ...(after === undefined ? {} : { after }) });
          seen.push(...idsOf(page));
          after = page.at(-1)?.id;
        } while (after !== undefined);
        await writing;

        expect(new Set(seen).size).toBe(seen.length);
        expect(seen).toEqual(newestFirst(seen));
        expect(seen).toEqual(expect.arrayContaining(memories.map(({ memory }) => memory.id)));
      });

      it('does not show the shadow buffer', async () => {
        const sut = await open();
        await put(sut, [embedded('kept')]);
        const waiting = embedded('waiting');
        await sut.record(judgementOf(shadow(waiting)));

        expect(textsOf(await listAll(sut, 'ada'))).toEqual(['kept']);
        expect(await sut.get('ada', waiting.memory.id)).toBeUndefined();
      });
    });

    describe('searching', () => {
      /** Similarities to axis 0: 1, 0.8, 0.6 … -0.8. */
      const ladder = [1, 0.8, 0.6, 0.4, 0.2, 0, -0.2, -0.4, -0.6, -0.8];
      const rungs = ladder.map((similarity, index) =>
        embedded(String(similarity), tilted(0, 1 + (index % 7), similarity)),
      );

      it('gives the most similar first, with their similarities', async () => {
        const sut = await open();
        await put(sut, [...rungs].reverse());

        const found = await sut.search('ada', axis(0), everything);

        expect(textsFound(found)).toEqual(ladder.map(String));
        for (const [index, { similarity, tier }] of found.entries()) {
          expect(Math.abs(similarity - ladder[index]!)).toBeLessThan(TOLERANCE);
          expect(similarity).toBeLessThanOrEqual(1);
          expect(tier).toBe('memory');
        }
      });

      it('gives no more than the limit, and all there is when the limit is larger', async () => {
        const sut = await open();
        await put(sut, rungs);

        expect(textsFound(await sut.search('ada', axis(0), { ...everything, limit: 3 }))).toEqual(['1', '0.8', '0.6']);
        expect(await sut.search('ada', axis(0), { ...everything, limit: 10_000 })).toHaveLength(ladder.length);
      });

      it('gives nothing below the least similarity', async () => {
        const sut = await open();
        await put(sut, rungs);

        expect(textsFound(await sut.search('ada', axis(0), { ...everything, minSimilarity: 0.5 }))).toEqual([
          '1',
          '0.8',
          '0.6',
        ]);
        expect(await sut.search('ada', axis(0), { ...everything, minSimilarity: -0.7 })).toHaveLength(9);
        expect(await sut.search('ada', tilted(0, 1, -1), { ...everything, minSimilarity: 0.9 })).toEqual([]);
      });

      it('finds nothing where the user has nothing', async () => {
        const sut = await open();

        expect(await sut.search('ada', axis(0), everything)).toEqual([]);
        expect(await sut.nearest('ada', axis(0))).toBeUndefined();
      });

      it('searches the shadow buffer as well when asked, in one order', async () => {
        const sut = await open();
        await put(sut, [embedded('kept 0.9', tilted(0, 1, 0.9)), embedded('kept 0.5', tilted(0, 1, 0.5))]);
        await sut.record(judgementOf(shadow(embedded('shadow 0.7', tilted(0, 2, 0.7)))));
        await sut.record(judgementOf(shadow(embedded('shadow 1', axis(0)))));

        const found = await sut.search('ada', axis(0), everything);

        expect(textsFound(found)).toEqual(['shadow 1', 'kept 0.9', 'shadow 0.7', 'kept 0.5']);
        expect(found.map(({ tier }) => tier)).toEqual(['shadow', 'memory', 'shadow', 'memory']);
        expect(textsFound(await sut.search('ada', axis(0), { ...everything, limit: 2 }))).toEqual([
          'shadow 1',
          'kept 0.9',
        ]);
        expect(textsFound(await sut.search('ada', axis(0), memoriesOnly))).toEqual(['kept 0.9', 'kept 0.5']);
      });

      it('knows the nearest memory, and leaves the shadow buffer out', async () => {
        const sut = await open();
        const near = embedded('near', tilted(0, 1, 0.6));
        await put(sut, [embedded('far', axis(5)), near]);
        await sut.record(judgementOf(shadow(embedded('shadow', axis(0)))));

        const nearest = await sut.nearest('ada', axis(0));

        expect(nearest?.id).toBe(near.memory.id);
        expect(Math.abs(nearest!.similarity - 0.6)).toBeLessThan(TOLERANCE);
      });

      it('finds the right ones among many', async () => {
        const sut = await open();
        const many = range(300).map((i) =>
          embedded(`crowd ${i}`, tilted(1 + (i % 7), 1 + ((i + 1 + (i % 5)) % 7), 0.9)),
        );
        await put(sut, [...many.slice(0, 150), embedded('needle', tilted(0, 3, 0.95)), ...many.slice(150)]);

        const found = await sut.search('ada', axis(0), { ...everything, limit: 5, minSimilarity: 0.5 });

        expect(textsFound(found)).toEqual(['needle']);
      });
    });

    describe('deleting', () => {
      it('takes a memory away with its vector, once', async () => {
        const sut = await open();
        const [gone, left] = [embedded('gone', axis(0)), embedded('left', axis(1))];
        await put(sut, [gone, left]);

        expect(await sut.delete('ada', gone.memory.id)).toBe(true);
        expect(await sut.delete('ada', gone.memory.id)).toBe(false);
        expect(await sut.delete('ada', newId())).toBe(false);

        expect(await sut.get('ada', gone.memory.id)).toBeUndefined();
        expect(textsOf(await listAll(sut, 'ada'))).toEqual(['left']);
        expect(textsFound(await sut.search('ada', axis(0), everything))).toEqual(['left']);
        expect((await sut.nearest('ada', axis(0)))?.id).toBe(left.memory.id);
        expect(await sut.count('ada')).toEqual({ memories: 1, shadow: 0 });
      });

      it('takes an entry out of the shadow buffer, once', async () => {
        const sut = await open();
        const waiting = embedded('waiting');
        await sut.record(judgementOf(shadow(waiting)));
        expect(await sut.count('ada')).toEqual({ memories: 0, shadow: 1 });

        expect(await sut.delete('ada', waiting.memory.id)).toBe(true);
        expect(await sut.delete('ada', waiting.memory.id)).toBe(false);

        expect(await sut.search('ada', axis(0), everything)).toEqual([]);
        expect(await sut.promote('ada', waiting.memory.id, axis(0))).toBe(false);
        expect(await sut.count('ada')).toEqual({ memories: 0, shadow: 0 });
      });

      it('lets the id be used again', async () => {
        const sut = await open();
        const memory = embedded('once', axis(0));
        await put(sut, [memory]);
        await sut.delete('ada', memory.memory.id);

        expect(await sut.put('ada', [{ ...memory, vector: axis(3) }])).toEqual([true]);

        expect((await sut.nearest('ada', axis(3)))?.similarity).toBeCloseTo(1, 1);
      });
    });

    describe('promoting', () => {
      it('moves an entry of the shadow buffer to the memories', async () => {
        const sut = await open();
        const waiting = embedded('waiting', tilted(0, 1, 0.9), { metadata: { a: 1 } });
        await sut.record(judgementOf(shadow(waiting)));

        expect(await sut.promote('ada', waiting.memory.id, waiting.vector)).toBe(true);

        const promoted = { ...waiting.memory, source: 'promoted' };
        expect(await sut.get('ada', waiting.memory.id)).toEqual(promoted);
        expect(await listAll(sut, 'ada')).toEqual([promoted]);
        expect(await sut.search('ada', axis(0), everything)).toEqual([
          { memory: promoted, tier: 'memory', similarity: expect.closeTo(0.9, 1) },
        ]);
        expect((await sut.nearest('ada', axis(0)))?.id).toBe(waiting.memory.id);
        expect(await sut.count('ada')).toEqual({ memories: 1, shadow: 0 });
      });

      it('does not let a promoted memory expire', async () => {
        const sut = await open();
        const expiresAtMs = Date.now() + 2_000;
        const waiting = embedded('waiting');
        await sut.record(judgementOf(shadow(waiting, expiresAtMs)));
        await sut.promote('ada', waiting.memory.id, waiting.vector);

        await passing(expiresAtMs);
        await sut.record(judgementOf(shadow(embedded('another'))));

        expect(await sut.get('ada', waiting.memory.id)).toBeDefined();
        expect(textsFound(await sut.search('ada', axis(0), memoriesOnly))).toEqual(['waiting']);
      });

      it('knows nothing to promote in a memory, in what is not there and in what is another user’s', async () => {
        const sut = await open();
        const kept = embedded('kept');
        const waiting = embedded('waiting', axis(1));
        await put(sut, [kept]);
        await sut.record(judgementOf(shadow(waiting)));

        expect(await sut.promote('ada', kept.memory.id, axis(0))).toBe(false);
        expect(await sut.promote('ada', newId(), axis(0))).toBe(false);
        expect(await sut.promote('bob', waiting.memory.id, axis(0))).toBe(false);

        expect((await sut.get('ada', kept.memory.id))?.source).toBe('worker');
        expect(await sut.count('bob')).toEqual({ memories: 0, shadow: 0 });
        expect(await sut.promote('ada', waiting.memory.id, axis(1))).toBe(true);
        expect(await sut.promote('ada', waiting.memory.id, axis(1))).toBe(false);
      });

      it('happens once when many ask for it', async () => {
        const stores = [await open(), await open()];
        const waiting = embedded('waiting');
        await stores[0]!.record(judgementOf(shadow(waiting)));

        const outcomes = await Promise.all(
          range(10).map((i) => stores[i % 2]!.promote('ada', waiting.memory.id, axis(0))),
        );

        expect(outcomes.filter(Boolean)).toHaveLength(1);
        expect(await stores[0]!.search('ada', axis(0), everything)).toHaveLength(1);
      });
    });

    describe('recording', () => {
      it('keeps the memory and the decision', async () => {
        const sut = await open();
        const judgement = judgementOf(keep(embedded('kept')), {
          statistics: [{ model: 'llm-a', decay: 0.5, addends: [1, 2] }],
        });

        expect(await sut.record(judgement)).toBe('recorded');

        expect(textsOf(await listAll(sut, 'ada'))).toEqual(['kept']);
        expect(textsFound(await sut.search('ada', axis(0), everything))).toEqual(['kept']);
        expect(await sut.decisions('ada', 10)).toEqual([judgement.decision]);
        expect(await sut.statistics('ada', 'llm-a')).toEqual([1, 2]);
      });

      it('returns every field of a decision as it was given', async () => {
        const sut = await open();
        const { decision } = judgementOf(keep(embedded('kept')), {
          decision: {
            sessionId: null,
            model: null,
            perplexity: null,
            contextual: false,
            plainPerplexity: null,
            nearestId: '{x} y:z',
            mode: 'adaptive',
            novelty: 1e-300,
            surprise: 1 / 3,
          },
        });

        await sut.record({ ...judgementOf(keep(embedded('kept'))), decision });

        expect(await sut.decisions('ada', 10)).toEqual([decision]);
      });

      it('leaves a memory that is there already as it is', async () => {
        const sut = await open();
        const memory = embedded('first', axis(0));
        await put(sut, [memory]);

        const again = embedded('again', axis(1), { id: memory.memory.id });
        expect(await sut.record(judgementOf(keep(again)))).toBe('recorded');

        expect(textsFound(await sut.search('ada', axis(0), everything))).toEqual(['first']);
      });

      it('does not put a memory into the shadow buffer', async () => {
        const sut = await open();
        const memory = embedded('kept');
        await put(sut, [memory]);

        expect(await sut.record(judgementOf(shadow(memory)))).toBe('recorded');

        expect(await sut.count('ada')).toEqual({ memories: 1, shadow: 0 });
        expect(await sut.search('ada', axis(0), everything)).toHaveLength(1);
      });

      it('counts a memory that was said once more', async () => {
        const sut = await open();
        const { memory, vector } = embedded('said twice', axis(0), { count: 1, lastSeenAtMs: 1_000 });
        await sut.put('ada', [{ memory, vector }]);

        expect(await sut.record(judgementOf(strengthen(memory.id, 3_000)))).toBe('recorded');
        // A message that was processed late.
        expect(await sut.record(judgementOf(strengthen(memory.id, 2_000)))).toBe('recorded');

        const strengthened = { ...memory, count: 3, lastSeenAtMs: 3_000 };
        expect(await sut.get('ada', memory.id)).toEqual(strengthened);
        expect(await listAll(sut, 'ada')).toEqual([strengthened]);
        expect((await sut.search('ada', axis(0), everything))[0]?.memory).toEqual(strengthened);
      });

      it('records a decision whose memory is gone meanwhile', async () => {
        const sut = await open();
        const judgement = judgementOf(strengthen(newId()), {
          statistics: [{ model: 'llm-a', decay: 1, addends: [1] }],
        });

        expect(await sut.record(judgement)).toBe('recorded');

        expect(await sut.decisions('ada', 10)).toEqual([judgement.decision]);
        expect(await sut.statistics('ada', 'llm-a')).toEqual([1]);
        expect(await sut.count('ada')).toEqual({ memories: 0, shadow: 0 });
      });

      it('does not strengthen another user’s memory', async () => {
        const sut = await open();
        const bobs = embedded('bob’s', axis(0), { userId: 'bob' });
        await put(sut, [bobs]);

        await sut.record(judgementOf(strengthen(bobs.memory.id)));

        expect(await sut.get('bob', bobs.memory.id)).toEqual(bobs.memory);
      });

      it('changes nothing for a message that has a decision already', async () => {
        const sut = await open();
        const memory = embedded('kept');
        const statistics = [{ model: 'llm-a', decay: 0.5, addends: [1] }];
        await sut.record(judgementOf(keep(memory), { statistics }));
        const { decision } = judgementOf(keep(memory));
        const decided = { id: decision.id, reason: 'another one' };

        for (const effect of [keep(memory), shadow(memory), strengthen(memory.memory.id), keep(embedded('another'))]) {
          expect(await sut.record(judgementOf(effect, { decision: decided, statistics }))).toBe('known');
        }

        expect(await listAll(sut, 'ada')).toEqual([memory.memory]);
        expect(await sut.count('ada')).toEqual({ memories: 1, shadow: 0 });
        expect(await sut.decisions('ada', 10)).toEqual([decision]);
        expect(await sut.statistics('ada', 'llm-a')).toEqual([1]);
      });

      it('does not bring a deleted memory back when its message comes again', async () => {
        const sut = await open();
        const judgement = judgementOf(keep(embedded('deleted')));
        await sut.record(judgement);
        await sut.delete('ada', judgement.decision.id);

        expect(await sut.record(judgement)).toBe('known');

        expect(await listAll(sut, 'ada')).toEqual([]);
      });

      it('happens once when many record one message', async () => {
        const stores = [await open(), await open()];
        const memory = embedded('once');
        const judgement = judgementOf(keep(memory), {
          statistics: [{ model: 'llm-a', decay: 1, addends: [1] }],
        });

        const outcomes = await Promise.all(range(50).map((i) => stores[i % 2]!.record(judgement)));

        expect(outcomes.filter((outcome) => outcome === 'recorded')).toHaveLength(1);
        expect(outcomes.filter((outcome) => outcome === 'known')).toHaveLength(49);
        expect(await stores[1]!.statistics('ada', 'llm-a')).toEqual([1]);
        expect(await stores[0]!.decisions('ada', 10)).toHaveLength(1);
        expect(await stores[1]!.search('ada', axis(0), everything)).toHaveLength(1);
      });

      it('loses no count when many messages strengthen one memory', async () => {
        const stores = [await open(), await open()];
        const { memory, vector } = embedded('said often');
        await stores[0]!.put('ada', [{ memory, vector }]);

        await Promise.all(
          range(40).map((i) =>
            stores[i % 2]!.record(
              judgementOf(strengthen(memory.id), { statistics: [{ model: 'llm-a', decay: 1, addends: [i, 1] }] }),
            ),
          ),
        );

        expect((await stores[0]!.get('ada', memory.id))?.count).toBe(41);
        expect(await stores[1]!.statistics('ada', 'llm-a')).toEqual([780, 40]);
      });

      it('gives decisions newest first, and keeps the newest', async () => {
        const sut = await open({ maxDecisions: 5 });
        const judgements = range(8).map((i) =>
          judgementOf(keep(embedded(`kept ${i}`)), { decision: { decidedAtMs: 1_000 + i } }),
        );
        for (const judgement of judgements) await sut.record(judgement);
        await sut.record(judgementOf(keep(embedded('bob’s', axis(0), { userId: 'bob' }))));

        const newest = judgements.map(({ decision }) => decision).reverse();
        expect(await sut.decisions('ada', 100)).toEqual(newest.slice(0, 5));
        expect(await sut.decisions('ada', 2)).toEqual(newest.slice(0, 2));
        expect(await sut.decisions('bob', 100)).toHaveLength(1);
        expect(await sut.decisions('eve', 100)).toEqual([]);
        // Only decisions are bounded by this.
        expect(await listAll(sut, 'ada')).toHaveLength(8);
      });
    });

    describe('statistics', () => {
      const record = (store: MemoryStore, ...statistics: Judgement['statistics']) =>
        store.record(judgementOf(strengthen('nothing'), { statistics }));

      it('are decayed sums, of each model for itself', async () => {
        const sut = await open();
        await record(sut, { model: 'llm-a', decay: 0.9, addends: [1, 10.5, -3] });
        await record(
          sut,
          { model: 'llm-a', decay: 0.9, addends: [2, 0.1, 3] },
          { model: 'llm-b', decay: 0.5, addends: [7] },
        );

        expectNumbers(await sut.statistics('ada', 'llm-a'), [0.9 + 2, 10.5 * 0.9 + 0.1, -3 * 0.9 + 3]);
        expectNumbers(await sut.statistics('ada', 'llm-b'), [7]);
        expect(await sut.statistics('ada', 'llm')).toEqual([]);
        expect(await sut.statistics('bob', 'llm-a')).toEqual([]);
      });

      it('grow with longer steps, and decay under shorter ones as well', async () => {
        const sut = await open();
        await record(sut, { model: 'llm-a', decay: 0.5, addends: [1] });
        await record(sut, { model: 'llm-a', decay: 0.5, addends: [1, 4, 8] });
        expectNumbers(await sut.statistics('ada', 'llm-a'), [1.5, 4, 8]);

        await record(sut, { model: 'llm-a', decay: 0.5, addends: [1] });
        expectNumbers(await sut.statistics('ada', 'llm-a'), [1.75, 2, 4]);
      });

      it('take several steps of one model in their order', async () => {
        const sut = await open();

        await record(sut, { model: 'llm-a', decay: 0.5, addends: [8] }, { model: 'llm-a', decay: 0.25, addends: [1] });

        expectNumbers(await sut.statistics('ada', 'llm-a'), [3]);
      });

      it('keep numbers exactly, small and large ones', async () => {
        const sut = await open();
        const addends = [1 / 3, 1e-12, 123_456_789.123_456_78, -0.1];

        await record(sut, { model: 'Qwen/{3}: 0.5B', decay: 1, addends });

        expect(await sut.statistics('ada', 'Qwen/{3}: 0.5B')).toEqual(addends);
      });
    });

    describe('the shadow buffer', () => {
      it('is bounded: the oldest give way', async () => {
        const sut = await open({ shadowMaxEntries: 3 });
        const entries = numbered(5);
        const start = Date.now() + HOUR_MS;
        for (const [index, entry] of entries.entries()) await sut.record(judgementOf(shadow(entry, start + index)));
        await sut.record(judgementOf(shadow(embedded('bob’s', axis(0), { userId: 'bob' }))));
        await put(sut, [embedded('kept', axis(7))]);

        expect(await sut.count('ada')).toEqual({ memories: 1, shadow: 3 });
        expect(await sut.count('bob')).toEqual({ memories: 0, shadow: 1 });
        expect(textsFound(await sut.search('ada', axis(0), everything)).sort()).toEqual([
          'kept',
          'memory 2',
          'memory 3',
          'memory 4',
        ]);
        expect(await sut.promote('ada', entries[1]!.memory.id, axis(1))).toBe(false);
        expect(await sut.promote('ada', entries[2]!.memory.id, axis(2))).toBe(true);
        // Only the shadow is bounded by this.
        await put(sut, numbered(5));
        expect((await sut.count('ada')).memories).toBe(7);
      });

      it('shows nothing of an entry that has expired, by whichever way', async () => {
        const sut = await open();
        const expiresAtMs = Date.now() + 100;
        const expired = embedded('expired', axis(0));
        await sut.record(judgementOf(shadow(expired, expiresAtMs)));
        await sut.record(judgementOf(shadow(embedded('waiting', tilted(0, 1, 0.5)))));

        await passing(expiresAtMs);

        expect(textsFound(await sut.search('ada', axis(0), everything))).toEqual(['waiting']);
        expect(await sut.count('ada')).toEqual({ memories: 0, shadow: 1 });
        await sut.beginReembedding(OTHER_SPACE);
        expect((await sut.pendingReembedding(10)).map(({ text }) => text)).toEqual(['waiting']);
        expect(await sut.reembeddingProgress()).toEqual({ total: 1, done: 0 });
        expect(await sut.promote('ada', expired.memory.id, axis(0))).toBe(false);
        expect(await sut.delete('ada', expired.memory.id)).toBe(false);
      });

      it('does not let expired entries take the place of others in a search', async () => {
        const sut = await open();
        const expiresAtMs = Date.now() + 200;
        const expired = range(20).map((i) => embedded(`expired ${i}`, tilted(0, 1, 0.99)));
        await Promise.all(expired.map((entry) => sut.record(judgementOf(shadow(entry, expiresAtMs)))));
        for (const i of range(3)) {
          await sut.record(judgementOf(shadow(embedded(`waiting ${i}`, tilted(0, 2, 0.6 - i / 10)))));
        }

        await passing(expiresAtMs);

        const found = await sut.search('ada', axis(0), { ...everything, limit: 3 });
        expect(textsFound(found)).toEqual(['waiting 0', 'waiting 1', 'waiting 2']);
      });

      it('takes an id again that has expired', async () => {
        const sut = await open();
        const expiresAtMs = Date.now() + 100;
        const [one, two] = [embedded('one'), embedded('two', axis(1))];
        await sut.record(judgementOf(shadow(one, expiresAtMs)));
        await sut.record(judgementOf(shadow(two, expiresAtMs)));

        await passing(expiresAtMs);

        expect(await sut.put('ada', [one])).toEqual([true]);
        await sut.record(judgementOf(shadow(two), { decision: { id: newId() } }));
        expect(await sut.count('ada')).toEqual({ memories: 1, shadow: 1 });
        expect(textsFound(await sut.search('ada', axis(1), everything))).toEqual(['two', 'one']);
      });
    });

    describeUndecodableRecords(makeHarness);

    describe('isolation', () => {
      it('tells all users apart, whatever their names', async () => {
        const sut = await open();
        const users = AWKWARD_NAMES;
        const vectorOf = (index: number): Float32Array => tilted(index % 8, (index + 1) % 8, 0.8);
        await Promise.all(
          users.map(async (userId, index) => {
            await sut.put(userId, [embedded(`kept by ${userId}`, vectorOf(index), { id: 'one id', userId })]);
            await sut.record(
              judgementOf(shadow(embedded(`shadow of ${userId}`, vectorOf(index), { id: 'other id', userId })), {
                statistics: [{ model: 'llm-a', decay: 1, addends: [index] }],
                decision: { reason: userId },
              }),
            );
          }),
        );

        for (const [index, userId] of users.entries()) {
          const kept = await sut.get(userId, 'one id');
          expect(kept).toMatchObject({ userId, text: `kept by ${userId}` });
          expect(await listAll(sut, userId)).toEqual([kept]);
          expect(textsFound(await sut.search(userId, axis(0), everything)).sort()).toEqual([
            `kept by ${userId}`,
            `shadow of ${userId}`,
          ]);
          expect((await sut.nearest(userId, vectorOf(index)))?.similarity).toBeCloseTo(1, 1);
          expect(await sut.count(userId)).toEqual({ memories: 1, shadow: 1 });
          expect((await sut.decisions(userId, 10)).map(({ reason }) => reason)).toEqual([userId]);
          expect(await sut.statistics(userId, 'llm-a')).toEqual([index]);
        }
      });

      it('tells all memories of a user apart, whatever their ids', async () => {
        const sut = await open();
        await put(
          sut,
          AWKWARD_NAMES.map((id, index) => embedded(`memory ${id}`, axis(index % 8), { id })),
        );

        expect(idsOf(await listAll(sut, 'ada'))).toEqual(newestFirst(AWKWARD_NAMES));
        expect(await sut.search('ada', axis(0), everything)).toHaveLength(AWKWARD_NAMES.length);
        for (const id of AWKWARD_NAMES.filter((_, index) => index % 2 === 0)) {
          expect((await sut.get('ada', id))?.text).toBe(`memory ${id}`);
          expect(await sut.delete('ada', id)).toBe(true);
        }
        expect(idsOf(await listAll(sut, 'ada'))).toEqual(
          newestFirst(AWKWARD_NAMES.filter((_, index) => index % 2 === 1)),
        );
      });

      it('lets one user change nothing of another', async () => {
        const sut = await open();
        const adas = embedded('ada’s', axis(0), { id: 'one id' });
        const bobs = embedded('bob’s', axis(1), { id: 'one id', userId: 'bob' });
        await put(sut, [adas]);

        expect(await sut.delete('bob', 'one id')).toBe(false);
        expect(await sut.put('bob', [bobs])).toEqual([true]);
        expect(await sut.delete('bob', 'one id')).toBe(true);

        expect(await sut.get('ada', 'one id')).toEqual(adas.memory);
        expect(await sut.search('ada', axis(0), everything)).toHaveLength(1);
        expect(await sut.search('bob', axis(0), everything)).toEqual([]);
      });
    });

    describe('forgetting', () => {
      it('takes away everything of one user and nothing of another, whatever their names', async () => {
        const sut = await open();
        await Promise.all(
          AWKWARD_NAMES.map(async (userId) => {
            await sut.put(userId, numbered(2, { userId }));
            await sut.record(
              judgementOf(shadow(embedded('waiting', axis(3), { userId })), {
                statistics: [{ model: 'llm-a', decay: 1, addends: [1] }],
              }),
            );
          }),
        );
        const gone = new Set(AWKWARD_NAMES.filter((_, index) => index % 2 === 0));

        for (const userId of gone) expect(await sut.forget(userId, 'mark')).toBe(2);

        for (const userId of AWKWARD_NAMES) {
          const there = gone.has(userId) ? 0 : 1;
          expect(await sut.count(userId)).toEqual({ memories: 2 * there, shadow: there });
          expect(await listAll(sut, userId)).toHaveLength(2 * there);
          expect(await sut.search(userId, axis(0), everything)).toHaveLength(3 * there);
          expect(await sut.decisions(userId, 10)).toHaveLength(there);
          expect(await sut.statistics(userId, 'llm-a')).toHaveLength(there);
        }
        expect(await sut.forget(AWKWARD_NAMES[0]!, 'mark 2')).toBe(0);
      });

      it('leaves nothing to embed anew', async () => {
        const sut = await open();
        await put(sut, numbered(2));
        await sut.beginReembedding(OTHER_SPACE);
        const pending = await sut.pendingReembedding(1);
        await sut.putReembedded(pending.map((item) => ({ ...item, vector: axis(0, 6) })));

        expect(await sut.forget('ada', 'mark')).toBe(2);

        expect(await sut.pendingReembedding(10)).toEqual([]);
        expect(await sut.reembeddingProgress()).toEqual({ total: 0, done: 0 });
      });

      it('records nothing any more of what was received until then, and all of what comes later', async () => {
        const sut = await open();
        expect(await sut.forgetMark('ada')).toBe('');
        await sut.forget('ada', 'first');
        await sut.forget('ada', 'second');
        expect(await sut.forgetMark('ada')).toBe('second');
        const statistics = [{ model: 'llm-a', decay: 1, addends: [1] }];
        const before = keep(embedded('before'));

        for (const forgetMark of ['', 'first']) {
          expect(await sut.record(judgementOf(before, { forgetMark, statistics }))).toBe('forgotten');
        }
        expect(await sut.record(judgementOf(shadow(embedded('shadow'))))).toBe('forgotten');
        expect(await sut.put('ada', [embedded('put')], 'first')).toEqual([false]);
        expect(await sut.count('ada')).toEqual({ memories: 0, shadow: 0 });
        expect(await sut.decisions('ada', 10)).toEqual([]);
        expect(await sut.statistics('ada', 'llm-a')).toEqual([]);

        const after = judgementOf(keep(embedded('after')), { forgetMark: 'second', statistics });
        expect(await sut.record(after)).toBe('recorded');
        expect(textsOf(await listAll(sut, 'ada'))).toEqual(['after']);
        const bobs = keep(embedded('bob’s', axis(0), { userId: 'bob' }));
        expect(await sut.record(judgementOf(bobs))).toBe('recorded');
      });

      it('does not ask the clock: that of the one who forgets may be ahead or behind by minutes', async () => {
        const [here, there] = [await open(), await open()];
        const now = jest.spyOn(Date, 'now');
        const realNow = (): number => performance.timeOrigin + performance.now();
        try {
          for (const shiftMs of [600_000, -600_000]) {
            const before = await here.forgetMark('ada');
            now.mockImplementation(() => realNow() + shiftMs);
            await there.forget('ada', `shifted by ${shiftMs}`);
            now.mockImplementation(realNow);

            const late = judgementOf(keep(embedded('said before')), { forgetMark: before });
            expect(await here.record(late)).toBe('forgotten');
            const after = judgementOf(keep(embedded('said after')), { forgetMark: await here.forgetMark('ada') });
            expect(await here.record(after)).toBe('recorded');
            expect(textsOf(await listAll(here, 'ada'))).toEqual(['said after']);
          }
        } finally {
          now.mockRestore();
        }
      });

      it('wins against what is being recorded meanwhile', async () => {
        const stores = [await open(), await open()];

        await Promise.all([
          ...range(20).map((i) => stores[i % 2]!.record(judgementOf(keep(embedded(`racing ${i}`))))),
          stores[0]!.forget('ada', 'mark'),
          ...range(20).map((i) => stores[i % 2]!.record(judgementOf(shadow(embedded(`racing ${i}`))))),
        ]);

        expect(await stores[1]!.count('ada')).toEqual({ memories: 0, shadow: 0 });
        expect(await stores[1]!.search('ada', axis(0), everything)).toEqual([]);
        expect(await stores[1]!.decisions('ada', 100)).toEqual([]);
      });

      it('lets the user begin anew', async () => {
        const sut = await open();
        const memory = embedded('again');
        await put(sut, [memory]);
        await sut.forget('ada', 'mark');

        expect(await sut.put('ada', [memory])).toEqual([true]);

        expect(textsFound(await sut.search('ada', axis(0), everything))).toEqual(['again']);
        expect(await sut.forget('ada', 'mark')).toBe(1);
      });
    });

    describe('vectors', () => {
      it.each(BAD_VECTORS)('are refused before anything is written: %s', async (_, bad) => {
        const sut = await open();
        const waiting = embedded('waiting', axis(1));
        await sut.record(judgementOf(shadow(waiting)));
        const statistics = [{ model: 'llm-a', decay: 1, addends: [1] }];

        const calls = [
          () => sut.put('ada', [embedded('good'), embedded('bad', bad), embedded('good')]),
          () => sut.record(judgementOf(keep(embedded('bad', bad)), { statistics })),
          () => sut.record(judgementOf(shadow(embedded('bad', bad)), { statistics })),
          () => sut.search('ada', bad, everything),
          () => sut.nearest('ada', bad),
          () => sut.promote('ada', waiting.memory.id, bad),
        ];
        for (const call of calls) await expect(call()).rejects.toThrow(MemoryVectorError);

        expect(await sut.count('ada')).toEqual({ memories: 0, shadow: 1 });
        expect(textsFound(await sut.search('ada', axis(0), everything))).toEqual(['waiting']);
        expect(await sut.decisions('ada', 10)).toHaveLength(1);
        expect(await sut.statistics('ada', 'llm-a')).toEqual([]);
      });

      it.each(BAD_VECTORS)('are refused for the next space just the same: %s', async (_, bad) => {
        const sut = await open();
        await put(sut, numbered(2));
        // Other dimensions than those of any bad vector.
        await sut.beginReembedding(OTHER_SPACE);
        const pending = await sut.pendingReembedding(10);
        const items = [
          { ...pending[0]!, vector: axis(0, 6) },
          { ...pending[1]!, vector: bad },
        ];

        await expect(sut.putReembedded(items)).rejects.toThrow(MemoryVectorError);

        expect(await sut.reembeddingProgress()).toEqual({ total: 2, done: 0 });
        expect(await sut.pendingReembedding(10)).toHaveLength(2);
      });

      it('have no place in a store without a space, where none can be found either', async () => {
        const sut = await harness.open();

        await expect(sut.put('ada', [embedded('early')])).rejects.toThrow(MemoryVectorError);
        await expect(sut.record(judgementOf(keep(embedded('early'))))).rejects.toThrow(MemoryVectorError);

        expect(await sut.search('ada', axis(0), everything)).toEqual([]);
        expect(await sut.nearest('ada', axis(0))).toBeUndefined();
        expect(await sut.decisions('ada', 10)).toEqual([]);
      });
    });

    describe('its space', () => {
      it('belongs to the first who claims it', async () => {
        const first = await harness.open();
        const second = await harness.open();
        expect(await first.spaces()).toEqual({ current: undefined, next: undefined });

        expect(await first.claimSpace(SPACE)).toEqual({ current: SPACE, next: undefined });
        expect(await second.claimSpace(OTHER_SPACE)).toEqual({ current: SPACE, next: undefined });
        expect(await first.claimSpace(SPACE)).toEqual({ current: SPACE, next: undefined });

        expect(await second.spaces()).toEqual({ current: SPACE, next: undefined });
      });

      it('is agreed on by two who claim it at once', async () => {
        const stores = [await harness.open(), await harness.open()];

        const claimed = await Promise.all([
          stores[0]!.claimSpace(SPACE),
          stores[1]!.claimSpace(OTHER_SPACE),
          stores[0]!.claimSpace(OTHER_SPACE),
          stores[1]!.claimSpace(SPACE),
        ]);

        const agreed = await stores[0]!.spaces();
        expect([SPACE, OTHER_SPACE]).toContainEqual(agreed.current);
        for (const spaces of claimed) expect(spaces).toEqual(agreed);
      });

      it('is used by a process that was there before it was claimed', async () => {
        const early = await harness.open();
        expect(await early.search('ada', axis(0), everything)).toEqual([]);

        await put(await open(), [embedded('kept')]);

        expect(textsFound(await early.search('ada', axis(0), everything))).toEqual(['kept']);
        expect(await early.put('ada', [embedded('more')])).toEqual([true]);
      });
    });

    describe('embedding anew', () => {
      it('has nothing pending where nothing was begun', async () => {
        const sut = await open();
        await put(sut, numbered(2));

        expect(await sut.pendingReembedding(10)).toEqual([]);
      });

      it('goes through both tiers of all users in pages, and every memory once', async () => {
        const sut = await open();
        await put(sut, numbered(5));
        await put(sut, numbered(5, { userId: 'bob {b}' }));
        await sut.record(judgementOf(shadow(embedded('waiting', axis(0), { userId: 'eve' }))));

        await sut.beginReembedding(OTHER_SPACE);

        expect(await sut.spaces()).toEqual({ current: SPACE, next: OTHER_SPACE });
        expect(await sut.reembeddingProgress()).toEqual({ total: 11, done: 0 });
        const seen: PendingReembedding[] = [];
        for (;;) {
          const page = await sut.pendingReembedding(4);
          if (page.length === 0) break;
          expect(page.length).toBeLessThanOrEqual(4);
          seen.push(...page);
          await sut.putReembedded(page.map((item) => ({ ...item, vector: axis(0, 6) })));
          expect(await sut.reembeddingProgress()).toEqual({ total: 11, done: seen.length });
        }
        expect(seen).toHaveLength(11);
        expect(seen.filter(({ userId }) => userId === 'bob {b}').map(({ text }) => text)).toHaveLength(5);
        expect(seen.filter(({ tier }) => tier === 'shadow')).toEqual([
          { userId: 'eve', id: expect.any(String), tier: 'shadow', text: 'waiting' },
        ]);
      });

      it('finds by the old vectors until it is finished, then by the new ones, in every process', async () => {
        const sut = await open();
        const other = await open();
        const [one, two] = [embedded('one', axis(0)), embedded('two', axis(1))];
        await put(sut, [one, two]);
        await sut.record(judgementOf(shadow(embedded('waiting', axis(2)))));
        await other.search('ada', axis(0), everything);
        const places: Record<string, number> = { one: 5, two: 4, waiting: 3 };

        await sut.beginReembedding(OTHER_SPACE);
        await reembedAll(sut, ({ text }) => axis(places[text]!, 6));

        for (const store of [sut, other]) {
          expect((await store.nearest('ada', axis(0)))?.id).toBe(one.memory.id);
          await expect(store.nearest('ada', axis(0, 6))).rejects.toThrow(MemoryVectorError);
        }

        await sut.finishReembedding();

        for (const store of [other, sut]) {
          expect(await store.spaces()).toEqual({ current: OTHER_SPACE, next: undefined });
          expect((await store.nearest('ada', axis(5, 6)))?.id).toBe(one.memory.id);
          const [first] = await store.search('ada', axis(3, 6), everything);
          expect(first).toMatchObject({
            memory: { text: 'waiting' },
            tier: 'shadow',
            similarity: expect.closeTo(1, 1),
          });
          await expect(store.search('ada', axis(0), everything)).rejects.toThrow(MemoryVectorError);
          await expect(store.put('ada', [embedded('old', axis(0))])).rejects.toThrow(MemoryVectorError);
        }
        expect(await listAll(sut, 'ada')).toEqual([two.memory, one.memory]);
        expect(await other.put('ada', [embedded('three', axis(2, 6))])).toEqual([true]);
        expect(textsFound(await sut.search('ada', axis(2, 6), memoriesOnly))[0]).toBe('three');
        expect(await sut.delete('ada', two.memory.id)).toBe(true);
        expect(await sut.search('ada', axis(4, 6), { ...everything, minSimilarity: 0.5 })).toEqual([]);
        expect(await sut.pendingReembedding(10)).toEqual([]);
      });

      it('goes on where it was broken off', async () => {
        const sut = await open();
        await put(sut, numbered(4));
        await sut.beginReembedding(OTHER_SPACE);
        const page = await sut.pendingReembedding(3);
        await sut.putReembedded(page.map((item) => ({ ...item, vector: axis(0, 6) })));
        await harness.closeAll();

        const restarted = await harness.open();
        await restarted.beginReembedding(OTHER_SPACE);

        expect(await restarted.reembeddingProgress()).toEqual({ total: 4, done: 3 });
        const rest = await restarted.pendingReembedding(10);
        expect(rest).toHaveLength(1);
        expect(idsOf(page)).not.toContain(rest[0]?.id);
      });

      it('gives up a move to yet another space', async () => {
        const third: EmbeddingSpace = { model: 'embedder-c', dimensions: 5 };
        const sut = await open();
        await put(sut, numbered(3));
        await sut.beginReembedding(OTHER_SPACE);
        const page = await sut.pendingReembedding(2);
        await sut.putReembedded(page.map((item) => ({ ...item, vector: axis(0, 6) })));

        await sut.beginReembedding(third);

        expect(await sut.spaces()).toEqual({ current: SPACE, next: third });
        expect(await sut.reembeddingProgress()).toEqual({ total: 3, done: 0 });
        await reembedAll(sut, () => axis(4, 5));
        await sut.finishReembedding();
        expect(await sut.spaces()).toEqual({ current: third, next: undefined });
        expect(await sut.search('ada', axis(4, 5), { ...everything, minSimilarity: 0.9 })).toHaveLength(3);
      });

      it('may be done again, also back to the first space', async () => {
        const sut = await open();
        await put(sut, [embedded('kept', axis(0))]);
        for (const [space, place] of [
          [OTHER_SPACE, 1],
          [SPACE, 2],
        ] as const) {
          await sut.beginReembedding(space);
          await reembedAll(sut, () => axis(place, space.dimensions));
          await sut.finishReembedding();
        }

        expect((await sut.nearest('ada', axis(2)))?.similarity).toBeCloseTo(1, 1);
        expect(await sut.spaces()).toEqual({ current: SPACE, next: undefined });
      });

      it('may go to another model of as many dimensions', async () => {
        const space = { ...SPACE, model: 'embedder-b' };
        const sut = await open();
        await put(sut, [embedded('kept', axis(0))]);

        await sut.beginReembedding(space);
        expect(await sut.pendingReembedding(10)).toHaveLength(1);
        await reembedAll(sut, () => axis(6));
        expect((await sut.nearest('ada', axis(0)))?.similarity).toBeCloseTo(1, 1);
        await sut.finishReembedding();

        expect((await sut.nearest('ada', axis(6)))?.similarity).toBeCloseTo(1, 1);
        expect(await sut.spaces()).toEqual({ current: space, next: undefined });
      });

      it('passes over what was deleted meanwhile', async () => {
        const sut = await open();
        const memories = numbered(3);
        const waiting = embedded('waiting');
        await put(sut, memories);
        await sut.record(judgementOf(shadow(waiting)));
        await sut.beginReembedding(OTHER_SPACE);
        const pending = await sut.pendingReembedding(10);
        await sut.delete('ada', memories[1]!.memory.id);
        await sut.delete('ada', waiting.memory.id);

        await sut.putReembedded(pending.map((item) => ({ ...item, vector: axis(0, 6) })));
        // Also when its new vector was there already.
        await sut.delete('ada', memories[2]!.memory.id);

        expect(await sut.pendingReembedding(10)).toEqual([]);
        expect(await sut.reembeddingProgress()).toEqual({ total: 1, done: 1 });
        await sut.finishReembedding();
        expect(textsFound(await sut.search('ada', axis(0, 6), everything))).toEqual(['memory 0']);
        expect(await sut.count('ada')).toEqual({ memories: 1, shadow: 0 });
      });

      it('may put a vector twice', async () => {
        const sut = await open();
        await put(sut, numbered(1));
        await sut.beginReembedding(OTHER_SPACE);
        const pending = await sut.pendingReembedding(10);

        await sut.putReembedded(pending.map((item) => ({ ...item, vector: axis(0, 6) })));
        await sut.putReembedded(pending.map((item) => ({ ...item, vector: axis(1, 6) })));
        await sut.putReembedded([]);

        expect(await sut.reembeddingProgress()).toEqual({ total: 1, done: 1 });
        await sut.finishReembedding();
        expect((await sut.nearest('ada', axis(1, 6)))?.similarity).toBeCloseTo(1, 1);
        expect(await sut.search('ada', axis(1, 6), everything)).toHaveLength(1);
      });

      it('follows a memory from one tier to the other', async () => {
        const sut = await open();
        const waiting = embedded('waiting', axis(0));
        await sut.record(judgementOf(shadow(waiting)));
        await sut.beginReembedding(OTHER_SPACE);
        await reembedAll(sut, () => axis(0, 6));

        expect(await sut.promote('ada', waiting.memory.id, axis(0))).toBe(true);
        await reembedAll(sut, () => axis(0, 6));
        await sut.finishReembedding();

        const found = await sut.search('ada', axis(0, 6), memoriesOnly);
        expect(textsFound(found)).toEqual(['waiting']);
        expect((await sut.nearest('ada', axis(0, 6)))?.id).toBe(waiting.memory.id);
        expect(await sut.search('ada', axis(0, 6), everything)).toHaveLength(1);
      });

      it('works in an empty store', async () => {
        const sut = await harness.open();

        await sut.beginReembedding(OTHER_SPACE);
        expect(await sut.pendingReembedding(10)).toEqual([]);
        expect(await sut.reembeddingProgress()).toEqual({ total: 0, done: 0 });
        await sut.finishReembedding();

        expect(await sut.spaces()).toEqual({ current: OTHER_SPACE, next: undefined });
        expect(await sut.put('ada', [embedded('first', axis(0, 6))])).toEqual([true]);
      });

      it('may be finished twice', async () => {
        const sut = await open();
        await put(sut, numbered(1));
        await sut.beginReembedding(OTHER_SPACE);
        await reembedAll(sut, () => axis(0, 6));

        await sut.finishReembedding();
        await sut.finishReembedding();

        expect(await sut.spaces()).toEqual({ current: OTHER_SPACE, next: undefined });
        expect(await sut.search('ada', axis(0, 6), everything)).toHaveLength(1);
      });
    });

    it('has everything after a restart', async () => {
      const before = await open();
      const memories = numbered(3);
      await put(before, memories);
      const judgement = judgementOf(shadow(embedded('waiting', axis(4))), {
        statistics: [{ model: 'llm-a', decay: 1, addends: [1.25] }],
      });
      await before.record(judgement);
      await before.forget('bob', 'mark');
      await harness.closeAll();

      const sut = await harness.open();

      expect(await sut.spaces()).toEqual({ current: SPACE, next: undefined });
      expect(await listAll(sut, 'ada')).toEqual(memories.map(({ memory }) => memory).reverse());
      expect(textsFound(await sut.search('ada', axis(4), { ...everything, limit: 1 }))).toEqual(['waiting']);
      expect(await sut.decisions('ada', 10)).toEqual([judgement.decision]);
      expect(await sut.statistics('ada', 'llm-a')).toEqual([1.25]);
      expect(await sut.record(judgement)).toBe('known');
      const late = judgementOf(keep(embedded('late', axis(0), { userId: 'bob' })));
      expect(await sut.record(late)).toBe('forgotten');
    });

    it('fails with MemoryStoreUnavailableError while the store is away, and works again afterwards', async () => {
      const sut = await open();
      await sut.check();
      const waiting = embedded('waiting', axis(1));
      await put(sut, [embedded('kept')]);
      await sut.record(judgementOf(shadow(waiting)));
      const resent = judgementOf(keep(embedded('resent', axis(2))));

      const end = await harness.beginOutage();
      const outcomes = await Promise.allSettled([
        sut.spaces(),
        sut.claimSpace(SPACE),
        sut.put('ada', numbered(1)),
        sut.get('ada', waiting.memory.id),
        sut.list('ada', { limit: 10 }),
        sut.search('ada', axis(0), everything),
        sut.nearest('ada', axis(0)),
        sut.delete('ada', waiting.memory.id),
        sut.count('ada'),
        sut.promote('ada', waiting.memory.id, axis(1)),
        sut.record(resent),
        sut.statistics('ada', 'llm-a'),
        sut.decisions('ada', 10),
        sut.forget('ada', 'mark'),
        sut.beginReembedding(OTHER_SPACE),
        sut.pendingReembedding(10),
        sut.reembeddingProgress(),
        sut.putReembedded([{ userId: 'ada', id: waiting.memory.id, tier: 'shadow', text: 'waiting', vector: axis(1) }]),
        sut.finishReembedding(),
        sut.check(),
      ]);
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({
          status: 'rejected',
          reason: { code: 'MEMORY_STORE_UNAVAILABLE', httpStatus: 503, transient: true },
        });
      }

      await end();
      expect(await onceAvailable(() => sut.record(resent))).toBe('recorded');
      await sut.check();
      expect(await sut.spaces()).toEqual({ current: SPACE, next: undefined });
      expect(textsOf(await listAll(sut, 'ada'))).toEqual(['resent', 'kept']);
      expect(await sut.search('ada', axis(0), everything)).toHaveLength(3);
      expect(await sut.promote('ada', waiting.memory.id, axis(1))).toBe(true);
    });
  });
}

function expectNumbers(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toEqual(expected.map((value): unknown => expect.closeTo(value, 9)));
}

/** Waits until `timeMs` is over, by any clock that may be some milliseconds behind. */
async function passing(timeMs: number): Promise<void> {
  await pause(Math.max(0, timeMs - Date.now()) + 30);
}

/** Tries until the adapter has found its store again. */
async function onceAvailable<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MemoryStoreUnavailableError)) throw error;
      await pause(50);
    }
  }
}
