import { jest } from '@jest/globals';
import { isAbortError } from '../../shared/index.js';
import { LoadMonitor } from '../chat/load-monitor.js';
import { type ScoringRequest, ScoringScheduler } from './scoring-scheduler.js';
import { VorpalOverloadedError, VorpalTimeoutError } from '../vorpal.errors.js';

const LIMITS = { requests: 96, tokensPerRequest: 4_096 };

/** What vLLM's `/metrics` says of answers under way. */
const metrics = (laterTokens: number): string => `vllm:inter_token_latency_seconds_count ${laterTokens}\n`;

/** Works off prompts in the order of their arrival, so much a millisecond. Time is the fake timers'. */
class VirtualServer {
  tokensPerMs = 50;
  /** What any answer takes besides, however many are under way. */
  overheadMs = 0;
  inFlight = 0;
  mostInFlight = 0;
  requests = 0;
  private busyUntil = 0;

  async answer(tokens: number): Promise<void> {
    this.requests += 1;
    this.inFlight += tokens;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    this.busyUntil = Math.max(this.busyUntil, performance.now()) + tokens / this.tokensPerMs;
    await new Promise((resolve) => setTimeout(resolve, this.busyUntil - performance.now() + this.overheadMs));
    this.inFlight -= tokens;
  }
}

describe(ScoringScheduler.name, () => {
  let server: VirtualServer;
  let load: LoadMonitor;
  let fetchMetrics: jest.Mock<() => Promise<string>>;
  let scored: number;
  let sut: ScoringScheduler;

  beforeEach(() => {
    jest.useFakeTimers();
    server = new VirtualServer();
    fetchMetrics = jest.fn(async () => metrics(0));
    scored = 0;
    load = new LoadMonitor(fetchMetrics);
    sut = new ScoringScheduler(LIMITS, load);
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

  async function score(sizes: readonly number[], options: Omit<ScoringRequest, 'sizes'> = {}): Promise<number> {
    return sut.run({ sizes, ...options }, async (prompts) => {
      const tokens = sizes.slice(0, prompts).reduce((sum, size) => sum + size, 0);
      await server.answer(tokens);
      scored += tokens;
      return prompts;
    });
  }

  /** Many texts of `size` tokens that always wait to be scored, `lanes` at a time. */
  function backlog(size: number, lanes = 64): () => void {
    let isOver = false;
    const lane = async (): Promise<void> => {
      while (!isOver) await score([size]);
    };
    for (let i = 0; i < lanes; i++) void lane();
    return () => (isOver = true);
  }

  it('has at a fast server about what that does in a quarter of a second, and keeps it busy', async () => {
    const stop = backlog(400);
    await pass(3_000);
    server.mostInFlight = 0;
    const before = scored;
    await pass(1_000);
    stop();
    expect(scored - before).toBeGreaterThan(0.95 * 1_000 * server.tokensPerMs);
    expect(server.mostInFlight).toBeGreaterThan(0.5 * 250 * server.tokensPerMs);
    expect(server.mostInFlight).toBeLessThan(2 * 250 * server.tokensPerMs);
  });

  it('has at a slow server one request at a time', async () => {
    server.tokensPerMs = 0.6;
    const stop = backlog(200);
    await pass(60_000);
    stop();
    expect(server.mostInFlight).toBeLessThanOrEqual(256);
    expect(scored).toBeGreaterThan(0.95 * 60_000 * server.tokensPerMs);
  });

  it('finds out when a server has become slower, and faster again', async () => {
    const stop = backlog(400);
    await pass(3_000);
    server.tokensPerMs = 2;
    await pass(20_000);
    expect(sut.limit).toBeLessThan(2_000);
    server.tokensPerMs = 50;
    await pass(5_000);
    expect(sut.limit).toBeGreaterThan(6_000);
    stop();
  });

  it('has no less at a server that takes long for anything, however little', async () => {
    server.overheadMs = 400;
    const stops = [100, 250, 400].map((size) => backlog(size, 32));
    await pass(20_000);
    expect(sut.limit).toBeGreaterThan(6_000);
    for (const stop of stops) stop();
  });

  it('lets a prompt through that is larger than anything allowed, by itself', async () => {
    const turns = [score([10_000, 1]), score([10])];
    await pass(0);
    expect(server.inFlight).toBe(10_000);
    await pass(1_000);
    expect(await Promise.all(turns)).toEqual([1, 1]);
  });

  it('gives one request no more than half of what may be in flight', async () => {
    const stop = backlog(400);
    await pass(3_000);
    stop();
    await pass(1_000);
    const sizes = Array.from({ length: 1_000 }, () => 100);
    const turn = score(sizes);
    await pass(2_000);
    const held = (await turn) * 100;
    expect(held).toBeLessThanOrEqual(Math.min(sut.limit, LIMITS.tokensPerRequest));
    expect(held).toBeGreaterThan(1_000);
  });

  describe('while a chat is under way', () => {
    it('has one request at a time and rests four times as long as it works, for as long as chats go on', async () => {
      server.tokensPerMs = 1;
      load.chatBegins();
      const stop = backlog(200);
      await pass(100_000);
      stop();
      expect(server.mostInFlight).toBe(200);
      // A fifth of the time: 100 requests of 200 ms in 100 s.
      expect(server.requests).toBeGreaterThanOrEqual(95);
      expect(server.requests).toBeLessThanOrEqual(101);
    });

    it('cuts requests to a few hundred tokens', async () => {
      load.chatBegins();
      expect(await settled(score([100, 100, 100, 100]))).toBe(2);
    });

    it('takes a fifth of a fast server as well, in bursts of what that does in a moment', async () => {
      load.chatBegins();
      const stop = backlog(100);
      await pass(20_000);
      const before = scored;
      server.mostInFlight = 0;
      await pass(10_000);
      stop();
      expect(scored - before).toBeGreaterThan(0.15 * 10_000 * server.tokensPerMs);
      expect(scored - before).toBeLessThan(0.25 * 10_000 * server.tokensPerMs);
      expect(server.mostInFlight).toBeLessThan(2 * 100 * server.tokensPerMs);
    });

    it('goes on as before soon after the last one has ended', async () => {
      const end = load.chatBegins();
      const stop = backlog(400);
      await pass(10_000);
      end();
      await pass(5_000);
      const before = scored;
      await pass(1_000);
      stop();
      expect(scored - before).toBeGreaterThan(0.9 * 1_000 * server.tokensPerMs);
    });

    it('rests no longer than ten seconds, whatever took long', async () => {
      load.chatBegins();
      server.tokensPerMs = 0.01;
      await settled(score([600]), 60_000);
      server.tokensPerMs = 50;
      const next = score([1]);
      await pass(10_100);
      expect(await next).toBe(1);
    });

    it('does not rest for what failed', async () => {
      load.chatBegins();
      const failed = sut
        .run({ sizes: [10] }, async () => {
          await new Promise((resolve) => setTimeout(resolve, 1_000));
          throw new VorpalTimeoutError('slow');
        })
        .catch((error: unknown) => error);
      const next = score([10]);
      await pass(1_100);
      expect(await failed).toBeInstanceOf(VorpalTimeoutError);
      expect(await next).toBe(1);
    });

    it('does not let what is urgent wait for a rest, or for others', async () => {
      load.chatBegins();
      server.tokensPerMs = 1;
      await settled(score([250]));
      await settled(score([250]), 300);
      const other = score([100]);
      const urgent = score([10], { isUrgent: true });
      await pass(50);
      expect(server.requests).toBe(3);
      expect(await urgent).toBe(1);
      await pass(20_000);
      expect(await other).toBe(1);
    });
  });

  it('gives way to chats that the server shows to be under way', async () => {
    let laterTokens = 0;
    fetchMetrics.mockImplementation(async () => metrics((laterTokens += 10)));
    const stop = backlog(400);
    await pass(10_000);
    const before = scored;
    await pass(10_000);
    stop();
    expect(scored - before).toBeGreaterThan(0.15 * 10_000 * server.tokensPerMs);
    expect(scored - before).toBeLessThan(0.25 * 10_000 * server.tokensPerMs);
  });

  it('looks for chats of others four times a second, and only when there is something to score', async () => {
    await pass(10_000);
    expect(fetchMetrics).not.toHaveBeenCalled();
    const stop = backlog(400);
    await pass(10_000);
    stop();
    expect(fetchMetrics.mock.calls.length).toBeGreaterThan(20);
    expect(fetchMetrics.mock.calls.length).toBeLessThanOrEqual(41);
  });

  it('takes turns: a long text in many requests holds others up by one of them', async () => {
    server.tokensPerMs = 1;
    const order: string[] = [];
    const long = async (): Promise<void> => {
      for (let window = 0; window < 10; window++) {
        await score([512]);
        order.push('window');
      }
    };
    const done = Promise.all([
      long(),
      score([50]).then(() => order.push('first')),
      score([50]).then(() => order.push('second')),
    ]);
    await pass(10_000);
    await done;
    expect(order.indexOf('second')).toBeLessThanOrEqual(3);
    expect(order).toHaveLength(12);
  });

  it('has half as much in flight after a refusal, once for all that were there', async () => {
    const stop = backlog(400);
    await pass(3_000);
    stop();
    await pass(1_000);
    const { limit } = sut;
    const refused = Array.from({ length: 3 }, () =>
      sut.run({ sizes: [400] }, async () => {
        await new Promise((resolve) => setTimeout(resolve, 10));
        throw new VorpalOverloadedError('full');
      }),
    );
    const outcomes = Promise.allSettled(refused);
    await pass(10);
    expect(await outcomes).toMatchObject([
      { reason: expect.any(VorpalOverloadedError) },
      { reason: expect.any(VorpalOverloadedError) },
      { reason: expect.any(VorpalOverloadedError) },
    ]);
    expect(sut.limit).toBeGreaterThanOrEqual(Math.floor(limit / 2));
    expect(sut.limit).toBeLessThan(limit);
  });

  it('can be left while waiting, and lets others pass', async () => {
    const controller = new AbortController();
    const first = score([1_000]);
    const left = score([1_000], { signal: controller.signal }).catch((error: unknown) => error);
    const third = score([1]);
    await pass(1);
    controller.abort();
    expect(isAbortError(await left)).toBe(true);
    await pass(1_000);
    expect(await Promise.all([first, third])).toEqual([1, 1]);
    expect(server.requests).toBe(2);
    expect(isAbortError(await score([1], { signal: AbortSignal.abort() }).catch((error: unknown) => error))).toBe(true);
  });

  it('refuses at once what would have to wait behind a thousand', async () => {
    const first = score([1_000]);
    await pass(1);
    const controller = new AbortController();
    const waiting = Array.from({ length: 1_001 }, () =>
      score([1_000], { signal: controller.signal }).catch((error: unknown) => error),
    );
    expect(await waiting[1_000]).toBeInstanceOf(VorpalOverloadedError);
    controller.abort();
    expect((await Promise.all(waiting.slice(0, 1_000))).every(isAbortError)).toBe(true);
    expect(await settled(first)).toBe(1);
  });

  async function settled<T>(work: Promise<T>, ms = 60_000): Promise<T> {
    await pass(ms);
    return work;
  }
});
