import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '../../shared/index.js';

// Health checks may come often, and each probe is a write and a sync.
const VALID_MS = 2_000;

/** Tests by writing a file whether a folder can be written now. */
export class DiskProbe {
  private last: Promise<string | undefined> | undefined;
  private validUntil = 0;

  constructor(
    private readonly folder: string,
    private readonly bytes: number,
  ) {}

  /** The reason why not, or `undefined`. A result is valid for two seconds. */
  failure(): Promise<string | undefined> {
    if (this.last === undefined || performance.now() >= this.validUntil) {
      this.validUntil = performance.now() + VALID_MS;
      this.last = this.attempt();
    }
    return this.last;
  }

  private async attempt(): Promise<string | undefined> {
    const path = join(this.folder, 'probe');
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      await writeFile(path, Buffer.alloc(this.bytes), { mode: 0o600, flush: true });
      await rm(path, { force: true });
      return undefined;
    } catch (error) {
      return describeError(error);
    }
  }
}
