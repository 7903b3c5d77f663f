import { jest } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteDatabase } from '../../infra/sqlite/index.js';
import { newId } from '../../shared/index.js';
import type { StreamEntry } from '../../stream/index.js';
import type { TextScore } from '../../vorpal/index.js';
import { SqliteMemoryStore } from '../adapters/sqlite/sqlite-memory-store.js';
import { type Remembered, RememberService, type ScoredEntry } from './remember.service.js';
import { memorySettings } from '../memory.settings.js';

const DIMENSIONS = 32;
const never = new AbortController().signal;

/** The unit vector along one axis, turned towards another one by `turn` of the way. */
function direction(axis: number, turn = 0, towards = (axis + 1) % DIMENSIONS): Float32Array {
  const vector = new Float32Array(DIMENSIONS);
  vector[axis] = Math.cos(turn);
  vector[towards] = Math.sin(turn);
  return vector;
}

interface Said extends Partial<StreamEntry> {
  readonly text?: string;
  readonly model?: string;
  readonly isReadable?: boolean;
  /** Why there is no perplexity. */
  readonly reason?: TextScore['reason'];
}

/** What carries so many nats in ten tokens. */
function messageOf(nats: number, vector: Float32Array, said: Said = {}): ScoredEntry {
  const { text, model = 'm', isReadable = true, reason, ...entry } = said;
  const scored = reason === undefined;
  return {
    entry: {
      id: newId(),
      message: text ?? `something ${nats} ${newId()}`,
      context: '',
      userId: 'ada',
      sessionId: 's',
      role: 'user',
      timestampMs: Date.now(),
      ...entry,
    },
    score: {
      perplexity: scored ? Math.exp(nats / 10) : null,
      avgLogprob: scored ? -nats / 10 : null,
      tokenCount: 10,
      tokens: Array.from({ length: 10 }, () => ({ token: 'x', logprob: scored ? -nats / 10 : null })),
      model,
      prefix: null,
      ...(reason !== undefined && { reason }),
    },
    vector,
    isReadable,
  };
}

describe(RememberService.name, () => {
  let folder: string;
  const opened: SqliteDatabase[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'remember-'));
  });

  afterEach(async () => {
    for (const database of opened.splice(0)) await database.close();
    await rm(folder, { recursive: true });
  });

  /** A worker as a process of its own would be. */
  async function worker(
    environment: NodeJS.ProcessEnv = {},
  ): Promise<{ sut: RememberService; store: SqliteMemoryStore }> {
    const settings = memorySettings(environment);
    const database = await SqliteDatabase.open(join(folder, 'brain.sqlite'));
    opened.push(database);
    const store = new SqliteMemoryStore(database, settings);
    await store.claimSpace({ model: 'e', dimensions: DIMENSIONS });
    return { sut: new RememberService(store, settings), store };
  }

  const remember = async (sut: RememberService, message: ScoredEntry): Promise<Remembered['decision']> =>
    (await sut.remember(message, never)).decision;

  it('keeps everything, and tells the surprise: relative to the user’s own messages once there are enough', async () => {
    const { sut, store } = await worker({ SURPRISE_WARM_UP_MESSAGES: '10' });
    for (let i = 0; i < 10; i++) await remember(sut, messageOf(40 + i, direction(i)));
    const poor = await remember(sut, messageOf(1, direction(10)));
    const rich = await remember(sut, messageOf(400, direction(11)));
    expect(poor).toMatchObject({ mode: 'all', threshold: 0, kept: true, duplicateOf: null, supersedes: null });
    expect(poor.surprise).toBeLessThan(0.1);
    expect(rich.surprise).toBeGreaterThan(0.9);
    expect(poor.reason).toMatch(/^Every message is kept \(surprise 0\.0\d\)\.$/);
    expect(await store.usage('ada')).toMatchObject({ memories: 12 });
  });

  it('has a gate where the settings say so: fixed first, adaptive once it knows enough', async () => {
    const { sut, store } = await worker({ SURPRISE_MODE: 'adaptive', SURPRISE_WARM_UP_MESSAGES: '10' });
    for (let i = 0; i < 10; i++) {
      const decision = await remember(sut, messageOf(40 + i, direction(i)));
      expect(decision.mode).toBe('fixed');
    }
    const poor = await remember(sut, messageOf(20, direction(10)));
    const rich = await remember(sut, messageOf(120, direction(11)));
    expect(poor).toMatchObject({ mode: 'adaptive', threshold: 0.5, kept: false });
    expect(poor.reason).toMatch(/^It is below the threshold of 0\.50 \(surprise 0\.\d\d\)\.$/);
    expect(rich).toMatchObject({ mode: 'adaptive', threshold: 0.5, kept: true });
    expect(rich.reason).toMatch(/^It reaches the threshold of 0\.50 /);
    expect(await store.get('ada', poor.id)).toBeUndefined();
    expect(await store.get('ada', rich.id)).toBeDefined();
    expect(await store.decisions('ada', 100)).toHaveLength(12);
  });

  it('shares its statistics with other workers, and takes them up after a restart, by user and by model', async () => {
    const adaptive = { SURPRISE_MODE: 'adaptive' };
    const first = await worker(adaptive);
    for (let i = 0; i < 12; i++) await remember(first.sut, messageOf(40 + i, direction(i)));
    const second = await worker(adaptive);
    expect(await remember(second.sut, messageOf(50, direction(13)))).toMatchObject({ mode: 'adaptive' });
    expect(await remember(second.sut, messageOf(50, direction(14), { userId: 'bob' }))).toMatchObject({
      mode: 'fixed',
    });
    expect(await remember(second.sut, messageOf(50, direction(15), { model: 'n' }))).toMatchObject({ mode: 'fixed' });
  });

  it('gives the event loop a turn between two calls of the SQLite store', async () => {
    const { sut, store } = await worker();
    const events: string[] = [];
    jest.spyOn(store, 'candidates').mockImplementation(async () => (events.push('look'), []));
    jest.spyOn(store, 'statistics').mockResolvedValue([]);
    jest.spyOn(store, 'findText').mockResolvedValue(undefined);
    jest.spyOn(store, 'record').mockImplementation(async () => (events.push('record'), 'recorded'));
    let next: NodeJS.Immediate | undefined;
    const countTurns = (): void => {
      next = setImmediate(() => {
        events.push('turn');
        countTurns();
      });
    };
    countTurns();
    await Promise.all([0, 1, 2].map((axis) => remember(sut, messageOf(40, direction(axis)))));
    clearImmediate(next);
    expect(events.filter((event) => event !== 'turn')).toHaveLength(6);
    expect(events.join(' ')).not.toMatch(/(look|record) (look|record)/);
  });

  it('tells novelty by the nearest memory of the user, not by what it did not keep', async () => {
    const { sut } = await worker({ SURPRISE_MODE: 'fixed' });
    const first = await remember(sut, messageOf(50, direction(0)));
    expect(first).toMatchObject({ novelty: 1, nearestId: null, kept: true });
    const near = await remember(sut, messageOf(1, direction(0, 0.6)));
    expect(near).toMatchObject({ nearestId: first.id, kept: false });
    expect(near.novelty).toBeCloseTo(1 - Math.cos(0.6), 5);
    const again = await remember(sut, messageOf(1, direction(0, 0.6)));
    expect(again.nearestId).toBe(first.id);
    const stranger = await remember(sut, messageOf(50, direction(0), { userId: 'bob' }));
    expect(stranger).toMatchObject({ novelty: 1, nearestId: null });
  });

  it('marks what a message changes as out of date, and keeps it; said again, it holds again', async () => {
    const { sut, store } = await worker();
    const at = Date.now();
    const say = (text: string, minutes: number) =>
      remember(sut, messageOf(50, direction(0, minutes / 10), { text, timestampMs: at + minutes * 60_000 }));
    const first = await say('My ferry to Split leaves at 7:30.', 0);
    const other = await say('My ferry to Bari leaves at 21:10.', 1);
    const second = await say('My ferry to Split leaves at 11:15.', 2);
    expect(other).toMatchObject({ supersedes: null, supersessionScore: null });
    expect(second).toMatchObject({ kept: true, supersedes: first.id });
    expect(second.reason).toMatch(`It changes what memory ${first.id} says (certainty `);
    expect(await store.get('ada', first.id)).toMatchObject({
      supersededBy: { id: second.id, atMs: at + 120_000, reason: 'changed', score: second.supersessionScore },
    });
    expect(await store.get('ada', second.id)).toMatchObject({ supersededBy: null, supersedes: [first.id] });

    const again = await say('my ferry to Split leaves at 7:30.', 3);
    expect(again).toMatchObject({ duplicateOf: first.id, supersedes: null });
    expect(await store.get('ada', first.id)).toMatchObject({ supersededBy: null });
    expect(await store.get('ada', second.id)).toMatchObject({ supersededBy: { id: first.id, reason: 'said_again' } });
  });

  it('detects changes by words alone if the weights were fitted on the cosines of another embedder', async () => {
    const certaintiesWith = async (EMBEDDINGS_MODEL: string, user: string) => {
      const { sut } = await worker({ EMBEDDINGS_MODEL });
      const certainties: (number | null)[] = [];
      for (const turn of [0.1, 0.6]) {
        const userId = `${user} ${turn}`;
        await remember(sut, messageOf(50, direction(0), { userId, text: 'My ferry to Split leaves at 7:30.' }));
        const later = messageOf(50, direction(0, turn), { userId, text: 'My ferry to Split leaves at 11:15.' });
        certainties.push((await remember(sut, later)).supersessionScore);
      }
      return certainties;
    };
    const [near, far] = await certaintiesWith('multilingual-e5-small', 'ada');
    expect(near).toBeGreaterThan(0.5);
    expect(near).toBe(far);
    const [fittedNear, fittedFar] = await certaintiesWith('all-MiniLM-L6-v2', 'bob');
    expect(fittedNear).not.toBe(fittedFar);
  });

  it('changes nothing by what the assistant said', async () => {
    const { sut } = await worker();
    for (const time of ['7:30', '11:15']) {
      const said = messageOf(50, direction(0), { text: `Your ferry to Split leaves at ${time}.`, role: 'assistant' });
      expect(await remember(sut, said)).toMatchObject({ kept: true, supersedes: null });
    }
  });

  it('changes nothing by what a gate does not keep', async () => {
    const { sut, store } = await worker({ SURPRISE_MODE: 'fixed' });
    const first = await remember(sut, messageOf(80, direction(0), { text: 'My ferry to Split leaves at 7:30.' }));
    const dropped = await remember(sut, messageOf(1, direction(0), { text: 'My ferry to Split leaves at 11:15.' }));
    expect(dropped).toMatchObject({ kept: false, supersedes: null });
    expect(await store.get('ada', first.id)).toMatchObject({ supersededBy: null });
  });

  it('counts the same text instead of keeping it twice, whatever its case and spaces', async () => {
    const { sut, store } = await worker();
    const first = await remember(sut, messageOf(50, direction(0), { text: 'I live in  Oslo' }));
    const later = Date.now() + 1_000;
    const again = messageOf(80, direction(0), { text: 'i LIVE in Oslo', timestampMs: later });
    const decision = await remember(sut, again);
    expect(decision).toMatchObject({ kept: true, duplicateOf: first.id, nearestId: first.id, novelty: 0 });
    expect(decision.reason).toMatch(`Memory ${first.id} has the same text and was counted once more (surprise`);
    expect(await store.list('ada', { limit: 10 })).toMatchObject([
      { id: first.id, text: 'I live in  Oslo', count: 2, lastSeenAtMs: later },
    ]);
  });

  it('keeps another text however near it is in meaning, and the same one of another role', async () => {
    const { sut, store } = await worker();
    for (const text of ['My flight leaves at 10:15', 'My flight leaves at 16:45']) {
      expect(await remember(sut, messageOf(50, direction(0), { text }))).toMatchObject({
        kept: true,
        duplicateOf: null,
      });
    }
    const said = messageOf(50, direction(0), { text: 'My flight leaves at 10:15', role: 'assistant' });
    expect(await remember(sut, said)).toMatchObject({ kept: true, duplicateOf: null });
    expect(await store.usage('ada')).toMatchObject({ memories: 3 });
  });

  it('lets no gate drop what is stored already', async () => {
    const open = await worker();
    const first = await remember(open.sut, messageOf(50, direction(0), { text: 'lol' }));
    const gate = await worker({ SURPRISE_MODE: 'fixed', SURPRISE_THRESHOLD: '2' });
    const again = await remember(gate.sut, messageOf(1, direction(0), { text: 'lol' }));
    expect(again).toMatchObject({ kept: true, duplicateOf: first.id, threshold: 2 });
    expect(await gate.store.get('ada', first.id)).toMatchObject({ count: 2 });
    expect(await remember(gate.sut, messageOf(50, direction(1), { text: 'else' }))).toMatchObject({ kept: false });
    expect(await gate.store.usage('ada')).toMatchObject({ memories: 1 });
  });

  it('makes one memory of one text that many workers have at once', async () => {
    const workers = await Promise.all(Array.from({ length: 3 }, () => worker()));
    const same = (): ScoredEntry => messageOf(50, direction(0), { text: 'over and over' });
    const all = Array.from({ length: 60 }, (_, i) => workers[i % 3]!.sut.remember(same(), never));
    const decisions = (await Promise.all(all)).map(({ decision }) => decision);
    const [memory, ...others] = await workers[0]!.store.list('ada', { limit: 10 });
    expect([memory, others]).toMatchObject([{ text: 'over and over', count: 60 }, []]);
    const first = decisions.filter(({ duplicateOf }) => duplicateOf === null);
    expect(first.map(({ id }) => id)).toEqual([memory!.id]);
    expect(decisions.filter(({ duplicateOf }) => duplicateOf === memory!.id)).toHaveLength(59);
  });

  it('gives up with a name of its own while others store and remove the text all the while', async () => {
    const { sut, store } = await worker();
    jest.spyOn(store, 'record').mockResolvedValue('stale');
    await expect(sut.remember(messageOf(50, direction(0)), never)).rejects.toMatchObject({
      code: 'MEMORY_CONTENDED',
      transient: true,
    });
  });

  it('keeps what was said before it, up to two turns and without who said it, and whether it only asks', async () => {
    const { sut, store } = await worker();
    const context = 'User: Long ago.\nAssistant: Where do you live?\nUser: In Oslo,\nby the sea.\nUser: ';
    const { id } = await remember(sut, messageOf(50, direction(0), { text: 'Since 2019.', context }));
    expect(await store.get('ada', id)).toMatchObject({
      context: expect.stringMatching(/^Where do you live\?\s+In Oslo,\s+by the sea\.$/) as unknown,
      isQuestion: false,
      informationNats: 50,
    });
    const asked = await remember(sut, messageOf(50, direction(1), { text: 'Where do I live?' }));
    expect(await store.get('ada', asked.id)).toMatchObject({ context: '', isQuestion: true });
  });

  it('draws nothing from the vector of a text that the embedder cannot read', async () => {
    const { sut, store } = await worker();
    const unreadable = { isReadable: false };
    const first = await remember(sut, messageOf(50, direction(0), { ...unreadable, text: 'ቤቴ አዲስ አበባ ነው' }));
    const other = await remember(sut, messageOf(50, direction(0), { ...unreadable, text: 'ዛሬ ዝናብ ይዘንባል' }));
    expect(other).toMatchObject({ novelty: 1, nearestId: null, duplicateOf: null, kept: true });
    expect(await store.get('ada', other.id)).toMatchObject({ novelty: null });
    const again = await remember(sut, messageOf(50, direction(0), { ...unreadable, text: 'ቤቴ አዲስ አበባ ነው' }));
    expect(again).toMatchObject({ novelty: 0, duplicateOf: first.id });
  });

  it('goes by novelty alone where scoring failed for good, and says so', async () => {
    const { sut, store } = await worker({ SURPRISE_MODE: 'fixed' });
    const unscorable = { reason: 'a single token' };
    const decision = await remember(sut, messageOf(0, direction(0), unscorable));
    expect(decision).toMatchObject({ perplexity: null, surprise: 1, kept: true });
    expect(decision.reason).toMatch(/, by novelty alone: a single token\)\.$/);
    expect(await store.get('ada', decision.id)).toMatchObject({ perplexity: null, surprise: 1 });
    const near = await remember(sut, messageOf(0, direction(0, 0.6), unscorable));
    expect(near).toMatchObject({ kept: false });
  });

  it('decides about a message once', async () => {
    const { sut, store } = await worker();
    const message = messageOf(50, direction(0));
    expect((await sut.remember(message, never)).outcome).toBe('recorded');
    expect((await sut.remember(message, never)).outcome).toBe('known');
    expect(await store.list('ada', { limit: 10 })).toMatchObject([{ id: message.entry.id, count: 1 }]);
    expect((await store.statistics('ada', 'm'))[0]).toBe(1);
  });

  it('writes nothing once it is broken off', async () => {
    const { sut, store } = await worker();
    await expect(sut.remember(messageOf(50, direction(0)), AbortSignal.abort())).rejects.toThrow(/abort/i);
    expect(await store.decisions('ada', 10)).toEqual([]);
  });
});
