import { jest } from '@jest/globals';
import { performance } from 'node:perf_hooks';
import { readSettings } from '../config/index.js';
import type { VorpalClient } from '../vorpal/index.js';
import { CrowdWatch } from './crowd-watch.js';

const never = new AbortController().signal;

describe(CrowdWatch.name, () => {
  const vorpal = { chatsBegun: 0, waiting: undefined as number | undefined, asked: 0 };
  const client = {
    get chatsBegun() {
      return vorpal.chatsBegun;
    },
    async waitingRequests() {
      vorpal.asked += 1;
      return vorpal.waiting;
    },
  } as unknown as VorpalClient;

  const make = (environment: NodeJS.ProcessEnv = { VORPAL_URL: 'http://127.0.0.1:9' }): CrowdWatch =>
    new CrowdWatch(client, readSettings(environment));

  /** What a look finds the event loop to have been busy with since the one before. */
  const busyShares = (...shares: number[]): void => {
    const use = { idle: 0, active: 0, utilization: 0 };
    jest
      .spyOn(performance, 'eventLoopUtilization')
      .mockImplementation((since, before) => (before ? { ...use, utilization: shares.shift() ?? 0 } : (since ?? use)));
  };

  beforeEach(() => {
    Object.assign(vorpal, { chatsBegun: 0, waiting: undefined, asked: 0 });
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('sees chats that a busy event loop holds up', async () => {
    busyShares(0, 0.9, 0.9);
    const sut = make();
    await sut.look(never);

    vorpal.chatsBegun += 1;
    await expect(sut.look(never)).resolves.toBe('chats');

    await expect(sut.look(never)).resolves.toBe('none');
  });

  it('sees no harm in chats while the event loop has time for them', async () => {
    busyShares(0, 0.1);
    const sut = make();
    await sut.look(never);

    vorpal.chatsBegun += 1;
    await expect(sut.look(never)).resolves.toBe('none');
  });

  it.each([
    [3, 'queue'],
    [0, 'none'],
    [undefined, 'none'],
  ])('takes %s waiting requests for: %s', async (waiting, crowd) => {
    vorpal.waiting = waiting;
    await expect(make().look(never)).resolves.toBe(crowd);
  });

  it('asks nothing where only one batch is in flight anyway, as with the embedded Vorpal', async () => {
    vorpal.waiting = 7;
    await expect(make({}).look(never)).resolves.toBe('none');
    expect(vorpal.asked).toBe(0);
  });
});
