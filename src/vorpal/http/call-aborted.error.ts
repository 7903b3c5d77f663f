import { untilAborted } from '../../shared/index.js';

/** The caller gave the call up. Not a failure of the server; `isAbortError` recognises it. */
export class CallAbortedError extends Error {
  constructor() {
    super('The call to Vorpal was aborted by its caller.');
    this.name = 'AbortError';
  }
}

/** {@link untilAborted}, with {@link CallAbortedError} whatever the reason of `signal` is. */
export async function untilCallAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await untilAborted(work, signal);
  } catch (error) {
    throw signal?.aborted && error === signal.reason ? new CallAbortedError() : error;
  }
}
