import { Injectable, Logger } from '@nestjs/common';
import { describeError, fullJitterBackoffMs, sleep } from '../shared/index.js';
import { type PendingAppend, PendingAppends } from './pending-appends.js';
import { InputStream, type StreamEntry } from './input-stream.port.js';
import { CaptureSpool } from './spool/index.js';
import { StreamUnavailableError } from './stream.errors.js';

// Without these two a stream that hangs fills the memory: the first bounds the number of appends under way, the second
// what they hold (UTF-16 code units). What comes on top goes to the spool, which must have room in memory for all of it
// when the stream turns out to be gone.
const MAX_IN_FLIGHT = 10_000;
const MAX_IN_FLIGHT_CHARACTERS = 16 * 1_024 * 1_024;
const RESEND_BACKOFF = { initialMs: 100, maxMs: 3_000 };
// Full jitter may give zero; the floor keeps an unreachable stream from being retried without pause.
const RESEND_FLOOR_MS = 50;
// With a full spool every capture fails; one line for each would flood the log.
const REPORT_INTERVAL_MS = 1_000;

/**
 * Sends messages to the stream without anyone waiting for it: a capture never delays and never fails a chat.
 *
 * While the stream cannot be reached messages go to the spool. They, and all that come after them, are sent from there,
 * so that the stream has the messages of this process in the order of their captures. A message that is sent twice,
 * because nobody knows what became of the first attempt, is recognised by its id.
 */
@Injectable()
export class CaptureService {
  private readonly logger = new Logger('Capture');
  private readonly pending = new PendingAppends();
  private readonly stopping = new AbortController();
  /** While it is there, captures queue in the spool. */
  private sending: Promise<void> | undefined;
  private charactersInFlight = 0;
  private capturedCount = 0;
  private failedCount = 0;
  private unreported = 0;
  private lastReason = '';
  private reportTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly stream: InputStream,
    private readonly spool: CaptureSpool,
  ) {}

  /** Entries that the stream has. */
  get captured(): number {
    return this.capturedCount;
  }

  /** Entries that wait in the spool now. */
  get spooled(): number {
    return this.spool.waiting;
  }

  /** The problem where captured messages would be lost with this process. */
  get danger(): string | undefined {
    return this.spool.danger;
  }

  /** Entries that were lost: the spool had no room, or the stream refused them. Each is logged. */
  get failed(): number {
    return this.failedCount;
  }

  /** Appends that are not finished. */
  get inFlight(): number {
    return this.pending.count;
  }

  /**
   * Sends what a former process left in the spool. For the process that captures: a command beside it would send the
   * same files.
   */
  async start(): Promise<void> {
    await this.spool.open();
    if (this.spool.waiting === 0) return;
    this.logger.log(`${this.spool.waiting} message(s) of a former run wait in the spool and are sent first`);
    this.sending = this.sendSpooled(0);
  }

  /** Why a message would not be kept while the stream cannot be reached, or `undefined`. */
  spoolRefusal(): Promise<string | undefined> {
    return this.spool.refusal();
  }

  /** Starts appending `entry`. Never throws; a failure is logged and counted. */
  capture(entry: StreamEntry): void {
    const characters = entry.message.length + entry.context.length;
    const isTooMuch =
      this.pending.length >= MAX_IN_FLIGHT || this.charactersInFlight + characters > MAX_IN_FLIGHT_CHARACTERS;
    if (isTooMuch && this.sending === undefined) {
      this.fallBack(`the stream is too slow; ${this.pending.count} appends are not finished`);
    }
    if (isTooMuch || this.sending !== undefined) this.toSpool(entry);
    else this.launch(entry, characters);
  }

  /**
   * Waits up to `landMs` for the appends under way. What has not landed by then goes to the spool, where the next
   * process finds it; `spoolMs` is for writing it.
   */
  async drain(landMs: number, spoolMs: number): Promise<void> {
    this.stopping.abort();
    const done = new AbortController();
    const all = Promise.all([this.sending, ...this.pending.current().map(({ settled }) => settled)]).then(() => {
      done.abort();
    });
    await Promise.race([all, sleep(landMs, done.signal)]);
    this.spoolUnderWay();
    const lost = await this.spool.close(spoolMs);
    if (lost > 0) this.fail('the spool could not be written before the program stopped', lost);
    const left = this.spool.waiting - lost;
    if (left > 0) this.logger.log(`${left} message(s) wait in the spool for the next start`);
    this.report();
  }

  private launch(entry: StreamEntry, characters: number): void {
    const append: PendingAppend = {
      entry,
      characters,
      settled: Promise.resolve(),
      isSpooled: false,
      isFinished: false,
    };
    this.pending.add(append);
    this.charactersInFlight += characters;
    append.settled = this.land(append);
  }

  private async land(append: PendingAppend): Promise<void> {
    try {
      await this.stream.append(append.entry);
      if (!append.isSpooled) this.capturedCount += 1;
    } catch (error) {
      if (append.isSpooled) return;
      if (error instanceof StreamUnavailableError) this.fallBack(describeError(error));
      else this.fail(describeError(error));
    } finally {
      this.pending.finish(append);
      this.charactersInFlight -= append.characters;
    }
  }

  private fallBack(reason: string): void {
    this.spoolUnderWay();
    // A spool without any room changes nothing.
    if (this.sending !== undefined || this.spool.waiting === 0) return;
    this.logger.warn(`Messages go to the spool until the stream takes them again: ${reason}`);
    this.sending = this.sendSpooled(1);
  }

  /** Spools all pending appends, not only the failed one: what fails later would stand behind newer messages. */
  private spoolUnderWay(): void {
    for (const append of this.pending.current()) {
      if (append.isSpooled) continue;
      append.isSpooled = true;
      this.toSpool(append.entry);
    }
  }

  private toSpool(entry: StreamEntry): void {
    try {
      const refusal = this.spool.add(entry);
      if (refusal !== undefined) this.fail(refusal);
    } catch (error) {
      this.fail(describeError(error));
    }
  }

  /** Sends the spool, oldest entry first, until it is empty; from then on captures go to the stream again. */
  private async sendSpooled(failures: number): Promise<void> {
    const { signal } = this.stopping;
    let sent = 0;
    for (let failed = failures; !signal.aborted;) {
      const pauseMs = failed === 0 ? 0 : RESEND_FLOOR_MS + fullJitterBackoffMs(failed - 1, RESEND_BACKOFF);
      if (pauseMs > 0 && !(await sleep(pauseMs, signal))) return;
      if (this.spool.waiting === 0) {
        this.sending = undefined;
        this.logger.log(`The stream takes messages again; ${sent} from the spool were sent`);
        return;
      }
      try {
        const { landed, isComplete } = await this.sendPortion();
        sent += landed;
        failed = isComplete ? 0 : failed + 1;
      } catch (error) {
        this.logger.error(`Cannot send the spool: ${describeError(error)}`);
        failed += 1;
      }
    }
  }

  private async sendPortion(): Promise<{ readonly landed: number; readonly isComplete: boolean }> {
    const { entries, unreadable } = await this.spool.peek();
    if (unreadable > 0) this.fail('damaged in the spool', unreadable);
    const outcomes = await Promise.allSettled(entries.map(async (entry) => this.stream.append(entry)));
    const isUnavailable = (outcome: PromiseSettledResult<unknown>): boolean =>
      outcome.status === 'rejected' && outcome.reason instanceof StreamUnavailableError;
    const firstFailed = outcomes.findIndex(isUnavailable);
    const done = firstFailed === -1 ? outcomes : outcomes.slice(0, firstFailed);
    for (const outcome of done) {
      if (outcome.status === 'fulfilled') this.capturedCount += 1;
      else this.fail(describeError(outcome.reason));
    }
    await this.spool.shift(done.length);
    if (firstFailed !== -1) this.spool.release();
    return { landed: done.length, isComplete: firstFailed === -1 };
  }

  private fail(reason: string, messages = 1): void {
    this.failedCount += messages;
    this.unreported += messages;
    this.lastReason = reason;
    // The first failure is logged at once, those of the following second together.
    if (this.reportTimer === undefined) this.report();
  }

  private report(): void {
    clearTimeout(this.reportTimer);
    this.reportTimer = undefined;
    if (this.unreported === 0) return;
    this.logger.error(`${this.unreported} message(s) not captured: ${this.lastReason}`);
    this.unreported = 0;
    this.reportTimer = setTimeout(() => {
      this.report();
    }, REPORT_INTERVAL_MS).unref();
  }
}
