import { BrainError, sleep } from '../../shared/index.js';
import type { VorpalClient } from '../vorpal.client.js';

// A first run fetches the model (100 MB); past this something is wrong and the last error says what.
const LIMIT_MS = 15 * 60_000;
const POLL_MS = 250;

/**
 * For programs that can do nothing without it: waits until Vorpal answers. @throws the last error once the limit is
 * over
 */
export async function waitForVorpal(client: VorpalClient): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    try {
      await client.check(AbortSignal.timeout(5_000));
      return;
    } catch (error) {
      if (!(error instanceof BrainError && error.transient) || performance.now() > deadline) throw error;
      await sleep(POLL_MS);
    }
  }
}
