import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memorySettings } from '../memory/memory.settings.js';
import { streamSettings } from '../stream/stream.settings.js';
import { memoryWorkerSettings, type MemoryWorkerSettings } from './memory-worker.settings.js';
import { SqliteDatabase } from '../infra/sqlite/index.js';
import { SqliteMemoryStore } from '../memory/adapters/sqlite/sqlite-memory-store.js';
import { type Embedder, RememberService } from '../memory/index.js';
import { newId } from '../shared/index.js';
import { SqliteInputStream } from '../stream/adapters/sqlite/sqlite-input-stream.js';
import type { DeliveredEntry } from '../stream/index.js';
import {
  PerplexityScorer,
  type ScoringInput,
  type TextScore,
  VorpalFailedError,
  VorpalProtocolError,
  VorpalUnavailableError,
} from '../vorpal/index.js';
import type { CanaryProbe } from './failures/canary-probe.js';
import { EntryProcessor } from './entry-processor.js';
import { InFlightEntries } from './scheduling/in-flight-entries.js';
import { UserSequencer } from './scheduling/user-sequencer.js';
import { WorkerStatus } from './worker-status.js';

const POISON = 'poison';
const UNSCORABLE = 'unscorable';
const UNEMBEDDABLE = 'unembeddable';
const UNREADABLE = 'ዛሬ ዝናብ ይዘንባል';
const never = new AbortController().signal;

/** Scores everything alike; what holds the word "poison" makes it fail, as a fault in the program would. */
class FaultyScorer {
  calls = 0;
  outage: Error | undefined;

  async score(inputs: readonly ScoringInput[]): Promise<TextScore[]> {
    this.calls += 1;
    if (this.outage) throw this.outage;
    if (inputs.some(({ text }) => text.includes(POISON))) throw new TypeError('cannot read the poison');
    const score = {
      perplexity: 20,
      avgLogprob: -Math.log(20),
      tokenCount: 3,
      tokens: [],
      model: 'fixed',
      prefix: null,
    };
    const failure = new VorpalProtocolError('not a number');
    const none = { ...score, perplexity: null, avgLogprob: null, reason: 'not a number', failure };
    return inputs.map(({ text }) => (text.includes(UNSCORABLE) ? none : score));
  }
}

/** A direction of its own for every text; fails while there is an outage. */
class FaultyEmbedder {
  calls = 0;
  outage: Error | undefined;

  constructor(private readonly store: SqliteMemoryStore) {}

  async isReadable(text: string): Promise<boolean> {
    return text !== UNREADABLE;
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    this.calls += 1;
    if (this.outage) throw this.outage;
    if (texts.some((text) => text.includes(UNEMBEDDABLE))) throw new VorpalFailedError('HTTP 500');
    await this.store.claimSpace({ model: 'fixed', dimensions: 64 });
    return texts.map((text) => {
      const digest = createHash('sha512').update(text).digest();
      const vector = Float32Array.from(digest, (byte) => byte / 127.5 - 1);
      const length = Math.hypot(...vector);
      return vector.map((value) => value / length);
    });
  }
}

describe(EntryProcessor.name, () => {
  const environment = { STREAM_MAX_ATTEMPTS: '2', STREAM_CLAIM_IDLE_MS: '100' };
  const settings = memoryWorkerSettings(environment);
  const errors = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
  const logs = jest.spyOn(Logger.prototype, 'log').mockImplementation(() => undefined);
  let folder: string;
  let database: SqliteDatabase;
  let stream: SqliteInputStream;
  let scorer: FaultyScorer;
  let embedder: FaultyEmbedder;
  let store: SqliteMemoryStore;
  let status: WorkerStatus;
  let canary: { isAnswered: boolean; asked: number };
  let sut: EntryProcessor;

  const processorWith = (chosen: MemoryWorkerSettings): EntryProcessor =>
    new EntryProcessor(
      stream,
      scorer as unknown as PerplexityScorer,
      embedder as unknown as Embedder,
      new RememberService(store, memorySettings({})),
      new UserSequencer(stream, new InFlightEntries(), 60_000),
      { succeeds: async () => ((canary.asked += 1), canary.isAnswered) } as unknown as CanaryProbe,
      status,
      chosen,
    );

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'entry-processor-'));
    database = await SqliteDatabase.open(join(folder, 'stream.sqlite'));
    stream = new SqliteInputStream(database, streamSettings(environment));
    scorer = new FaultyScorer();
    store = new SqliteMemoryStore(database, memorySettings({}));
    embedder = new FaultyEmbedder(store);
    status = new WorkerStatus(settings);
    canary = { isAnswered: true, asked: 0 };
    sut = processorWith(settings);
    errors.mockClear();
    logs.mockClear();
  });

  afterEach(async () => {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const read = (blockMs = 0): Promise<DeliveredEntry[]> =>
    stream.read({ count: 10, blockMs: Math.max(1, blockMs), signal: never });

  async function deliver(...messages: string[]): Promise<DeliveredEntry[]> {
    for (const message of messages) {
      await stream.append({
        id: newId(),
        message,
        timestampMs: Date.now(),
        userId: 'ada',
        sessionId: message,
        role: 'user',
        context: '',
        forgetMark: '',
      });
    }
    return read();
  }

  it('scores a batch in one call and acknowledges it', async () => {
    await sut.process(await deliver('one', 'two', 'three'), never);
    expect([scorer.calls, embedder.calls, canary.asked]).toEqual([1, 1, 0]);
    expect(status.recent.map(({ session_id }) => session_id)).toEqual(['three', 'two', 'one']);
    expect(await stream.statistics()).toMatchObject({ pending: 0, lag: 0 });
  });

  it('shows messages in the log only where the settings allow it', async () => {
    await sut.process(await deliver('a secret'), never);
    const kept = expect.stringMatching(/^Kept: Every message is kept \(surprise 0\.77\)/) as unknown;
    expect(logs.mock.calls.flat()).toEqual(['Message: a secret...', 'Perplexity: 20.00', kept]);

    logs.mockClear();
    const discreet = memoryWorkerSettings({ WORKER_LOG_MESSAGES: 'false' });
    sut = processorWith(discreet);
    await sut.process(await deliver('another secret'), never);
    expect(logs.mock.calls.flat().join()).not.toContain('another secret');
    expect(logs.mock.calls.flat()).toHaveLength(2);
  });

  it('logs the failure of one entry and goes on with the next', async () => {
    await sut.process(await deliver('before', POISON, 'after'), never);
    expect(status).toMatchObject({ processed: 2, failed: 1 });
    expect(status.recent.map(({ session_id }) => session_id)).toEqual(['after', 'before']);
    expect(await stream.statistics()).toMatchObject({ pending: 1, deadLetters: 0 });
    expect(errors).toHaveBeenCalledWith(expect.stringContaining('attempt 1 of 2'), expect.any(String));
  });

  it('sends an entry to the dead letters after its attempts', async () => {
    await sut.process(await deliver(POISON), never);
    const again = await read(5_000);
    expect(again).toMatchObject([{ deliveries: 2, entry: { message: POISON } }]);
    await sut.process(again, never);
    expect(await stream.statistics()).toMatchObject({ pending: 0, lag: 0, deadLetters: 1 });
  });

  it('blames no entry for an outage', async () => {
    scorer.outage = new VorpalUnavailableError('gone');
    const batch = await deliver('one', POISON);
    await expect(sut.process(batch, never)).rejects.toBe(scorer.outage);
    expect(status).toMatchObject({ processed: 0, failed: 0 });
    expect(await stream.statistics()).toMatchObject({ pending: 2, deadLetters: 0 });
  });

  it('remembers every message under the id of its entry, and leaves a decision for each', async () => {
    const batch = await deliver('one', 'two');

    await sut.process(batch, never);

    const ids = batch.map(({ entry }) => entry.id).toReversed();
    expect((await store.decisions('ada', 10)).map(({ id }) => id)).toEqual(ids);
    const memories = await store.list('ada', { limit: 10 });
    expect(memories.map(({ id }) => id)).toEqual(ids);
  });

  it('stores one memory and one decision, however often an entry is given', async () => {
    const batch = await deliver('again and again');

    await sut.process(batch, never);
    await sut.process(batch, never);

    expect(await store.decisions('ada', 10)).toHaveLength(1);
    expect(await store.usage('ada')).toMatchObject({ memories: 1 });
    expect((await store.statistics('ada', 'fixed'))[0]).toBe(1);
  });

  it('judges the entries of one batch one after another', async () => {
    await sut.process(await deliver('the same words', 'the same words'), never);

    expect(await store.list('ada', { limit: 10 })).toMatchObject([{ text: 'the same words', count: 2 }]);
    const [second, first] = await store.decisions('ada', 10);
    expect(second).toMatchObject({
      kept: true,
      duplicateOf: first!.id,
      reason: expect.stringMatching(/same text/) as unknown,
    });
    expect(status.recent).toMatchObject([
      { outcome: 'duplicate', related_memory_id: first!.id },
      { outcome: 'kept', related_memory_id: null },
    ]);
  });

  it('tells which texts the embedder cannot read', async () => {
    await sut.process(await deliver('one', UNREADABLE), never);
    expect((await store.list('ada', { limit: 10 })).map(({ text, novelty }) => [text, novelty !== null])).toEqual([
      [UNREADABLE, false],
      ['one', true],
    ]);
  });

  it('judges what one user says in its order, whichever batch is ready first', async () => {
    const scoreAll = scorer.score.bind(scorer);
    const second = Promise.withResolvers<undefined>();
    // The first batch is scored once the second one waits for it.
    scorer.score = async (inputs) => {
      if (inputs[0]?.text === 'the same') await second.promise;
      return scoreAll(inputs);
    };
    const batches = [await deliver('the same', 'two'), await deliver('THE SAME', 'three')];
    await Promise.all([
      sut.process(batches[0]!, never),
      sut.process(batches[1]!, never, {
        onBlocked: () => {
          second.resolve(undefined);
        },
      }),
    ]);

    expect((await store.decisions('ada', 10)).toReversed().map(({ id }) => id)).toEqual(
      batches.flat().map(({ entry }) => entry.id),
    );
    expect(await store.get('ada', batches[0]![0]!.entry.id)).toMatchObject({ text: 'the same', count: 2 });
  });

  it('lets nothing wait for an entry that failed', async () => {
    const [poisoned] = await deliver(POISON);
    const after = await deliver('after');
    await sut.process([poisoned!], never);
    await sut.process(after, never);
    expect(status.recent).toMatchObject([{ session_id: 'after' }]);
    expect(await stream.statistics()).toMatchObject({ pending: 1 });
  });

  it('waits while there are no embeddings, and loses nothing', async () => {
    embedder.outage = new VorpalUnavailableError('no embedder');
    const batch = await deliver('one');

    await expect(sut.process(batch, never)).rejects.toBe(embedder.outage);
    expect(await stream.statistics()).toMatchObject({ pending: 1, deadLetters: 0 });

    embedder.outage = undefined;
    await sut.process(batch, never);
    expect(await stream.statistics()).toMatchObject({ pending: 0 });
  });

  it('records nothing of a user who was forgotten meanwhile', async () => {
    const batch = await deliver('forget me');
    await store.forget('ada', 'mark');

    await sut.process(batch, never);

    expect(await store.decisions('ada', 10)).toEqual([]);
    expect(status.processed).toBe(0);
    expect(await stream.statistics()).toMatchObject({ pending: 0 });
  });

  it('keeps no dead letter of a user who was forgotten meanwhile', async () => {
    const [poisoned] = await deliver(`a ${POISON}`);
    await store.forget('ada', 'mark');

    await sut.recordFailure({ ...poisoned!, deliveries: 2 }, new Error('poisoned'), never);

    expect(await stream.statistics()).toEqual({ lag: 0, pending: 0, deadLetters: 0 });
  });

  it('takes an entry of another program, without a mark, for one that came when the worker began with it', async () => {
    await store.forget('ada', 'before it came');
    const { entry } = (await deliver('foreign'))[0]!;
    const { forgetMark, ...foreign } = entry;
    expect(forgetMark).toBe('');
    const first = { entry: { ...foreign, id: newId() }, receipt: '0', deliveries: 1 };
    await sut.process([first], never);
    expect(await store.decisions('ada', 10)).toHaveLength(1);

    const second = { ...first, entry: { ...first.entry, id: newId() } };
    embedder.outage = new VorpalUnavailableError('no embedder');
    await expect(sut.process([second], never)).rejects.toBe(embedder.outage);
    await store.forget('ada', 'while it waited');
    embedder.outage = undefined;
    await sut.process([second], never);
    expect(await store.decisions('ada', 10)).toEqual([]);
  });

  it('leaves a batch that was broken off unacknowledged', async () => {
    const batch = await deliver('one');
    scorer.outage = new DOMException('stopped', 'AbortError');
    await expect(sut.process(batch, AbortSignal.abort())).rejects.toThrow('stopped');
    expect(await stream.statistics()).toMatchObject({ pending: 1 });
  });

  it('returns an entry that Vorpal fails on while it answers a canary, and processes the others', async () => {
    const batch = await deliver('before', UNEMBEDDABLE, 'after');

    const failed = await sut.process(batch, never);

    expect(failed).toEqual([{ delivered: batch[1], failure: expect.any(VorpalFailedError) as unknown }]);
    expect(status).toMatchObject({ processed: 2, failed: 0 });
    expect(await stream.statistics()).toMatchObject({ pending: 1, deadLetters: 0 });
  });

  it('takes the same failure for an outage if Vorpal does not answer a canary either', async () => {
    canary.isAnswered = false;
    const batch = await deliver('before', UNEMBEDDABLE, 'after');

    await expect(sut.process(batch, never)).rejects.toThrow('HTTP 500');

    expect(status).toMatchObject({ processed: 0, failed: 0 });
    expect(await stream.statistics()).toMatchObject({ pending: 3, deadLetters: 0 });
  });

  it('returns the one entry that could not be scored, without trying the others again', async () => {
    const batch = await deliver('before', UNSCORABLE, 'after');

    const failed = await sut.process(batch, never);

    expect(failed.map(({ delivered }) => delivered)).toEqual([batch[1]]);
    expect([scorer.calls, status.processed]).toEqual([1, 2]);
  });

  it('judges by novelty alone what could not be scored in its last attempt', async () => {
    await sut.process(await deliver(UNSCORABLE), never);
    const [again] = await read(5_000);
    const failure = await sut.processAlone(again!, never);

    expect(await sut.recordFailure(again!, failure, never)).toBe(true);

    expect(await store.decisions('ada', 10)).toMatchObject([
      { perplexity: null, reason: expect.stringMatching(/by novelty alone: not a number/) as unknown },
    ]);
    expect(await stream.statistics()).toMatchObject({ pending: 0, deadLetters: 0 });
  });

  it('gives up what could not be embedded in its last attempt', async () => {
    await sut.process(await deliver(UNEMBEDDABLE), never);
    const [again] = await read(5_000);

    await sut.recordFailure(again!, new VorpalFailedError('HTTP 500'), never);

    expect(await store.decisions('ada', 10)).toEqual([]);
    expect(await stream.statistics()).toMatchObject({ pending: 0, deadLetters: 1 });
  });

  it('tells what Vorpal failed on when an entry is tried alone, and counts nothing itself', async () => {
    const [two, one] = await deliver('two', UNEMBEDDABLE);
    expect(await sut.processAlone(one!, never)).toBeInstanceOf(VorpalFailedError);
    embedder.outage = new VorpalUnavailableError('gone');
    expect(await sut.processAlone(two!, never)).toBe(embedder.outage);
    embedder.outage = undefined;
    expect(await sut.processAlone(two!, never)).toBeUndefined();
    expect(canary.asked).toBe(0);
    expect(status).toMatchObject({ processed: 1, failed: 0 });
  });

  it('tells that entries wait also while it tries them one by one', async () => {
    const earlier = await deliver('earlier');
    const batch = await deliver(UNEMBEDDABLE, 'after');
    const blocked = Promise.withResolvers<undefined>();
    const onBlocked = (): void => {
      blocked.resolve(undefined);
    };
    const processing = sut.process(batch, never, { onBlocked });
    await blocked.promise;
    await sut.process(earlier, never);
    await processing;
    expect(status.recent.map(({ session_id }) => session_id)).toEqual(['after', 'earlier']);
  });

  it('does not repeat what was done of a batch before an outage', async () => {
    const batch = await deliver('before', UNEMBEDDABLE, 'after');
    const gone = new VorpalUnavailableError('gone');
    const scoreAll = scorer.score.bind(scorer);
    scorer.score = async (inputs) => {
      if (inputs.length === 1 && inputs[0]?.text === 'after') throw gone;
      return scoreAll(inputs);
    };
    await expect(sut.process(batch, never)).rejects.toBe(gone);
    expect(status.processed).toBe(1);

    scorer.score = scoreAll;
    await sut.process(batch, never);

    expect(status.recent.map(({ session_id }) => session_id)).toEqual(['after', 'before']);
  });
});
