import { Logger } from '@nestjs/common';
import { access, constants, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ProcessLock, ProcessLockedError } from '../../infra/sqlite/index.js';
import { describeError } from '../../shared/index.js';
import type { StreamEntry } from '../input-stream.port.js';
import { SpoolInUseError } from '../stream.errors.js';
import { SEGMENT_NAME, spoolLockPath } from './spool-folder.js';
import { decodeLine, linesOf } from './spool-lines.js';
import { SpoolSegment } from './spool-segment.js';

// What is read at a time, so that memory use does not grow with the spool.
export const PORTION_BYTES = 256 * 1_024;
export const PORTION_ENTRIES = 64;

export interface SpoolPortion {
  /** The oldest entries, in order. */
  readonly entries: readonly StreamEntry[];
  /** Lines before them that are not entries; they are passed over. */
  readonly unreadable: number;
}

/**
 * The files of a spool, oldest first: lines are appended to the last file and read from the first. Room on the disk
 * comes back a file at a time.
 */
export class SpoolFiles {
  private readonly segments: SpoolSegment[] = [];
  /** Without it nothing in the folder is touched. */
  private lock: ProcessLock | undefined;
  /** The last segment, while it can be written to. */
  private tail: SpoolSegment | undefined;
  /** Where the first entry that is not sent begins in the first segment. */
  private offset = 0;
  private nextNumber = 1;
  /** Where each entry of the last portion ends in the first segment. */
  private portionEnds: readonly number[] = [];

  constructor(
    private readonly folder: string,
    readonly segmentBytes: number,
    private readonly logger: Logger,
  ) {}

  /** Entries that are not sent. */
  get waiting(): number {
    return this.segments.reduce((sum, { left }) => sum + left, 0);
  }

  /** Bytes on the disk. */
  get bytes(): number {
    return this.segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Whether the first segment has lines that were not sent. */
  get hasUnsent(): boolean {
    const [head] = this.segments;
    return head !== undefined && this.offset < head.bytes;
  }

  /** Whether the next write may add to the first segment, or create it. */
  get isAtEnd(): boolean {
    const [head] = this.segments;
    return head === undefined || head === this.tail;
  }

  get isEmpty(): boolean {
    return this.segments.length === 0;
  }

  /**
   * Locks the folder and finds the files of the process before this one.
   * @throws SpoolInUseError; the system's errors for a folder that cannot be written
   */
  async open(lockWaitMs: number): Promise<void> {
    await this.lockFolder(lockWaitMs);
    const names = await readdir(this.folder);
    for (const name of names.filter((name) => SEGMENT_NAME.test(name)).sort()) await this.openSegment(name);
    await access(this.folder, constants.W_OK);
  }

  /** Resolves when the lines are on the disk. After a failure call {@link abandonTail}. @throws the system's errors */
  async append(data: Buffer, lines: number): Promise<void> {
    const segment = await this.segmentFor(data.length);
    await segment.append(data, lines);
  }

  /** Makes the next write go to a new file, and removes from the last one what may not be on the disk. */
  async abandonTail(): Promise<void> {
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

  /**
   * The oldest lines of the first segment. A segment that cannot be read is logged and skipped until the next start.
   */
  async read(): Promise<SpoolPortion> {
    const [head] = this.segments;
    if (head === undefined) return { entries: [], unreadable: 0 };
    try {
      return await this.readPortion(head);
    } catch (error) {
      this.logger.error(
        `Cannot read ${head.path} (${describeError(error)}); its ${head.left} message(s) are tried again at the ` +
          'next start',
      );
      this.takeSegments(1);
      return { entries: [], unreadable: 0 };
    }
  }

  /** Marks the first `count` entries of the last portion as sent. */
  markSent(count: number): void {
    this.offset = this.portionEnds[count - 1] ?? this.offset;
    this.segments[0]?.passOver(count);
  }

  async removeFirst(): Promise<void> {
    await this.removeSegments(1);
  }

  async removeAll(): Promise<void> {
    await this.removeSegments(this.segments.length);
  }

  /** Closes the files and releases the lock. Not to be called while a write may still reach a file. */
  async close(): Promise<void> {
    await Promise.all(this.segments.map((segment) => segment.close()));
    await this.lock?.release();
    this.lock = undefined;
  }

  private async lockFolder(waitMs: number): Promise<void> {
    if (this.lock !== undefined) return;
    const { folder } = this;
    const onWait = (holder: string): void => {
      if (waitMs > 0) this.logger.warn(`${folder} is in use by ${holder}; waiting up to ${waitMs} ms for it to stop`);
    };
    await mkdir(folder, { recursive: true, mode: 0o700 });
    try {
      this.lock = await ProcessLock.acquire(spoolLockPath(folder), { waitMs, onWait });
    } catch (error) {
      throw error instanceof ProcessLockedError ? new SpoolInUseError(folder, error.holder) : error;
    }
  }

  private async openSegment(name: string): Promise<void> {
    const path = join(this.folder, name);
    this.nextNumber = Number.parseInt(name, 10) + 1;
    try {
      const segment = await SpoolSegment.find(path);
      this.segments.push(segment);
    } catch (error) {
      this.logger.error(`Cannot read ${path} (${describeError(error)}); it is tried again at the next start`);
    }
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
    await this.lockFolder(0);
    for (;;) {
      const name = `${String(this.nextNumber++).padStart(12, '0')}.jsonl`;
      try {
        return await SpoolSegment.create(join(this.folder, name));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
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

  private takeSegments(count: number): SpoolSegment[] {
    const taken = this.segments.splice(0, count);
    if (this.tail !== undefined && taken.includes(this.tail)) this.tail = undefined;
    this.offset = 0;
    return taken;
  }

  private async removeSegments(count: number): Promise<void> {
    // All at once: what is added while files are removed goes to a new one.
    for (const segment of this.takeSegments(count)) {
      try {
        await segment.remove();
      } catch (error) {
        this.logger.warn(
          `Cannot remove ${segment.path}, which is sent (${describeError(error)}); remove it, or it is sent again`,
        );
      }
    }
  }
}
