import { Logger } from '@nestjs/common';
import { access, constants, mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as endOfTurn } from 'node:timers/promises';
import { ProcessLock, ProcessLockedError } from '../../infra/sqlite/index.js';
import { describeError, fullJitterBackoffMs, sleep, withTimeLimit } from '../../shared/index.js';
import type { StreamEntry } from '../input-stream.port.js';
import { SpoolInUseError } from '../stream.errors.js';
import { abandonedNames, SEGMENT_NAME, spoolLockPath } from './spool-folder.js';
import { decodeLine, encodeLine, linesOf } from './spool-lines.js';
import { SpoolSegment } from './spool-segment.js';
import { UnwrittenLines } from './unwritten-lines.js';
import { WriteTrial } from './write-trial.js';

// Room on the disk comes back a segment at a time, so the spool has at least this many…
const MIN_SEGMENTS = 8;
// …and none is larger: after a crash a segment that was partly sent is resent as a whole.
const MAX_SEGMENT_BYTES = 4 * 1_024 * 1_024;
// Entries that are not on the disk yet. Without a bound a disk that hangs fills the memory.
const MAX_UNWRITTEN_BYTES = 64 * 1_024 * 1_024;
// Past these two what is not on the disk counts as in danger, and the process as unfit to take more. Shorter than a command
// to a Redis that hangs, during which entries are held back, would call every outage one of the disk as well.
const OVERDUE_MS = 10_000;
const OVERDUE_BYTES = MAX_UNWRITTEN_BYTES / 2;
// One write and its sync; a larger one would hold back the portions that are read meanwhile.
const MAX_WRITE_BYTES = 1_024 * 1_024;
// What is read at a time, so that memory stays flat however full the spool is.
const PORTION_BYTES = 256 * 1_024;
const PORTION_ENTRIES = 64;
// What a message with two turns of context takes; the longest that is allowed would call a spool full that takes thousands.
const USUAL_LINE_BYTES = 4_096;
const WRITE_BACKOFF = { initialMs: 200, maxMs: 5_000 };
// Full jitter may give zero; the floor keeps a full disk from being asked without pause.
const WRITE_FLOOR_MS = 100;

export interface SpoolOptions {
  readonly folder: string;
  /** Most bytes on the disk, those included that are sent already and share a file with others. */
  readonly maxBytes: number;
  /** How long to wait at the start for a process of the same name that is stopping. */
  readonly lockWaitMs: number;
}

export interface SpoolPortion {
  /** The oldest entries, in order. */
  readonly entries: readonly StreamEntry[];
  /** Lines before them that were no entries; they are passed over. */
  readonly unreadable: number;
}

/**
 * A queue of entries in files, first in, first out. What is added is written behind the caller's back, the entries of a
 * moment with one sync. A disk that cannot be written costs nothing at once: entries are held in memory, up to a bound,
 * and can be taken from there. One taker at a time.
 */
export class CaptureSpool {
  private readonly logger = new Logger('Spool');
  private readonly closing = new AbortController();
  private readonly trial: WriteTrial;
  private readonly segmentBytes: number;
  private readonly segments: SpoolSegment[] = [];
  /** Without it nothing in the folder is touched. */
  private lock: ProcessLock | undefined;
  /** The last segment, while it can be written to. */
  private tail: SpoolSegment | undefined;
  /** Where the first entry that is not sent begins in the first segment. */
  private offset = 0;
  private nextNumber = 1;
  /** Lines behind those of the segments. */
  private readonly unwritten = new UnwrittenLines();
  /** The write under way. */
  private attempt: Promise<boolean> | undefined;
  private isWriting = false;
  /** Why the last write failed; `undefined` after one that did not. */
  private writeFailure: string | undefined;
  /**
   * All that is on the disk is sent, and the taker is at the entries in memory. They are not written meanwhile: the taker
   * would wait for the disk, new ones come in that time, and it would never be done.
   */
  private isHeld = false;
  /** Where each entry of the last portion ends in the first segment; `undefined` where they are in memory. */
  private portionEnds: readonly number[] | undefined;

  constructor(private readonly options: SpoolOptions) {
    this.trial = new WriteTrial(options.folder, USUAL_LINE_BYTES);
    this.segmentBytes = Math.min(MAX_SEGMENT_BYTES, Math.ceil(options.maxBytes / MIN_SEGMENTS));
  }

  /** Entries that are not sent. */
  get waiting(): number {
    return this.segments.reduce((sum, { left }) => sum + left, this.unwritten.count);
  }

  /** Why an entry of usual length would not be on the disk in a moment, or nothing. */
  async refusal(): Promise<string | undefined> {
    const refusal = this.refusalOf(USUAL_LINE_BYTES);
    if (refusal !== undefined) return refusal;
    // Those that wait to be written tell as much as a trial.
    return this.unwritten.count > 0 ? this.writeFailure : this.trial.failure();
  }

  /** What is wrong where entries have been in memory alone for too long, or too many: they end with the process. */
  get danger(): string | undefined {
    const { count, bytes, heldMs } = this.unwritten;
    if (heldMs < OVERDUE_MS && bytes < OVERDUE_BYTES) return undefined;
    return (
      `${count} message(s) are in memory only, and the spool in ${this.options.folder} has not been written for ` +
      `${Math.round(heldMs / 1_000)} s (${this.writeFailure ?? 'it takes too long'})`
    );
  }

  /**
   * Finds what a former process left. Without a disk the spool is one in memory.
   * @throws SpoolInUseError where another process of the same name runs, and goes on to
   */
  async open(): Promise<void> {
    const { folder, lockWaitMs } = this.options;
    try {
      await this.lockFolder(lockWaitMs);
      const names = await readdir(folder);
      for (const name of names.filter((name) => SEGMENT_NAME.test(name)).sort()) await this.openSegment(name);
      await access(folder, constants.W_OK);
    } catch (error) {
      if (error instanceof SpoolInUseError) throw error;
      this.logger.warn(
        `${folder} cannot be written (${describeError(error)}): while the stream is down, messages are held in memory ` +
          'only. Set BRAIN_DATA_DIR to a folder that this user can write',
      );
      return;
    }
    await this.tellOfOtherNames();
  }

  /** Takes `entry`, or says why not. */
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
      const [head] = this.segments;
      if (head !== undefined && this.offset < head.bytes) return this.peekSegment(head);
      if (head === undefined || head === this.tail) {
        this.isHeld = true;
        if (this.attempt !== undefined) {
          await this.attempt;
          continue;
        }
      }
      if (head === undefined) return this.peekMemory();
      await this.removeSegments(1);
    }
  }

  /** Removes the first `count` entries of the last portion. */
  async shift(count: number): Promise<void> {
    if (count === 0 || this.closing.signal.aborted) return;
    if (this.portionEnds === undefined) this.unwritten.drop(count);
    else {
      this.offset = this.portionEnds[count - 1] ?? this.offset;
      this.segments[0]?.passOver(count);
    }
    if (this.waiting > 0) return;
    this.isHeld = false;
    await this.removeSegments(this.segments.length);
  }

  /** Entries in memory may be written again. */
  release(): void {
    this.isHeld = false;
    this.startWriting();
  }

  /** Writes what is in memory, for up to `limitMs`. Returns how many entries could not be, and are lost. */
  async close(limitMs: number): Promise<number> {
    this.closing.abort();
    try {
      await withTimeLimit(limitMs, () => this.writeRest());
      await Promise.all(this.segments.map((segment) => segment.close()));
      // Not after a write that hangs: it may still reach the file.
      await this.lock?.release();
      this.lock = undefined;
    } catch (error) {
      this.logger.error(`The spool was not closed in order: ${describeError(error)}`);
    }
    return this.unwritten.count;
  }

  private async lockFolder(waitMs: number): Promise<void> {
    if (this.lock !== undefined) return;
    const { folder } = this.options;
    const onWait = (holder: string): void => {
      if (waitMs > 0) this.logger.warn(`${folder} is in use by ${holder}; waiting ${waitMs} ms for its end`);
    };
    await mkdir(folder, { recursive: true, mode: 0o700 });
    try {
      this.lock = await ProcessLock.acquire(spoolLockPath(folder), { waitMs, onWait });
    } catch (error) {
      throw error instanceof ProcessLockedError ? new SpoolInUseError(folder, error.holder) : error;
    }
  }

  private refusalOf(lineBytes: number): string | undefined {
    if (this.closing.signal.aborted) return 'the program is stopping';
    const { maxBytes } = this.options;
    if (this.bytes + lineBytes > maxBytes) return `the spool is full (STREAM_SPOOL_MAX_BYTES is ${maxBytes})`;
    if (this.unwritten.bytes + lineBytes > MAX_UNWRITTEN_BYTES) {
      return 'the disk of the spool cannot be written, or too slowly, and there is no more room in memory';
    }
    return undefined;
  }

  private get bytes(): number {
    return this.segments.reduce((sum, { bytes }) => sum + bytes, this.unwritten.bytes);
  }

  private async openSegment(name: string): Promise<void> {
    const path = join(this.options.folder, name);
    this.nextNumber = Number.parseInt(name, 10) + 1;
    try {
      const segment = await SpoolSegment.find(path);
      this.segments.push(segment);
    } catch (error) {
      this.logger.error(`${path} cannot be read and is left for the next start: ${describeError(error)}`);
    }
  }

  /** A process that comes back under another name would leave its messages here, and nobody would know. */
  private async tellOfOtherNames(): Promise<void> {
    const parent = dirname(this.options.folder);
    try {
      const others = await abandonedNames(parent);
      if (others.length === 0) return;
      this.logger.warn(
        `${parent} holds messages captured under other names: ${others.join(', ')}. Start a brain with ` +
          'STREAM_CONSUMER set to each once, and they are sent',
      );
    } catch (error) {
      this.logger.debug(`Could not look for other spools: ${describeError(error)}`);
    }
  }

  private async peekSegment(head: SpoolSegment): Promise<SpoolPortion> {
    try {
      return await this.readPortion(head);
    } catch (error) {
      this.logger.error(
        `${head.path} cannot be read; its ${head.left} message(s) are left for the next start: ${describeError(error)}`,
      );
      this.forgetHead();
      return { entries: [], unreadable: 0 };
    }
  }

  private async readPortion(head: SpoolSegment): Promise<SpoolPortion> {
    const start = this.offset;
    const restBytes = head.bytes - start;
    for (let bytes = PORTION_BYTES; ; bytes *= 2) {
      const wanted = Math.min(bytes, restBytes);
      const chunk = await head.read(start, wanted);
      if (chunk.length < wanted) throw new Error('the file is shorter than it was');
      const portion = this.decodePortion(head, chunk, wanted === restBytes);
      // A line longer than what was read: read more.
      if (portion.entries.length > 0 || portion.unreadable > 0) return portion;
    }
  }

  private decodePortion(head: SpoolSegment, chunk: Buffer, isLast: boolean): SpoolPortion {
    const start = this.offset;
    const entries: StreamEntry[] = [];
    const ends: number[] = [];
    let unreadable = 0;
    for (const { line, end } of linesOf(chunk, isLast)) {
      const entry = decodeLine(line);
      if (entry !== undefined) {
        entries.push(entry);
        ends.push(start + end);
      } else {
        // Behind an entry that is still to be sent it is passed over with the next portion.
        if (entries.length > 0) break;
        unreadable += 1;
        this.offset = start + end;
        head.passOver(1);
      }
      if (entries.length === PORTION_ENTRIES) break;
    }
    this.portionEnds = ends;
    return { entries, unreadable };
  }

  private peekMemory(): SpoolPortion {
    this.portionEnds = undefined;
    const lines = this.unwritten.peek(PORTION_BYTES).slice(0, PORTION_ENTRIES);
    if (lines.length === 0) this.isHeld = false;
    return { entries: lines.map((line) => decodeLine(line)).filter((entry) => entry !== undefined), unreadable: 0 };
  }

  private startWriting(): void {
    if (!this.isWriting) void this.writeUnwritten();
  }

  private async writeUnwritten(): Promise<void> {
    this.isWriting = true;
    // The entries of one turn of the event loop share a sync.
    await endOfTurn();
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
    const lines = this.unwritten.peek(Math.min(MAX_WRITE_BYTES, this.segmentBytes));
    const data = Buffer.concat(lines);
    try {
      const segment = await this.segmentFor(data.length);
      await segment.append(data, lines.length);
    } catch (error) {
      await this.onWriteFailed(error);
      return false;
    }
    this.unwritten.drop(lines.length);
    if (this.writeFailure !== undefined) this.logger.log('The spool can be written again');
    this.writeFailure = undefined;
    return true;
  }

  private async segmentFor(bytes: number): Promise<SpoolSegment> {
    const { tail } = this;
    if (tail !== undefined && (tail.bytes === 0 || tail.bytes + bytes <= this.segmentBytes)) return tail;
    await tail?.close();
    const created = await this.createSegment();
    this.segments.push(created);
    this.tail = created;
    return created;
  }

  private async createSegment(): Promise<SpoolSegment> {
    const { folder } = this.options;
    await this.lockFolder(0);
    for (;;) {
      const name = `${String(this.nextNumber++).padStart(12, '0')}.jsonl`;
      try {
        return await SpoolSegment.create(join(folder, name));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
  }

  private async onWriteFailed(error: unknown): Promise<void> {
    if (this.writeFailure === undefined) {
      this.logger.warn(`The spool cannot be written; messages are held in memory: ${describeError(error)}`);
    }
    this.writeFailure = describeError(error);
    const failed = this.tail;
    if (failed === undefined) return;
    this.tail = undefined;
    try {
      if (failed.bytes > 0) await failed.cutOffUnsynced();
      else {
        this.segments.splice(this.segments.indexOf(failed), 1);
        await failed.remove();
      }
    } catch (cause) {
      this.logger.debug(`${failed.path} keeps lines that are written again: ${describeError(cause)}`);
    }
  }

  private forgetHead(): void {
    const [head] = this.segments.splice(0, 1);
    if (head === this.tail) this.tail = undefined;
    this.offset = 0;
  }

  private async removeSegments(count: number): Promise<void> {
    // All of it at once: what is added while files are removed goes to a new one.
    const removed = this.segments.splice(0, count);
    if (this.tail !== undefined && removed.includes(this.tail)) this.tail = undefined;
    this.offset = 0;
    for (const segment of removed) {
      try {
        await segment.remove();
      } catch (error) {
        this.logger.warn(`${segment.path} is sent but cannot be removed: ${describeError(error)}`);
      }
    }
  }
}
