import { sleep } from '../../src/shared/index.js';
import { percentile } from '../figures/report.js';

export interface ChatLoadOptions {
  readonly url: string;
  readonly chatsPerSecond: number;
  /** No chat is begun after so many. */
  readonly maxChats: number;
  readonly signal: AbortSignal;
}

export interface ChatWindow {
  readonly chats: number;
  readonly failed: number;
  /** From the moment a chat was due to its answer; `undefined` where there was none. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

// So few that each reaches the limits of what is kept of a user within the first minutes.
export const USERS = 20;
/**
 * What each user says, over and over. What is said again is counted: the store stays as large as it is after the first
 * round.
 */
const SENTENCES = 40;
const TURN_MS = 5;
// A brain that does not keep up would otherwise fill this process with chats that wait.
const MAX_OUTSTANDING = 2_000;
const ANSWER_LIMIT_MS = 30_000;

/**
 * Chats at a steady rate, whether or not the answers keep up: an answer that comes late is counted from the moment its
 * chat was due, so that a brain that stands still does not look fast for being asked less.
 */
export class ChatLoad {
  begun = 0;
  private outstanding = 0;
  private failed = 0;
  private times: number[] = [];
  private lastFailure: string | undefined;

  constructor(private readonly options: ChatLoadOptions) {}

  /** Resolves when it is over and the last answer has come. @throws Error if the brain does not keep up */
  async run(): Promise<void> {
    const { chatsPerSecond, maxChats, signal } = this.options;
    const startedAt = performance.now();
    while (!signal.aborted && this.begun < maxChats) {
      const due = Math.min(maxChats, Math.floor(((performance.now() - startedAt) * chatsPerSecond) / 1_000));
      while (this.begun < due) void this.chat(startedAt + (this.begun * 1_000) / chatsPerSecond);
      if (this.outstanding > MAX_OUTSTANDING) {
        throw new Error(`${MAX_OUTSTANDING} chats wait: the brain does not keep up with ${chatsPerSecond} a second.`);
      }
      await sleep(TURN_MS, signal);
    }
    while (this.outstanding > 0 && !signal.aborted) await sleep(TURN_MS, signal);
  }

  /** What has been answered since the last call. */
  takeWindow(): ChatWindow {
    const { times, failed } = this;
    this.times = [];
    this.failed = 0;
    const at = (p: number) => (times.length === 0 ? undefined : percentile(times, p));
    return { chats: times.length, failed, p50Ms: at(50), p99Ms: at(99) };
  }

  /** Why the last chat that failed did. */
  get failure(): string | undefined {
    return this.lastFailure;
  }

  private async chat(dueAt: number): Promise<void> {
    const index = this.begun++;
    this.outstanding += 1;
    try {
      await this.ask(index);
      this.times.push(performance.now() - dueAt);
    } catch (error) {
      // When the load is over its programs end, and so do the chats that are under way.
      if (this.options.signal.aborted) return;
      this.failed += 1;
      this.lastFailure = String(error);
    } finally {
      this.outstanding -= 1;
    }
  }

  private async ask(index: number): Promise<void> {
    const user = index % USERS;
    const body = {
      user_id: `user-${user}`,
      session_id: `session-${user}`,
      message:
        `Sentence ${Math.floor(index / USERS) % SENTENCES}: ` +
        'the train to Lisbon leaves at nine, and somebody has to feed the cat.',
    };
    const response = await fetch(`${this.options.url}/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`POST /chat answered ${response.status}: ${text}`);
  }
}
