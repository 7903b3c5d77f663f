import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings, type Settings } from '../config/index.js';
import { SqliteDatabase } from '../infra/sqlite/index.js';
import { newId } from '../shared/index.js';
import { SqliteMemoryStore } from './adapters/sqlite-memory-store.js';
import { type Remembered, RememberService, type ScoredMessage } from './remember.service.js';

const DIMENSIONS = 32;
const never = new AbortController().signal;

/** The unit vector along one axis, turned towards another one by `turn` of the way. */
function direction(axis: number, turn = 0, towards = (axis + 1) % DIMENSIONS): Float32Array {
  const vector = new Float32Array(DIMENSIONS);
  vector[axis] = Math.cos(turn);
  vector[towards] = Math.sin(turn);
  return vector;
}

const messageOf = (nats: number, vector: Float32Array, more: Partial<ScoredMessage> = {}): ScoredMessage => ({
  id: newId(),
  text: `something ${nats} ${newId()}`,
  context: '',
  userId: 'ada',
  sessionId: 's',
  role: 'user',
  receivedAtMs: Date.now(),
  model: 'm',
  perplexity: Math.exp(nats / 10),
  avgLogprob: -nats / 10,
  informationNats: nats,
  contextual: false,
  plainPerplexity: null,
  vector,
  isReadable: true,
  ...more,
});

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
    const settings: Settings = readSettings(environment);
    const database = await SqliteDatabase.open(join(folder, 'brain.sqlite'));
    opened.push(database);
    const store = new SqliteMemoryStore(database, settings.memory);
    await store.claimSpace({ model: 'e', dimensions: DIMENSIONS });
    return { sut: new RememberService(store, settings), store };
  }

  const remember = async (sut: RememberService, message: ScoredMessage): Promise<Remembered['decision']> =>
    (await sut.remember(message, never)).decision;

  it('judges by the fixed rule first, and by the user’s own messages once it knows enough of them', async () => {
    const { sut } = await worker({ SURPRISE_WARM_UP_MESSAGES: '10' });
    for (let i = 0; i < 10; i++) {
      const decision = await remember(sut, messageOf(40 + i, direction(i)));
      expect(decision.mode).toBe('fixed');
    }
    const poor = await remember(sut, messageOf(20, direction(10)));
    const rich = await remember(sut, messageOf(120, direction(11)));
    expect(poor).toMatchObject({ mode: 'adaptive', threshold: 0.5, kept: false });
    expect(rich).toMatchObject({ mode: 'adaptive', threshold: 0.5, kept: true });
    expect(rich.surprise).toBeGreaterThan(poor.surprise);
  });

  it('shares its statistics with other workers, and takes them up after a restart, by user and by model', async () => {
    const first = await worker();
    for (let i = 0; i < 12; i++) await remember(first.sut, messageOf(40 + i, direction(i)));
    const second = await worker();
    expect(await remember(second.sut, messageOf(50, direction(13)))).toMatchObject({ mode: 'adaptive' });
    expect(await remember(second.sut, messageOf(50, direction(14), { userId: 'bob' }))).toMatchObject({
      mode: 'fixed',
    });
    expect(await remember(second.sut, messageOf(50, direction(15), { model: 'n' }))).toMatchObject({ mode: 'fixed' });
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

  it('strengthens what it is told again instead of keeping it twice', async () => {
    const { sut, store } = await worker();
    const first = await remember(sut, messageOf(50, direction(0)));
    const again = await remember(sut, messageOf(80, direction(0, 0.05), { receivedAtMs: Date.now() + 1_000 }));
    expect(again).toMatchObject({ kept: false, nearestId: first.id });
    expect(await store.get('ada', first.id)).toMatchObject({ count: 2 });
    expect(await store.count('ada')).toEqual({ memories: 1, shadow: 0 });
  });

  it('goes by novelty alone where scoring failed for good, and says so', async () => {
    const { sut, store } = await worker();
    const unscorable = { perplexity: null, avgLogprob: null, informationNats: null, unscorable: 'a single token' };
    const decision = await remember(sut, messageOf(0, direction(0), unscorable));
    expect(decision).toMatchObject({ perplexity: null, surprise: 1, kept: true });
    expect(decision.reason).toMatch(/by novelty alone: a single token$/);
    expect(await store.get('ada', decision.id)).toMatchObject({ perplexity: null, surprise: 1 });
    const near = await remember(sut, messageOf(0, direction(0, 0.6), unscorable));
    expect(near).toMatchObject({ kept: false });
  });

  it('leaves what it does not keep in the shadow buffer, unless that is off', async () => {
    const { sut, store } = await worker({ SURPRISE_MODE: 'fixed', SURPRISE_THRESHOLD: '2' });
    await remember(sut, messageOf(50, direction(0)));
    expect(await store.count('ada')).toEqual({ memories: 0, shadow: 1 });
    const off = await worker({ SURPRISE_MODE: 'fixed', SURPRISE_THRESHOLD: '2', SHADOW_MAX_ENTRIES: '0' });
    await remember(off.sut, messageOf(50, direction(1), { userId: 'bob' }));
    expect(await store.count('bob')).toEqual({ memories: 0, shadow: 0 });
    expect(await store.decisions('bob', 10)).toHaveLength(1);
  });

  it('decides about a message once', async () => {
    const { sut, store } = await worker();
    const message = messageOf(50, direction(0));
    expect((await sut.remember(message, never)).outcome).toBe('recorded');
    expect((await sut.remember(message, never)).outcome).toBe('known');
    expect(await store.list('ada', { limit: 10 })).toMatchObject([{ id: message.id, count: 1 }]);
    expect((await store.statistics('ada', 'm'))[0]).toBe(1);
  });
});
