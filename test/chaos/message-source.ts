import type { SeededRandom } from './seeded-random.js';

/** A message that a scenario has sent, by whichever way. */
export interface SentMessage {
  readonly userId: string;
  /** Of this message alone: what the brain records of a message names its session, and not its text. */
  readonly sessionId: string;
  readonly text: string;
}

const REPEATED_SHARE = 0.25;
const MOST_WORDS = 30;
const WORDS = 'train harbour garden letter window copper violin winter orange island ledger candle river market'.split(
  ' ',
);

/**
 * Messages of several users. Some say again what the same user said before: only the same text changes a memory that is
 * there, so only they show an effect that is applied twice.
 */
export class MessageSource {
  private readonly said = new Map<string, string[]>();
  private count = 0;

  constructor(
    private readonly random: SeededRandom,
    private readonly users: number,
  ) {}

  next(): SentMessage {
    this.count += 1;
    const userId = `user-${this.random.integer(1, this.users)}`;
    return { userId, sessionId: `message-${this.count}`, text: this.textOf(userId) };
  }

  take(count: number): SentMessage[] {
    return Array.from({ length: count }, () => this.next());
  }

  private textOf(userId: string): string {
    const before = this.said.get(userId) ?? [];
    if (before.length > 0 && this.random.next() < REPEATED_SHARE) return this.random.pick(before);
    const words = Array.from({ length: this.random.integer(1, MOST_WORDS) }, () => this.random.pick(WORDS));
    const text = `${words.join(' ')} ${this.count}.`;
    this.said.set(userId, [...before, text]);
    return text;
  }
}
