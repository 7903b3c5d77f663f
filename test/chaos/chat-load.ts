import { describeError, sleep } from '../../src/shared/index.js';
import type { MessageSource, SentMessage } from './message-source.js';
import type { SeededRandom } from './seeded-random.js';

// Far beyond what any fault of the scenarios may cost a chat.
const ANSWER_LIMIT_MS = 30_000;

export interface Rhythm {
  /** People who chat at once. */
  readonly people: number;
  /** Longest pause of one of them between an answer and the next message. */
  readonly maxPauseMs: number;
}

/** People who chat with one brain, over HTTP, and what became of each message. */
export class ChatLoad {
  readonly answered: SentMessage[] = [];
  /** Sent, and not answered with 200. */
  readonly unanswered: SentMessage[] = [];
  readonly failures: string[] = [];
  readonly latenciesMs: number[] = [];
  private readonly stopping = new AbortController();
  private people: Promise<void>[] = [];

  constructor(readonly url: string) {}

  /** Sends one message. Never throws: a failure is recorded. */
  async say(message: SentMessage): Promise<void> {
    const startedAt = performance.now();
    const problem = await this.post(message);
    this.latenciesMs.push(performance.now() - startedAt);
    (problem === undefined ? this.answered : this.unanswered).push(message);
    if (problem !== undefined) this.failures.push(`chat ${message.sessionId} was not answered: ${problem}`);
  }

  /** Sends `messages`, a few at once. */
  async sayAll(messages: readonly SentMessage[], people: number): Promise<void> {
    const waiting = messages.values();
    const person = async () => {
      for (const message of waiting) await this.say(message);
    };
    await Promise.all(Array.from({ length: people }, person));
  }

  /** Goes on chatting until {@link stop}. */
  start(source: MessageSource, random: SeededRandom, { people, maxPauseMs }: Rhythm): void {
    const { signal } = this.stopping;
    const chat = async () => {
      while (await sleep(random.integer(0, maxPauseMs), signal)) await this.say(source.next());
    };
    this.people = Array.from({ length: people }, chat);
  }

  /** Resolves when the last answer is there. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.people);
  }

  private async post({ userId, sessionId, text }: SentMessage): Promise<string | undefined> {
    try {
      const response = await fetch(`${this.url}/chat`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ message: text, user_id: userId, session_id: sessionId }),
        signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
      });
      const body = await response.text();
      return response.status === 200 ? undefined : `${response.status} ${body}`;
    } catch (error) {
      return describeError(error);
    }
  }
}
