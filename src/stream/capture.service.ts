import { Injectable, Logger } from '@nestjs/common';
import { describeError, sleep } from '../shared/index.js';
import { InputStream, type StreamEntry } from './input-stream.port.js';

// Without these two a stream that hangs fills the memory with messages nobody has stored: the first bounds the number of
// appends under way, the second what they hold (UTF-16 code units; two bytes each at most).
const MAX_IN_FLIGHT = 10_000;
const MAX_IN_FLIGHT_CHARACTERS = 64 * 1_024 * 1_024;
// A stream that is down fails every capture; one line for each would bury the log.
const REPORT_INTERVAL_MS = 1_000;

/** Sends messages to the stream without anyone waiting for it: a capture never delays and never fails a chat. */
@Injectable()
export class CaptureService {
  private readonly logger = new Logger('Capture');
  private readonly landing = new Set<Promise<void>>();
  private charactersInFlight = 0;
  private capturedCount = 0;
  private failedCount = 0;
  private unreported = 0;
  private lastReason = '';
  private reportTimer: NodeJS.Timeout | undefined;

  constructor(private readonly stream: InputStream) {}

  /** Entries that the stream has. */
  get captured(): number {
    return this.capturedCount;
  }

  /** Entries that were lost: the stream refused them, or too many were under way. Each is in the log. */
  get failed(): number {
    return this.failedCount;
  }

  /** Appends under way. */
  get inFlight(): number {
    return this.landing.size;
  }

  /** Starts appending `entry`. Never throws; a failure is logged and counted. */
  capture(entry: StreamEntry): void {
    const characters = entry.message.length + entry.context.length;
    if (this.landing.size >= MAX_IN_FLIGHT || this.charactersInFlight + characters > MAX_IN_FLIGHT_CHARACTERS) {
      this.fail(`the stream is too slow: ${this.landing.size} appends are under way`);
      return;
    }
    this.charactersInFlight += characters;
    const landed = this.append(entry).finally(() => {
      this.charactersInFlight -= characters;
      this.landing.delete(landed);
    });
    this.landing.add(landed);
  }

  /** Waits up to `timeoutMs` for the appends under way. */
  async drain(timeoutMs: number): Promise<void> {
    if (this.landing.size > 0) {
      const drained = new AbortController();
      const all = Promise.all(this.landing).then(() => {
        drained.abort();
      });
      await Promise.race([all, sleep(timeoutMs, drained.signal)]);
    }
    if (this.landing.size > 0)
      this.logger.error(`${this.landing.size} message(s) may be lost: the stream did not answer in time`);
    this.report();
  }

  private async append(entry: StreamEntry): Promise<void> {
    try {
      await this.stream.append(entry);
      this.capturedCount += 1;
    } catch (error) {
      this.fail(describeError(error));
    }
  }

  private fail(reason: string): void {
    this.failedCount += 1;
    this.unreported += 1;
    this.lastReason = reason;
    // The first failure is told at once, those of the second after it together.
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
