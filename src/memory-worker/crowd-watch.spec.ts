import { setTimeout as pause } from 'node:timers/promises';
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

  function keepBusy(ms: number): void {
    const until = performance.now() + ms;
    while (performance.now() < until);
  }

  beforeEach(() => {
    Object.assign(vorpal, { chatsBegun: 0, waiting: undefined, asked: 0 });
  });

  it('sees chats that a busy event loop holds up', async () => {
    const sut = make();
    await sut.look(never);

    vorpal.chatsBegun += 1;
    keepBusy(50);
    await expect(sut.look(never)).resolves.toBe('chats');

    keepBusy(50);
    await expect(sut.look(never)).resolves.toBe('none');
  });

  it('sees no harm in chats while the event loop has time for them', async () => {
    const sut = make();
    await sut.look(never);

    vorpal.chatsBegun += 1;
    await pause(500);
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
