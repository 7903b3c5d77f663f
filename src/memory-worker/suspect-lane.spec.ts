import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { SeededRandom } from '../../test/chaos/seeded-random.js';
import { readSettings } from '../config/index.js';
import type { DeliveredEntry } from '../stream/index.js';
import { VorpalProtocolError, VorpalTimeoutError } from '../vorpal/index.js';
import type { ControlRequest } from './control-request.js';
import type { EntryProcessor, Processed } from './entry-processor.js';
import { SuspectLane } from './suspect-lane.js';
import type { UserOrder } from './user-order.js';
import { WorkerStatus } from './worker-status.js';

const never = new AbortController().signal;
const garbled = new VorpalProtocolError('garbled');
const timedOut = new VorpalTimeoutError('too slow');

/** A Vorpal that answers one request, entry or control, rightly or not. */
type Vorpal = (message: string) => 'right' | 'garbled' | 'silent';

/** What the real one does with a single entry, for a Vorpal that fails as it is told to. */
class SingleEntryProcessor {
  readonly processed: string[] = [];
  readonly failedAttempts: string[] = [];
  readonly givenUp: string[] = [];
  requests = 0;

  constructor(private readonly vorpal: Vorpal) {}

  async process([delivered]: readonly DeliveredEntry[]): Promise<Processed> {
    const { message } = delivered!.entry;
    const answer = this.ask(message);
    if (answer === 'silent') throw timedOut;
    if (answer === 'garbled') {
      if (this.ask('control') !== 'right') throw garbled;
      return { doubts: [{ delivered: delivered!, failure: garbled }] };
    }
    this.processed.push(message);
    return { doubts: [] };
  }

  async recordFailure({ entry }: DeliveredEntry): Promise<void> {
    this.failedAttempts.push(entry.message);
  }

  async giveUp({ entry }: DeliveredEntry): Promise<void> {
    this.givenUp.push(entry.message);
  }

  async succeeds(): Promise<boolean> {
    return this.ask('control') === 'right';
  }

  private ask(message: string): ReturnType<Vorpal> {
    this.requests += 1;
    return this.vorpal(message);
  }
}

describe(SuspectLane.name, () => {
  const settings = readSettings({ WORKER_BACKOFF_MAX_MS: '10', STREAM_CLAIM_IDLE_MS: '1000' });
  let processor: SingleEntryProcessor;
  let status: WorkerStatus;
  let sut: SuspectLane;
  let now: number;
  let settled: string[];
  let passed: string[];
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
    status = new WorkerStatus(settings);
    settled = [];
    passed = [];
    const control = { succeeds: () => processor.succeeds(), succeedsFor: () => processor.succeeds() };
    sut = new SuspectLane(
      processor as unknown as EntryProcessor,
      {
        pass: (all: readonly DeliveredEntry[]) => passed.push(...all.map(({ receipt }) => receipt)),
      } as unknown as UserOrder,
      control as unknown as ControlRequest,
      status,
      settings,
    );
  }

  const suspect = (message: string): void => {
    const entry = { message, id: message, context: '' } as DeliveredEntry['entry'];
    sut.add([{ delivered: { entry, receipt: message, deliveries: 1 }, failure: garbled }]);
  };

  async function tryFor(tries: number): Promise<void> {
    for (let tried = 0; tried < tries && sut.size > 0; tried++) {
      now += 60_000;
      await sut.tryNext(never, ({ entry }) => settled.push(entry.message));
    }
  }

  it('processes what was not to blame', async () => {
    make(() => 'right');
    suspect('innocent');
    await tryFor(1);
    expect([processor.processed, settled, sut.size]).toEqual([['innocent'], ['innocent'], 0]);
    expect(processor.requests).toBe(1);
  });

  it('counts a failed attempt of an entry that fails again and again while control requests succeed', async () => {
    make((message) => (message === 'poison' ? 'garbled' : 'right'));
    suspect('poison');
    suspect('innocent');
    await tryFor(2);
    expect([processor.failedAttempts, processor.processed]).toEqual([['poison'], ['innocent']]);
    expect(settled).toEqual(['poison', 'innocent']);
  });

  it('blames nothing on an entry while Vorpal fails on everything', async () => {
    make(() => 'garbled');
    suspect('innocent');
    await tryFor(200);
    expect([processor.failedAttempts, settled, sut.size]).toEqual([[], [], 1]);
  });

  it.each([
    ['half of its requests', () => Math.random() < 0.5],
    ['a third of its requests', () => Math.random() < 1 / 3],
    ['nine of ten requests', () => Math.random() < 0.9],
  ])('finds hardly an innocent entry guilty even once where Vorpal fails on %s', async (_, fails) => {
    make(() => (fails() ? 'garbled' : 'right'));
    for (let entry = 0; entry < 10_000; entry++) {
      suspect(`innocent ${entry}`);
      await tryFor(1_000);
    }
    // 2^-10 of those that come here where half of the requests fail; three attempts in a row make a dead letter.
    expect(processor.failedAttempts.length).toBeLessThan(30);
    expect(processor.processed.length + processor.failedAttempts.length).toBe(10_000);
  });

  it('breaks the beat of servers that take turns, of which one fails', async () => {
    let request = 0;
    make(() => (request++ % 2 === 0 ? 'garbled' : 'right'));
    for (let entry = 0; entry < 2_000; entry++) {
      request += request % 2;
      suspect(`innocent ${entry}`);
      await tryFor(1_000);
    }
    expect(processor.failedAttempts.length).toBeLessThan(250);
  });

  it('gives up what is not answered time after time while control requests are, with growing pauses', async () => {
    make((message) => (message === 'hangs' ? 'silent' : 'right'));
    suspect('hangs');
    const gaps: number[] = [];
    let before = 0;
    while (sut.size > 0 && now < 600_000) {
      now += 100;
      await sut.tryNext(never, ({ entry }) => settled.push(entry.message));
      if (status.failed > gaps.length) {
        gaps.push(Math.round((now - before) / 1_000));
        before = now;
      }
    }
    expect(processor.givenUp).toEqual(['hangs']);
    expect(settled).toEqual(['hangs']);
    expect(gaps.slice(1)).toEqual([1, 2, 4, 8]);
  });

  it.each([
    [0.1, 2_000],
    [0.3, 500],
    [0.5, 50],
  ])('gives up no innocent entry where each request is lost with probability %s', async (share, entries) => {
    make(() => (Math.random() < share ? 'silent' : 'right'));
    for (let entry = 0; entry < entries; entry++) {
      suspect(`innocent ${entry}`);
      await tryFor(100_000);
    }
    expect(processor.givenUp).toEqual([]);
    expect(processor.processed).toHaveLength(entries);
  });

  it('gives up what the server dies of each time, and is back from after a while', async () => {
    let asksWhileDead = 0;
    make((message) => {
      if (message === 'deadly') asksWhileDead = 3;
      else if (asksWhileDead > 0) asksWhileDead -= 1;
      else return 'right';
      return 'silent';
    });
    suspect('deadly');
    await tryFor(100);
    expect(processor.givenUp).toEqual(['deadly']);
  });

  it('does not stop at a fault of the program', async () => {
    make(() => {
      throw new TypeError('a fault');
    });
    suspect('one');
    await tryFor(3);
    expect(sut.size).toBe(1);
  });

  it('lets nobody wait for what it takes', () => {
    make(() => 'right');
    suspect('one');
    suspect('two');
    expect(passed).toEqual(['one', 'two']);
  });

  it('has a bound', () => {
    make(() => 'right');
    for (let entry = 0; entry < 256; entry++) suspect(String(entry));
    expect([sut.hasRoomFor(0), sut.hasRoomFor(1)]).toEqual([true, false]);
  });
});
