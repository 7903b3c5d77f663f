import { Logger } from '@nestjs/common';
import { dirname } from 'node:path';
import { setImmediate as endOfTick } from 'node:timers/promises';
import { describeError, fullJitterBackoffMs, sleep, withTimeLimit } from '../../shared/index.js';
import type { StreamEntry } from '../input-stream.port.js';
import { SpoolInUseError } from '../stream.errors.js';
import { DiskProbe } from './disk-probe.js';
import { LineBuffer } from './line-buffer.js';
import { PORTION_BYTES, PORTION_ENTRIES, SpoolFiles, type SpoolPortion } from './spool-files.js';
import { abandonedNames } from './spool-folder.js';
import { decodeLine, encodeLine } from './spool-lines.js';

// Room on the disk comes back a segment at a time, so the spool has at least this many…
const MIN_SEGMENTS = 8;
// …and none is larger: after a crash a segment that was partly sent is resent as a whole.
const MAX_SEGMENT_BYTES = 4 * 1_024 * 1_024;
// Entries that are not on the disk yet. Without a bound a disk that hangs fills the memory.
const MAX_UNWRITTEN_BYTES = 64 * 1_024 * 1_024;
// Beyond these two limits entries that are not on the disk count as in danger, and the process as unready. A shorter
// time would also report every outage of Redis: while a command to a Redis that hangs runs, entries are not written.
const OVERDUE_MS = 10_000;
const OVERDUE_BYTES = MAX_UNWRITTEN_BYTES / 2;
// One write and its sync; a larger one would delay the portions that are read meanwhile.
const MAX_WRITE_BYTES = 1_024 * 1_024;
// A message with two turns of context. With the longest message allowed, a spool that takes thousands would count as
// full.
const TYPICAL_LINE_BYTES = 4_096;
const WRITE_BACKOFF = { initialMs: 200, maxMs: 5_000 };
// Full jitter may give zero; the floor keeps a full disk from being written without pause.
const WRITE_FLOOR_MS = 100;

export interface SpoolOptions {
  readonly folder: string;
  /** Most bytes on the disk, including entries that are sent already and share a file with others. */
  readonly maxBytes: number;
  /** How long to wait at the start for a process of the same name that is stopping. */
  readonly lockWaitMs: number;
}

/**
 * A queue of entries in files, first in, first out. `add` does not wait for the disk; the entries of one tick share one
 * sync. While the disk cannot be written, entries are held in memory, up to a bound, and can be taken from there. One
 * reader at a time.
 */
export class CaptureSpool {
  private readonly logger = new Logger('Spool');
  private readonly closing = new AbortController();
  private readonly probe: DiskProbe;
  private readonly files: SpoolFiles;
  /** Lines behind those of the files. */
  private readonly unwritten = new LineBuffer();
  /** The write that is running. */
  private attempt: Promise<boolean> | undefined;
  private isWriting = false;
  /** Why the last write failed; `undefined` after one that succeeded. */
  private writeFailure: string | undefined;
  /**
   * All entries on the disk are sent, and the reader takes those in memory. They are not written meanwhile: the reader
   * would wait for the disk while new ones come, and never reach the end.
   */
  private isHeld = false;
  private isPortionInMemory = false;

  constructor(private readonly options: SpoolOptions) {
    const { folder, maxBytes } = options;
    const segmentBytes = Math.min(MAX_SEGMENT_BYTES, Math.ceil(maxBytes / MIN_SEGMENTS));
    this.probe = new DiskProbe(folder, TYPICAL_LINE_BYTES);
    this.files = new SpoolFiles(folder, segmentBytes, this.logger);
  }

  /** Entries that are not sent. */
  get waiting(): number {
    return this.files.waiting + this.unwritten.count;
  }

  /** Why an entry of typical length could not be written to the disk now, or `undefined`. */
  async refusal(): Promise<string | undefined> {
    const refusal = this.refusalOf(TYPICAL_LINE_BYTES);
    if (refusal !== undefined) return refusal;
    // Entries that wait to be written tell as much as a probe.
    return this.unwritten.count > 0 ? this.writeFailure : this.probe.failure();
  }

  /**
   * The problem where entries have been only in memory for too long, or too many are: they are lost with the process.
   */
  get danger(): string | undefined {
    const { count, bytes, heldMs } = this.unwritten;
    if (heldMs < OVERDUE_MS && bytes < OVERDUE_BYTES) return undefined;
    return (
      `${count} message(s) are in memory only, and the spool in ${this.options.folder} has not been written for ` +
      `${Math.round(heldMs / 1_000)} s (${this.writeFailure ?? 'the disk is too slow'})`
    );
  }

  /**
   * Finds the entries of the process before this one. Without a disk that can be written, the spool is in memory only.
   * @throws SpoolInUseError where another process of the same name runs and does not stop in time
   */
  async open(): Promise<void> {
    const { folder, lockWaitMs } = this.options;
    try {
      await this.files.open(lockWaitMs);
    } catch (error) {
      if (error instanceof SpoolInUseError) throw error;
      this.logger.warn(
        `Cannot write ${folder} (${describeError(error)}): while the stream is down, messages are held in memory ` +
          'only. Set BRAIN_DATA_DIR to a folder that this user can write',
      );
      return;
    }
    await this.warnOfAbandonedSpools();
  }

  /** Takes `entry`, or returns why not. */
  add(entry: StreamEntry): string | undefined {
    const line = encodeLine(entry);
    const refusal = this.refusalOf(line.length);
    if (refusal !== undefined) return refusal;
    this.unwritten.add(line);
    this.startWriting();
    return undefined;
  }

  /** The oldest entries. They remain until {@link shift}; where they could not be sent, call {@link release}. */
  async peek(): Promise<SpoolPortion> {
    for (;;) {
      if (this.files.hasUnsent) {
        this.isPortionInMemory = false;
        return this.files.read();
      }
      if (this.files.isAtEnd) {
        this.isHeld = true;
        if (this.attempt !== undefined) {
          await this.attempt;
          continue;
        }
      }
      if (this.files.isEmpty) return this.peekMemory();
      await this.files.removeFirst();
    }
  }

  /** Removes the first `count` entries of the last portion. */
  async shift(count: number): Promise<void> {
    if (count === 0 || this.closing.signal.aborted) return;
    if (this.isPortionInMemory) this.unwritten.drop(count);
    else this.files.markSent(count);
    if (this.waiting > 0) return;
    this.isHeld = false;
    await this.files.removeAll();
  }

  /** Allows entries in memory to be written again. */
  release(): void {
    this.isHeld = false;
    this.startWriting();
  }

  /** Writes the entries in memory, for up to `limitMs`. Returns how many could not be written, and are lost. */
  async close(limitMs: number): Promise<number> {
    this.closing.abort();
    try {
      // After a write that hangs the lock is kept: the write may still reach the file.
      await withTimeLimit(limitMs, () => this.writeRest());
      await this.files.close();
    } catch (error) {
      this.logger.error(`The spool was not closed properly: ${describeError(error)}`);
    }
    return this.unwritten.count;
  }

  private refusalOf(lineBytes: number): string | undefined {
    if (this.closing.signal.aborted) return 'the program is stopping';
    const { maxBytes } = this.options;
    if (this.files.bytes + this.unwritten.bytes + lineBytes > maxBytes) {
      return `the spool is full (STREAM_SPOOL_MAX_BYTES is ${maxBytes})`;
    }
    if (this.unwritten.bytes + lineBytes > MAX_UNWRITTEN_BYTES) {
      return 'the disk of the spool cannot be written, or is too slow, and the spool has no more room in memory';
    }
    return undefined;
  }

  /** A process that comes back under another name leaves its messages behind, and nobody would know. */
  private async warnOfAbandonedSpools(): Promise<void> {
    const parent = dirname(this.options.folder);
    try {
      const others = await abandonedNames(parent);
      if (others.length === 0) return;
      this.logger.warn(
        `${parent} holds messages captured under other names: ${others.join(', ')}. Start a brain once with ` +
          'STREAM_CONSUMER set to each name to send them',
      );
    } catch (error) {
      this.logger.debug(`Cannot look for other spools: ${describeError(error)}`);
    }
  }

  private peekMemory(): SpoolPortion {
    this.isPortionInMemory = true;
    const lines = this.unwritten.peek(PORTION_BYTES).slice(0, PORTION_ENTRIES);
    if (lines.length === 0) this.isHeld = false;
    return { entries: lines.map((line) => decodeLine(line)).filter((entry) => entry !== undefined), unreadable: 0 };
  }

  private startWriting(): void {
    if (!this.isWriting) void this.writeUnwritten();
  }

  private async writeUnwritten(): Promise<void> {
    this.isWriting = true;
    // The entries of one tick of the event loop share a sync.
    await endOfTick();
    for (let failures = 0; this.unwritten.count > 0 && !this.isHeld && !this.closing.signal.aborted;) {
      this.attempt = this.write();
      const written = await this.attempt;
      this.attempt = undefined;
      failures = written ? 0 : failures + 1;
      if (!written) {
        await sleep(WRITE_FLOOR_MS + fullJitterBackoffMs(failures - 1, WRITE_BACKOFF), this.closing.signal);
      }
    }
    this.isWriting = false;
  }

  private async writeRest(): Promise<void> {
    await this.attempt;
    do this.attempt = this.unwritten.count > 0 ? this.write() : undefined;
    while (await this.attempt);
  }

  /** Whether the first lines in memory are on the disk now. */
  private async write(): Promise<boolean> {
    const lines = this.unwritten.peek(Math.min(MAX_WRITE_BYTES, this.files.segmentBytes));
    try {
      await this.files.append(Buffer.concat(lines), lines.length);
    } catch (error) {
      await this.onWriteFailed(error);
      return false;
    }
    this.unwritten.drop(lines.length);
    if (this.writeFailure !== undefined) this.logger.log('The spool can be written again');
    this.writeFailure = undefined;
    return true;
  }

  private async onWriteFailed(error: unknown): Promise<void> {
    if (this.writeFailure === undefined) {
      this.logger.warn(`The spool cannot be written; messages are held in memory: ${describeError(error)}`);
    }
    this.writeFailure = describeError(error);
    await this.files.abandonTail();
  }
}
