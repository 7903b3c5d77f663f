import { BrainError } from '../shared/index.js';
import type { ChatActivity } from './chat-activity.js';
import { laterTokensIn } from './server-metrics.js';
import type { VorpalTransport } from './vorpal.transport.js';

// Later than that the number says nothing about now.
const TIMEOUT_MS = 500;
// A server without metrics would log a refused request four times a second; one that is slow, or away, is asked again soon.
const MISSING_PAUSE_MS = 60_000;
const FAILED_PAUSE_MS = 5_000;

/** Looks in the server's metrics whether somebody else chats. */
export class ChatWatch {
  private resumesAtMs = -Infinity;

  constructor(
    private readonly server: VorpalTransport,
    private readonly activity: ChatActivity,
  ) {}

  /** Never fails: whether the server is there, the calls that matter find out. */
  async look(): Promise<void> {
    if (performance.now() < this.resumesAtMs) return;
    let pauseMs = FAILED_PAUSE_MS;
    try {
      const metrics = await this.server.askText('/metrics', TIMEOUT_MS);
      const laterTokens = metrics === undefined ? undefined : laterTokensIn(metrics);
      if (laterTokens !== undefined) {
        this.activity.observeLaterTokens(laterTokens);
        return;
      }
      pauseMs = MISSING_PAUSE_MS;
    } catch (error) {
      if (!(error instanceof BrainError)) throw error;
    }
    this.resumesAtMs = performance.now() + pauseMs;
  }
}
