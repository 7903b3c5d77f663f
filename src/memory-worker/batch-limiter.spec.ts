import { BatchLimiter, type BatchPermit } from './batch-limiter.js';

const SIZE = 1_000;

/** A server that serves `atOnce` batches side by side, each in `ms`; the others wait. */
interface Server {
  readonly atOnce: number;
  readonly ms: number;
}

/** Keeps as many batches in flight as the limiter allows, for some rounds. Returns the limit after each. */
function work(sut: BatchLimiter, { atOnce, ms }: Server, rounds: number, size = SIZE): number[] {
  return Array.from({ length: rounds }, () => {
    const permits: BatchPermit[] = [];
    while (sut.room > 0) permits.push(sut.begin());
    const latencyMs = ms * Math.max(1, permits.length / atOnce);
    for (const permit of permits) permit.succeeded({ latencyMs, size });
    return sut.limit;
  });
}

describe(BatchLimiter.name, () => {
  it('begins with one and doubles while more cost no time', () => {
    const sut = new BatchLimiter(100);
    expect(sut.limit).toBe(1);
    expect(work(sut, { atOnce: 1_000, ms: 100 }, 5)).toEqual([2, 4, 8, 16, 32]);
  });

  it('never goes beyond its maximum', () => {
    const sut = new BatchLimiter(10);
    work(sut, { atOnce: 1_000, ms: 100 }, 20);
    expect(sut.limit).toBe(10);
  });

  it.each([1, 4, 8, 32])('keeps a server busy that serves %d at once, without a long queue before it', (atOnce) => {
    const sut = new BatchLimiter(256);
    work(sut, { atOnce, ms: 100 }, 50);
    const settled = work(sut, { atOnce, ms: 100 }, 50);
    expect(Math.min(...settled)).toBeGreaterThanOrEqual(atOnce);
    expect(Math.max(...settled)).toBeLessThanOrEqual(Math.max(2, 2 * atOnce));
  });

  it('follows a server that becomes slower, and one that becomes faster again', () => {
    const sut = new BatchLimiter(64);
    work(sut, { atOnce: 32, ms: 100 }, 40);
    work(sut, { atOnce: 4, ms: 100 }, 80);
    expect(sut.limit).toBeLessThanOrEqual(8);
    work(sut, { atOnce: 32, ms: 100 }, 60);
    expect(sut.limit).toBeGreaterThanOrEqual(32);
  });

  it('does not take a slower model for a queue for ever', () => {
    const sut = new BatchLimiter(64);
    work(sut, { atOnce: 32, ms: 100 }, 40);
    work(sut, { atOnce: 32, ms: 1_000 }, 150);
    expect(sut.limit).toBeGreaterThanOrEqual(32);
  });

  it('does not take larger batches for a queue', () => {
    const sut = new BatchLimiter(64);
    work(sut, { atOnce: 32, ms: 20 }, 3, 50);
    work(sut, { atOnce: 32, ms: 100 }, 40);
    expect(sut.limit).toBeGreaterThanOrEqual(32);
  });

  it('halves when batches are refused, once for all that were in flight together', () => {
    const sut = new BatchLimiter(64);
    work(sut, { atOnce: 1_000, ms: 100 }, 5);
    const permits = Array.from({ length: 32 }, () => sut.begin());

    for (const permit of permits) permit.overloaded();
    expect(sut.limit).toBe(16);

    sut.begin().overloaded();
    expect(sut.limit).toBe(8);
  });

  it('adds one a round after a refusal', () => {
    const sut = new BatchLimiter(64);
    work(sut, { atOnce: 1_000, ms: 100 }, 4);
    sut.begin().overloaded();
    expect(work(sut, { atOnce: 1_000, ms: 100 }, 3)).toEqual([9, 10, 11]);
  });

  it('never goes below one', () => {
    const sut = new BatchLimiter(64);
    for (let i = 0; i < 5; i++) sut.begin().overloaded();
    sut.crowdReported('queue');
    sut.crowdReported('queue');
    expect(sut.limit).toBe(1);
  });

  it('does not grow while somebody waits, and shrinks when that lasts', () => {
    const sut = new BatchLimiter(64);
    work(sut, { atOnce: 1_000, ms: 100 }, 5);

    sut.crowdReported('queue');
    expect(work(sut, { atOnce: 1_000, ms: 100 }, 5)).toEqual([32, 32, 32, 32, 32]);
    sut.crowdReported('queue');
    expect(sut.limit).toBe(28);

    sut.crowdReported('none');
    expect(work(sut, { atOnce: 1_000, ms: 100 }, 2)).toEqual([29, 30]);
  });

  it('makes way for chats at once', () => {
    const sut = new BatchLimiter(64);
    work(sut, { atOnce: 1_000, ms: 100 }, 5);
    sut.crowdReported('chats');
    sut.crowdReported('chats');
    expect(sut.limit).toBe(8);
    expect(work(sut, { atOnce: 1_000, ms: 100 }, 3)).toEqual([8, 8, 8]);
  });

  it('does not grow while there is less to do than it allows', () => {
    const sut = new BatchLimiter(64);
    work(sut, { atOnce: 1_000, ms: 100 }, 3);
    for (let i = 0; i < 100; i++) sut.begin().succeeded({ latencyMs: 100, size: SIZE });
    expect(sut.limit).toBe(8);
  });

  it('counts a batch once, however often it is ended', () => {
    const sut = new BatchLimiter(64);
    const permit = sut.begin();
    expect(sut.inFlight).toBe(1);
    permit.dropped();
    permit.dropped();
    permit.overloaded();
    expect(sut).toMatchObject({ inFlight: 0, limit: 1 });
  });
});
