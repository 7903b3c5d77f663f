import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { SeededRandom } from '../../../test/chaos/seeded-random.js';
import { memoryWorkerSettings } from '../memory-worker.settings.js';
import type { DeliveredEntry } from '../../stream/index.js';
import { VorpalOverloadedError, VorpalProtocolError, VorpalTimeoutError } from '../../vorpal/index.js';
import type { CanaryProbe } from './canary-probe.js';
import type { EntryProcessor } from '../entry-processor.js';
import { Quarantine } from './quarantine.js';
import type { UserSequencer } from '../scheduling/user-sequencer.js';
import { WorkerStatus } from '../worker-status.js';

const never = new AbortController().signal;
const garbled = new VorpalProtocolError('garbled');
const timedOut = new VorpalTimeoutError('too slow');
const ATTEMPTS = 3;

/** A Vorpal that answers one request, for an entry or a canary, rightly or not. */
type Vorpal = (message: string) => 'right' | 'garbled' | 'silent';

/** What the real one does with a single entry, for a Vorpal that fails as it is told to. */
class SingleEntryProcessor {
  readonly processed: string[] = [];
  readonly failedAttempts: string[] = [];
  readonly deadLetters: string[] = [];
  requests = 0;

  constructor(private readonly vorpal: Vorpal) {}

  async processAlone({ entry: { message } }: DeliveredEntry): Promise<unknown> {
    const answer = this.ask(message);
    if (answer === 'silent') return timedOut;
    if (answer === 'garbled') return garbled;
    this.processed.push(message);
    return undefined;
  }

  async recordFailure({ entry, deliveries }: DeliveredEntry): Promise<boolean> {
    this.failedAttempts.push(entry.message);
    if (deliveries < ATTEMPTS) return false;
    this.deadLetters.push(entry.message);
    return true;
  }

  async succeeds(): Promise<boolean> {
    return this.ask('canary') === 'right';
  }

  private ask(message: string): ReturnType<Vorpal> {
    this.requests += 1;
    return this.vorpal(message);
  }
}

describe(Quarantine.name, () => {
  const settings = memoryWorkerSettings({ WORKER_BACKOFF_MAX_MS: '10', STREAM_MAX_ATTEMPTS: String(ATTEMPTS) });
  let processor: SingleEntryProcessor;
  let sut: Quarantine;
  let now: number;
  let settled: DeliveredEntry[];
  let unblocked: string[];
  let seed = 1;

  beforeEach(() => {
    for (const level of ['error', 'warn'] as const) {
      jest.spyOn(Logger.prototype, level).mockImplementation(() => undefined);
    }
    now = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    const random = new SeededRandom(seed++);
    jest.spyOn(Math, 'random').mockImplementation(() => random.next());
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  function make(vorpal: Vorpal): void {
    processor = new SingleEntryProcessor(vorpal);
    settled = [];
    unblocked = [];
    const canary = { succeeds: () => processor.succeeds(), succeedsFor: () => processor.succeeds() };
    sut = new Quarantine(
      processor as unknown as EntryProcessor,
      {
        unblock: (all: readonly DeliveredEntry[]) => unblocked.push(...all.map(({ receipt }) => receipt)),
      } as unknown as UserSequencer,
      canary as unknown as CanaryProbe,
      new WorkerStatus(settings),
      settings,
    );
  }

  const delivered = (message: string, deliveries = 1): DeliveredEntry => {
    const entry = { message, id: message, context: '' } as DeliveredEntry['entry'];
    return { entry, receipt: message, deliveries };
  };
  const quarantine = (message: string): void => {
    sut.addFailed([{ delivered: delivered(message), failure: garbled }]);
  };
  const settledMessages = (): string[] => settled.map(({ entry }) => entry.message);

  async function tryFor(tries: number): Promise<void> {
    for (let tried = 0; tried < tries && sut.size > 0; tried++) {
      now += 60_000;
      await sut.tryNext(never, (one) => settled.push(one));
    }
  }

  /** Has an entry tried until it is processed or a dead letter: what was counted as failed is delivered again. */
  async function toTheEnd(message: string): Promise<void> {
    quarantine(message);
    for (let deliveries = 2; ; deliveries++) {
      await tryFor(100_000);
      if (processor.processed.at(-1) === message || processor.deadLetters.at(-1) === message) return;
      sut.add([delivered(message, deliveries)]);
    }
  }

  it('processes an entry that was not to blame', async () => {
    make(() => 'right');
    quarantine('harmless');
    await tryFor(1);
    expect([processor.processed, settledMessages(), sut.size]).toEqual([['harmless'], ['harmless'], 0]);
    expect(processor.requests).toBe(2);
  });

  it.each(['garbled', 'silent'] as const)(
    'counts one failed attempt of an entry whose answer is %s while canaries succeed',
    async (failure) => {
      make((message) => (message === 'poison' ? failure : 'right'));
      quarantine('poison');
      quarantine('harmless');
      await tryFor(2);
      expect([processor.failedAttempts, processor.processed]).toEqual([['poison'], ['harmless']]);
      expect(settledMessages()).toEqual(['poison', 'harmless']);
    },
  );

  it('makes an entry that always fails a dead letter after its attempts', async () => {
    make((message) => (message === 'poison' ? 'garbled' : 'right'));
    await toTheEnd('poison');
    expect(processor.failedAttempts).toEqual(['poison', 'poison', 'poison']);
    expect(processor.deadLetters).toEqual(['poison']);
  });

  it('knows an entry by its counted failure until it is processed or a dead letter', async () => {
    let isPoison = true;
    make((message) => (message === 'canary' || !isPoison ? 'right' : 'garbled'));
    const again = (message: string): DeliveredEntry => delivered(message, ATTEMPTS);
    quarantine('one');
    quarantine('two');
    await tryFor(2);
    expect([sut.knows(again('one')), sut.knows(again('two')), sut.knows(again('three'))]).toEqual([true, true, false]);
    sut.add([again('one')]);
    await tryFor(1);
    isPoison = false;
    sut.add([again('two')]);
    await tryFor(1);
    expect([sut.knows(again('one')), sut.knows(again('two'))]).toEqual([false, false]);
  });

  it.each(['garbled', 'silent'] as const)('blames no entry while every answer is %s', async (failure) => {
    make(() => failure);
    quarantine('harmless');
    await tryFor(200);
    expect([processor.failedAttempts, settled, sut.size]).toEqual([[], [], 1]);
  });

  it('counts nothing for an entry that fails as an outage begins', async () => {
    let isDown = false;
    make((message) => {
      isDown ||= message === 'harmless';
      return isDown ? 'garbled' : 'right';
    });
    quarantine('harmless');
    await tryFor(20);
    make(() => 'right');
    expect(processor.failedAttempts).toEqual([]);
  });

  it.each([
    ['garbled', 0.05],
    ['garbled', 0.1],
    ['garbled', 0.3],
    ['garbled', 0.5],
    ['garbled', 0.9],
    ['silent', 0.1],
    ['silent', 0.3],
    ['silent', 0.5],
  ] as const)('makes no harmless entry a dead letter if answers are %s with probability %s', async (failure, share) => {
    make(() => (Math.random() < share ? failure : 'right'));
    for (let entry = 0; entry < 2_000; entry++) await toTheEnd(`harmless ${entry}`);
    expect(processor.deadLetters).toEqual([]);
    expect(processor.processed).toHaveLength(2_000);
    // At worst 4.2 % of the entries have an attempt counted; three in a row make a dead letter.
    expect(processor.failedAttempts.length).toBeLessThan(0.06 * 2_000);
  });

  it('blames no entry for a load balancer that alternates between a good server and a bad one', async () => {
    let request = 0;
    make(() => (request++ % 2 === 0 ? 'right' : 'garbled'));
    for (let entry = 0; entry < 100; entry++) quarantine(`harmless ${entry}`);
    await tryFor(1_000);
    expect(processor.failedAttempts).toEqual([]);
  });

  it('counts the failure of an entry that crashes the server, once the server is back', async () => {
    let failuresLeft = 0;
    make((message) => {
      if (message === 'deadly') failuresLeft = 3;
      else if (failuresLeft > 0) failuresLeft -= 1;
      else return 'right';
      return 'silent';
    });
    await toTheEnd('deadly');
    expect(processor.deadLetters).toEqual(['deadly']);
  });

  it('does not stop at a fault of the program', async () => {
    make(() => {
      throw new TypeError('a fault');
    });
    quarantine('one');
    await tryFor(3);
    expect(sut.size).toBe(1);
  });

  it('counts nothing while the entry meets another outage', async () => {
    make(() => 'right');
    jest.spyOn(processor, 'processAlone').mockRejectedValue(new VorpalOverloadedError('full'));
    quarantine('one');
    await tryFor(3);
    expect([processor.failedAttempts, sut.size]).toEqual([[], 1]);
  });

  it('lets nobody wait for what it takes', () => {
    make(() => 'right');
    quarantine('one');
    quarantine('two');
    expect(unblocked).toEqual(['one', 'two']);
  });

  it('has a bound', () => {
    make(() => 'right');
    for (let entry = 0; entry < 256; entry++) quarantine(String(entry));
    expect([sut.hasRoomFor(0), sut.hasRoomFor(1)]).toEqual([true, false]);
  });
});
