import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '../config/index.js';
import { SqliteDatabase } from '../infra/sqlite/index.js';
import { newId } from '../shared/index.js';
import { SqliteInputStream } from '../stream/adapters/sqlite-input-stream.js';
import type { DeliveredEntry } from '../stream/index.js';
import { PerplexityScorer, type ScoringInput, type TextScore, VorpalUnavailableError } from '../vorpal/index.js';
import { EntryProcessor, isOutage } from './entry-processor.js';
import { WorkerStatus } from './worker-status.js';

const POISON = 'poison';
const never = new AbortController().signal;

/** Scores everything alike; what holds the word "poison" makes it fail, as a fault in the program would. */
class FaultyScorer {
  calls = 0;
  outage: Error | undefined;

  async score(inputs: readonly ScoringInput[]): Promise<TextScore[]> {
    this.calls += 1;
    if (this.outage) throw this.outage;
    if (inputs.some(({ text }) => text.includes(POISON))) throw new TypeError('cannot read the poison');
    return inputs.map(() => ({ perplexity: 10, avgLogprob: -Math.log(10), tokenCount: 3, tokens: [], model: 'fixed' }));
  }
}

describe(EntryProcessor.name, () => {
  const settings = readSettings({ STREAM_MAX_ATTEMPTS: '2', STREAM_CLAIM_IDLE_MS: '100' });
  const errors = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
  const logs = jest.spyOn(Logger.prototype, 'log').mockImplementation(() => undefined);
  let folder: string;
  let stream: SqliteInputStream;
  let scorer: FaultyScorer;
  let status: WorkerStatus;
  let sut: EntryProcessor;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'entry-processor-'));
    stream = new SqliteInputStream(await SqliteDatabase.open(join(folder, 'stream.sqlite')), settings.stream);
    scorer = new FaultyScorer();
    status = new WorkerStatus(settings);
    sut = new EntryProcessor(stream, scorer as unknown as PerplexityScorer, status, settings);
    errors.mockClear();
    logs.mockClear();
  });

  afterEach(async () => {
    await stream.close();
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
      });
    }
    return read();
  }

  it('scores a batch in one call and acknowledges it', async () => {
    await sut.process(await deliver('one', 'two', 'three'), never);
    expect(scorer.calls).toBe(1);
    expect(status.recent.map(({ session_id }) => session_id)).toEqual(['three', 'two', 'one']);
    expect(await stream.statistics()).toMatchObject({ pending: 0, lag: 0 });
  });

  it('shows messages in the log only where the settings allow it', async () => {
    await sut.process(await deliver('a secret'), never);
    expect(logs.mock.calls.flat()).toEqual(['Message: a secret...', 'Perplexity: 10.00']);

    logs.mockClear();
    const discreet = readSettings({ WORKER_LOG_MESSAGES: 'false' });
    sut = new EntryProcessor(stream, scorer as unknown as PerplexityScorer, status, discreet);
    await sut.process(await deliver('another secret'), never);
    expect(logs.mock.calls.flat()).toEqual(['Perplexity: 10.00']);
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

  it('leaves a batch that was broken off unacknowledged', async () => {
    const batch = await deliver('one');
    scorer.outage = new DOMException('stopped', 'AbortError');
    await expect(sut.process(batch, AbortSignal.abort())).rejects.toThrow('stopped');
    expect(await stream.statistics()).toMatchObject({ pending: 1 });
  });
});

describe(isOutage.name, () => {
  it('tells the surroundings from the entry', () => {
    expect(isOutage(new VorpalUnavailableError('gone'))).toBe(true);
    expect(isOutage(new TypeError('a fault of ours'))).toBe(false);
  });
});
