import { setTimeout as delay } from 'node:timers/promises';

/** Waits `ms`, or less: resolves `true` when the time is over and `false` as soon as `signal` is aborted. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<boolean> {
  try {
    await delay(ms, undefined, { signal });
    return true;
  } catch (error) {
    if (signal?.aborted) return false;
    throw error;
  }
}

/** Whether `error` says that somebody aborted the work, as opposed to the work having failed. */
export function isAbortError(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'CanceledError');
}
