import type { INestApplicationContext } from '@nestjs/common';
import { BrainError, sleep } from '../shared/index.js';
import { VorpalClient } from '../vorpal/index.js';

// A first run fetches the model (100 MB); past this something is wrong and the last error says what.
const LIMIT_MS = 15 * 60_000;
const POLL_MS = 250;

/** Waits until Vorpal can score. @throws the last VorpalError once the limit is over */
export async function waitForVorpal(app: INestApplicationContext): Promise<void> {
  const client = app.get(VorpalClient);
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
