import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../../infra/files/index.js';

const NEWLINE = 10;
// Read at a time to count lines; a whole segment at once would be held in memory.
const COUNT_BYTES = 256 * 1_024;

/** A file of the spool: one entry a line. It grows at its end only, and its beginning is never written again. */
export class SpoolSegment {
  private constructor(
    readonly path: string,
    private length: number,
    private lines: number,
    private file?: FileHandle,
  ) {}

  /** @throws the system's error, `EEXIST` where the file is there already */
  static async create(path: string): Promise<SpoolSegment> {
    // For the owner only: it holds what people wrote.
    const segment = new SpoolSegment(path, 0, 0, await open(path, 'ax+', 0o600));
    try {
      await syncFolder(dirname(path));
      return segment;
    } catch (error) {
      await segment.remove();
      throw error;
    }
  }

  /** What a former process left. */
  static async find(path: string): Promise<SpoolSegment> {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      return new SpoolSegment(path, size, await countLines(file));
    } finally {
      await file.close();
    }
  }

  /** Bytes that are on the disk for sure. */
  get bytes(): number {
    return this.length;
  }

  /** Entries that are still to be sent. */
  get left(): number {
    return this.lines;
  }

  passOver(lines: number): void {
    this.lines -= lines;
  }

  /**
   * Resolves when `data` is on the disk. After a failure nobody knows how much of it is; {@link cutOffUnsynced} then,
   * and write to another file.
   */
  async append(data: Buffer, lines: number): Promise<void> {
    const file = await this.opened();
    await file.appendFile(data);
    await file.datasync();
    this.length += data.length;
    this.lines += lines;
  }

  async cutOffUnsynced(): Promise<void> {
    const file = await this.opened();
    await file.truncate(this.length);
  }

  /** Up to `bytes` from `offset`. */
  async read(offset: number, bytes: number): Promise<Buffer> {
    const file = await this.opened();
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(bytes), 0, bytes, offset);
    return buffer.subarray(0, bytesRead);
  }

  /** Gives the handle back; a full spool has more files than a process may have open. Reading opens it again. */
  async close(): Promise<void> {
    const { file } = this;
    this.file = undefined;
    await file?.close();
  }

  async remove(): Promise<void> {
    await this.close();
    await rm(this.path, { force: true });
  }

  private async opened(): Promise<FileHandle> {
    this.file ??= await open(this.path, 'r');
    return this.file;
  }
}

/** A last line without an end counts: it may be torn or whole. */
async function countLines(file: FileHandle): Promise<number> {
  const buffer = Buffer.allocUnsafe(COUNT_BYTES);
  let lines = 0;
  let last = NEWLINE;
  for (let position = 0; ;) {
    const { bytesRead } = await file.read(buffer, 0, COUNT_BYTES, position);
    if (bytesRead === 0) return last === NEWLINE ? lines : lines + 1;
    const chunk = buffer.subarray(0, bytesRead);
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) lines += 1;
    last = chunk[bytesRead - 1] ?? NEWLINE;
    position += bytesRead;
  }
}
