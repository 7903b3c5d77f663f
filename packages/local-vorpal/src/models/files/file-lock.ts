import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { newId, sleep } from '@archive-brain/common';
import { hasErrorCode } from './error-code.js';
import { ModelCacheLockedError } from '../models.errors.js';

// A waiter looks this often; longer, and `npm test` beside `npm start` idles after the file has arrived.
const POLL_MS = 200;
const HEARTBEAT_MS = 2_000;
// A lock without a heartbeat for this long has no living owner, even where process ids say nothing (containers that
// share a cache). Without it such a lock would be for ever.
const STALE_AFTER_MS = 30_000;
// The owner's own time limits end every fetch long before; this ends the wait should one of them be wrong.
const WAIT_MAX_MS = 3_600_000;

const ownerSchema = z.object({ pid: z.int().positive(), host: z.string(), token: z.string() });
type Owner = z.infer<typeof ownerSchema>;

/** Locks of this process. A file with this pid but another token is from an earlier process that had the same pid. */
const heldTokens = new Set<string>();

export interface FileLockOptions {
  readonly signal: AbortSignal;
  /** Called once, when another process turns out to hold the lock. */
  readonly onWait?: (ownerPid: number | undefined) => void;
}

/**
 * Runs `work` while holding the lock file at `path`, across processes. A lock whose owner has died is taken over.
 * @throws ModelCacheLockedError when a living owner holds it for over an hour
 */
export async function withFileLock<T>(path: string, options: FileLockOptions, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const owner: Owner = { pid: process.pid, host: hostname(), token: newId() };
  // Before the file exists: a second caller in this process must never see a lock of ours that it does not know.
  heldTokens.add(owner.token);
  try {
    await acquire(path, owner, options);
    return await whileHeld(path, owner, work);
  } finally {
    heldTokens.delete(owner.token);
  }
}

async function whileHeld<T>(path: string, owner: Owner, work: () => Promise<T>): Promise<T> {
  // A missed heartbeat is made good by the next one; a lock taken away shows when it is released.
  const heartbeat = setInterval(() => void touch(path).catch(() => undefined), HEARTBEAT_MS).unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    if ((await readOwner(path))?.token === owner.token) await rm(path, { force: true });
  }
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now);
}

async function acquire(path: string, owner: Owner, { signal, onWait }: FileLockOptions): Promise<void> {
  const deadline = performance.now() + WAIT_MAX_MS;
  const observer = new HeartbeatObserver(path);
  let told = false;
  for (;;) {
    signal.throwIfAborted();
    if (await tryCreate(path, owner)) return;
    const holder = await readOwner(path);
    if ((holder !== undefined && isDead(holder)) || (await observer.isStale())) {
      await removeStale(path, holder);
      continue;
    }
    if (performance.now() > deadline) {
      throw new ModelCacheLockedError(
        `Process ${holder?.pid ?? 'unknown'} has held ${path} for over an hour. End it, or delete that file.`,
      );
    }
    if (!told) onWait?.(holder?.pid);
    told = true;
    await sleep(POLL_MS, signal);
  }
}

async function tryCreate(path: string, owner: Owner): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(owner), { flag: 'wx' });
    return true;
  } catch (error) {
    if (hasErrorCode(error, 'EEXIST')) return false;
    throw error;
  }
}

async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    return ownerSchema.safeParse(JSON.parse(await readFile(path, 'utf8'))).data;
  } catch (error) {
    // Gone again, or its owner is between creating and writing it.
    if (hasErrorCode(error, 'ENOENT') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isDead(owner: Owner): boolean {
  if (owner.host !== hostname()) return false;
  if (owner.pid === process.pid) return !heldTokens.has(owner.token);
  try {
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    return hasErrorCode(error, 'ESRCH');
  }
}

/** Judges by the waiter's own clock, so neither skewed clocks nor a suspended laptop make a live lock look stale. */
class HeartbeatObserver {
  private seen: { readonly mtimeMs: number; readonly since: number } | undefined;

  constructor(private readonly path: string) {}

  async isStale(): Promise<boolean> {
    const mtimeMs = await mtimeOf(this.path);
    if (mtimeMs === undefined) return false;
    if (this.seen?.mtimeMs !== mtimeMs) this.seen = { mtimeMs, since: performance.now() };
    return performance.now() - this.seen.since > STALE_AFTER_MS;
  }
}

async function mtimeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/**
 * Moves the stale lock aside before deleting it: of two waiters only one succeeds, and a fresh lock that was moved by
 * mistake is put back.
 */
async function removeStale(path: string, expected: Owner | undefined): Promise<void> {
  const aside = `${path}.${newId()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return;
    throw error;
  }
  const moved = await readOwner(aside);
  if (moved?.token === expected?.token) await rm(aside, { force: true });
  else await rename(aside, path);
}
