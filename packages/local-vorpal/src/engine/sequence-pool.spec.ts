import { QueueFullError } from '../errors.js';
import { type Lane, type Lease, SequencePool } from './sequence-pool.js';

const never = new AbortController().signal;

/** A pool whose grants are recorded in the order in which they happen. */
function observe(sequences: number, queueLimit = 100) {
  const pool = new SequencePool(
    Array.from({ length: sequences }, (_, index) => index),
    queueLimit,
  );
  const granted: string[] = [];
  const leases = new Map<string, Lease<number>>();
  const ask = (name: string, lane: Lane, signal = never): Promise<void> =>
    pool.acquire({ lane, signal }).then((lease) => {
      granted.push(name);
      leases.set(name, lease);
    });
  const release = async (name: string): Promise<void> => {
    leases.get(name)!.release();
    await settle();
  };
  return { pool, granted, ask, release };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe(SequencePool.name, () => {
  it('lends every sequence once and makes the next one wait', async () => {
    const { pool, granted, ask, release } = observe(2);
    void ask('a', 'interactive');
    void ask('b', 'interactive');
    void ask('c', 'interactive');
    await settle();
    expect(granted).toEqual(['a', 'b']);
    expect([pool.runningCount, pool.waitingCount]).toEqual([2, 1]);
    await release('b');
    expect(granted).toEqual(['a', 'b', 'c']);
    expect([pool.runningCount, pool.waitingCount]).toEqual([2, 0]);
  });

  it('serves a lane in the order of arrival', async () => {
    const { granted, ask, release } = observe(1);
    for (const name of ['a', 'b', 'c']) void ask(name, 'background');
    await settle();
    await release('a');
    await release('b');
    expect(granted).toEqual(['a', 'b', 'c']);
  });

  it('prefers interactive work', async () => {
    const { granted, ask, release } = observe(1);
    void ask('first', 'background');
    await settle();
    void ask('score', 'background');
    void ask('chat', 'interactive');
    await settle();
    await release('first');
    expect(granted).toEqual(['first', 'chat']);
  });

  it('never lets background work take the last sequence', async () => {
    const { granted, ask } = observe(3);
    for (const name of ['a', 'b', 'c']) void ask(name, 'background');
    await settle();
    expect(granted).toEqual(['a', 'b']);
    void ask('chat', 'interactive');
    await settle();
    expect(granted).toEqual(['a', 'b', 'chat']);
  });

  it('keeps one sequence for background work that waits while chats queue up', async () => {
    const { granted, ask, release } = observe(2);
    for (const name of ['chat 1', 'chat 2', 'chat 3', 'chat 4']) void ask(name, 'interactive');
    void ask('score', 'background');
    await settle();
    expect(granted).toEqual(['chat 1', 'chat 2']);
    await release('chat 1');
    expect(granted.at(-1)).toBe('score');
    await release('chat 2');
    expect(granted.at(-1)).toBe('chat 3');
  });

  it('refuses what the queue has no room for, without waiting', async () => {
    const { pool, ask } = observe(1, 2);
    void ask('a', 'interactive');
    void ask('b', 'interactive');
    void ask('c', 'background');
    await expect(ask('d', 'interactive')).rejects.toThrow(QueueFullError);
    expect(() => {
      pool.assertRoomFor(1);
    }).toThrow(QueueFullError);
  });

  it('gives the place in the queue of an aborted request to others', async () => {
    const { pool, granted, ask, release } = observe(1, 1);
    const gone = new AbortController();
    void ask('a', 'interactive');
    const waiting = ask('b', 'interactive', gone.signal);
    gone.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    expect(pool.waitingCount).toBe(0);
    void ask('c', 'interactive');
    await release('a');
    expect(granted).toEqual(['a', 'c']);
  });

  it('does not lend to a request that was aborted before', async () => {
    const { ask } = observe(1);
    await expect(ask('a', 'interactive', AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
  });

  it('counts a lease that is released twice once', async () => {
    const { pool, ask, release } = observe(2);
    void ask('a', 'interactive');
    await settle();
    await release('a');
    await release('a');
    expect(pool.runningCount).toBe(0);
  });

  it('lends the sequence that suits best', async () => {
    const pool = new SequencePool(['short', 'the longest', 'longer'], 1);
    const options = { lane: 'interactive', signal: never, suitability: (name: string) => name.length } as const;
    expect((await pool.acquire(options)).sequence).toBe('the longest');
  });

  it('fails those who wait and those who come later once it is closed', async () => {
    const { pool, ask } = observe(1);
    void ask('a', 'interactive');
    const waiting = ask('b', 'interactive');
    pool.close(new Error('broken'));
    await expect(waiting).rejects.toThrow('broken');
    await expect(ask('c', 'interactive')).rejects.toThrow('broken');
  });
});
