import type { Embedder } from '../../memory/index.js';
import type { StreamEntry } from '../../stream/index.js';
import {
  PerplexityScorer,
  type ScoringInput,
  type ScoringOptions,
  VorpalFailedError,
  VorpalProtocolError,
  VorpalTimeoutError,
} from '../../vorpal/index.js';
import { CanaryProbe } from './canary-probe.js';
import { memoryWorkerSettings } from '../memory-worker.settings.js';

const never = new AbortController().signal;

describe(CanaryProbe.name, () => {
  let texts: string[];
  let score: (options: ScoringOptions) => Promise<object[]>;
  let embed: (signal: AbortSignal) => Promise<Float32Array[]>;
  let sut: CanaryProbe;

  beforeEach(() => {
    texts = [];
    score = async () => [{ perplexity: 20 }];
    embed = async () => [Float32Array.of(1, 0)];
    const scorer = {
      score: ([input]: ScoringInput[], options: ScoringOptions) => {
        texts.push(input!.text);
        return score(options);
      },
    };
    sut = new CanaryProbe(
      scorer as unknown as PerplexityScorer,
      { embed: (_: string[], { signal }: { signal: AbortSignal }) => embed(signal) } as unknown as Embedder,
      memoryWorkerSettings({ VORPAL_SCORING_TIMEOUT_MS: '200' }),
    );
  });

  it('succeeds if a plain sentence is scored and embedded', async () => {
    expect(await sut.succeeds(never)).toBe(true);
  });

  it.each([
    ['scored', () => (score = async () => Promise.reject(new VorpalFailedError('HTTP 500')))],
    [
      'scored with numbers',
      () => (score = async () => [{ perplexity: null, failure: new VorpalProtocolError('NaN') }]),
    ],
    ['embedded', () => (embed = async () => Promise.reject(new VorpalProtocolError('garbled')))],
  ])('fails if it is not %s', async (_, fail) => {
    fail();
    expect(await sut.succeeds(never)).toBe(false);
  });

  it('fails if the embedding takes too long', async () => {
    embed = (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          reject(new DOMException('stopped', 'AbortError'));
        });
      });
    expect(await sut.succeeds(never)).toBe(false);
  });

  it('is scored ahead of others, with a time limit that does not include the wait', async () => {
    score = async (options) => {
      expect(options).toEqual({ signal: never, timeoutMs: 200, isUrgent: true });
      throw new VorpalTimeoutError('too slow');
    };
    expect(await sut.succeeds(never)).toBe(false);
    expect.assertions(2);
  });

  it('stops when its caller aborts', async () => {
    score = async () => Promise.reject(new DOMException('stopped', 'AbortError'));
    await expect(sut.succeeds(AbortSignal.abort())).rejects.toThrow('stopped');
  });

  it('sends a text as long as an entry, and never the same text twice', async () => {
    const entry = { message: 'x'.repeat(3_000), context: 'y'.repeat(500) } as StreamEntry;
    await sut.succeedsFor(entry, never);
    await sut.succeedsFor(entry, never);
    const [first, second] = texts;
    expect(first?.length).toBeGreaterThanOrEqual(3_500);
    expect(first?.length).toBeLessThan(3_600);
    expect(second).not.toBe(first);
  });
});
