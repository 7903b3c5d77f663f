import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { hasErrorCode } from './error-code.js';
import type { FilePin } from '../manifest/manifest.js';
import { ModelSourceError } from '../models.errors.js';

/** Where a cached file came from; kept beside it for people. */
export interface Provenance {
  readonly source: string;
  readonly licence?: string;
  readonly upstream?: string;
}

const markerSchema = z.object({ sizeBytes: z.number(), mtimeMs: z.number(), sha256: z.string() });
type Marker = z.infer<typeof markerSchema>;

const markerPath = (path: string): string => `${path}.verified.json`;

/** SHA-256 of a file, in lower-case hexadecimal. */
export async function sha256OfFile(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, { signal });
  return hash.digest('hex');
}

/** Size of a file in bytes, or `undefined` if it does not exist. */
export async function sizeOf(path: string): Promise<number | undefined> {
  return (await statOf(path))?.size;
}

/**
 * Whether the file at `path` is the pinned one. It is hashed only when it is not the file that was verified last, so a
 * start costs a `stat` and not 98 MB of hashing.
 * @param pin `undefined`: the file must be the one that was verified when it arrived
 */
export async function isVerified(path: string, pin: FilePin | undefined, signal: AbortSignal): Promise<boolean> {
  const found = await statOf(path);
  if (found === undefined) return false;
  const marker = await readMarker(path);
  const expected = pin ?? marker;
  if (found.size !== expected?.sizeBytes) return false;
  if (marker?.sha256 === expected.sha256 && marker.mtimeMs === found.mtimeMs) return true;
  if ((await sha256OfFile(path, signal)) !== expected.sha256) return false;
  await writeMarkerIfWritable(path, expected.sha256);
  return true;
}

/**
 * Checks a fetched file and moves it to `path`, where it appears whole or not at all. A wrong one is deleted.
 * @param pin without `sha256` what arrived is recorded and trusted from then on
 * @throws ModelSourceError when size or SHA-256 is wrong
 */
export async function land(
  fetched: string,
  path: string,
  pin: Omit<FilePin, 'sha256'> & Partial<FilePin>,
  provenance: Provenance,
  signal: AbortSignal,
): Promise<void> {
  const sha256 = await checked(fetched, pin, signal);
  await syncToDisk(fetched);
  await mkdir(dirname(path), { recursive: true });
  await rename(fetched, path);
  await writeMarker(path, sha256, provenance);
}

async function checked(
  path: string,
  pin: { readonly sizeBytes: number; readonly sha256?: string },
  signal: AbortSignal,
): Promise<string> {
  const size = await sizeOf(path);
  const sha256 = size === pin.sizeBytes ? await sha256OfFile(path, signal) : undefined;
  if (sha256 !== undefined && (pin.sha256 ?? sha256) === sha256) return sha256;
  await rm(path, { force: true });
  const found = sha256 === undefined ? `${size ?? 'no'} bytes instead of ${pin.sizeBytes}` : `SHA-256 ${sha256}`;
  throw new ModelSourceError(`it delivered a different file (${found})`);
}

/** Forgets a file that turned out not to be the pinned one. */
export async function discard(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(markerPath(path), { force: true });
}

async function writeMarker(path: string, sha256: string, provenance: Provenance): Promise<void> {
  const { size, mtimeMs } = await stat(path);
  const marker = { sizeBytes: size, mtimeMs, sha256, ...provenance } satisfies Marker & Provenance;
  await writeFile(markerPath(path), `${JSON.stringify(marker, undefined, 2)}\n`);
}

/** A cache may be mounted read-only; its files are then hashed at every start. */
async function writeMarkerIfWritable(path: string, sha256: string): Promise<void> {
  try {
    await writeMarker(path, sha256, { source: 'found in the cache' });
  } catch (error) {
    if (!hasErrorCode(error, 'EROFS', 'EACCES', 'EPERM')) throw error;
  }
}

async function readMarker(path: string): Promise<Marker | undefined> {
  try {
    return markerSchema.safeParse(JSON.parse(await readFile(markerPath(path), 'utf8'))).data;
  } catch (error) {
    // No marker, or half of one: the file is hashed again.
    if (hasErrorCode(error, 'ENOENT') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Without it a power cut after the rename can leave a file of the right name and size, full of zeros. */
async function syncToDisk(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
