import { addAbortListener } from 'node:events';
import { CallAbortedError } from '../http/call-aborted.error.js';
import type { LoadMonitor } from '../chat/load-monitor.js';
import { MIN_WINDOW_TOKENS, CongestionWindow } from './congestion-window.js';
import { VorpalOverloadedError, VorpalTimeoutError } from '../vorpal.errors.js';

// The scoring that a new chat has to wait for. Much less would leave a GPU idle between two requests.
const DRAIN_MS = 250;
// While chats are under way: each of their next tokens may wait for it.
const DRAIN_BESIDE_CHATS_MS = 100;

// While chats are under way scoring rests four times as long as it worked: they keep four fifths of the server, and
// scoring does not starve however long they go on.
const REST_FACTOR = 4;
// One answer that took a minute is no reason to rest for four.
const MAX_REST_MS = 10_000;

// A request, and beside chats a burst, holds at most this share of the window: one long text leaves room for others.
const LARGEST_SHARE = 0.5;

// Each waiting request holds its texts in memory; beyond this many an honest "overloaded" serves everybody better.
const QUEUE_LIMIT = 1_000;

// Chats of other processes are looked for this often, and only while there is something to score.
const POLL_MS = 250;

export interface ScoringRequest {
  /** Tokens of each prompt, in order: as many of the first as there is room for get a turn, at least one. */
  readonly sizes: readonly number[];
  readonly signal?: AbortSignal;
  /** Goes ahead of the queue and does not pause for chats: for small requests that others wait for. */
  readonly isUrgent?: boolean;
}

export interface ScoringLimits {
  /** Most requests at once: each holds a connection. */
  readonly requests: number;
  readonly tokensPerRequest: number;
}

interface Turn {
  readonly prompts: number;
  readonly tokens: number;
  readonly beganAtMs: number;
}

/** A {@link Turn} that has been given. */
interface GrantedTurn extends Turn {
  readonly tokensAtServer: number;
}

interface Waiter extends ScoringRequest {
  readonly grant: (turn: GrantedTurn) => void;
}

/**
 * Who may score how much at the moment, over all who score in this process.
 *
 * A server works off prompts in the order of their arrival and lets everybody else wait meanwhile, a chat's next token
 * as well. So tokens at the server are bounded: without chats by a {@link CongestionWindow}, as many as it works off in
 * {@link DRAIN_MS}; with chats under way to bursts of a few hundred (more where the server does more in {@link
 * DRAIN_BESIDE_CHATS_MS}), with rests between. First come, first served, request by request.
 */
export class ScoringScheduler {
  private readonly window: CongestionWindow;
  private readonly waiting: Waiter[] = [];
  private requests = 0;
  private tokens = 0;
  /** Of what was sent since nothing was in flight; most of it beside chats. */
  private burst = { tokens: 0, mostTokens: 0 };
  /** When something last had to wait for room. */
  private fullAtMs = -Infinity;
  private restUntilMs = -Infinity;
  private pollsAgainAtMs = -Infinity;
  private isPolling = false;
  private timer: NodeJS.Timeout | undefined;

  /** Gives turns to whoever waits longest until there is no more room, or a time to wait for. */
  private readonly dispatch = (): void => {
    clearTimeout(this.timer);
    for (let next = this.waiting[0]; next !== undefined; next = this.waiting[0]) {
      const turn = this.cut(next.sizes);
      if (!this.hasRoomFor(turn)) {
        this.fullAtMs = performance.now();
        return;
      }
      if (this.isPolling || this.beginsToPoll()) return;
      const restMs = next.isUrgent || this.requests > 0 ? 0 : this.restMs;
      if (restMs > 0) {
        this.timer = setTimeout(this.dispatch, Math.ceil(restMs)).unref();
        return;
      }
      this.waiting.shift();
      // What is urgent breaks the rest for itself alone.
      if (this.requests === 0) this.burst = { tokens: 0, mostTokens: this.restMs > 0 ? 0 : this.share };
      this.burst.tokens += turn.tokens;
      this.requests += 1;
      this.tokens += turn.tokens;
      next.grant({ ...turn, tokensAtServer: this.tokens });
    }
  };

  constructor(
    private readonly limits: ScoringLimits,
    private readonly load: LoadMonitor,
  ) {
    // Scoring may go on sooner than it would by itself.
    load.onChatEnded = this.dispatch;
    this.window = new CongestionWindow(limits.requests * limits.tokensPerRequest);
  }

  get tokensInFlight(): number {
    return this.tokens;
  }

  /** Most tokens in flight at once while there is no chat. */
  get limit(): number {
    return this.window.size;
  }

  /**
   * `work` with as many of the first prompts as have a turn now, once they have it. The wait has no time limit of its
   * own: it lasts no longer than what is in front, each of which has one, and `signal` ends it.
   * @throws VorpalOverloadedError at once if too many wait; CallAbortedError
   */
  async run<T>(request: ScoringRequest, work: (prompts: number) => Promise<T>): Promise<T> {
    const turn = await this.turnFor(request);
    try {
      const result = await work(turn.prompts);
      const latencyMs = performance.now() - turn.beganAtMs;
      // What failed does not rest: the server may not have worked at all, and who sent it has pauses of its own.
      const restMs = Math.min(MAX_REST_MS, REST_FACTOR * latencyMs);
      this.restUntilMs = Math.max(this.restUntilMs, performance.now() + restMs);
      this.window.answered({
        tokens: turn.tokens,
        tokensAtServer: turn.tokensAtServer,
        latencyMs,
        targetMs: this.isBesideChats ? DRAIN_BESIDE_CHATS_MS : DRAIN_MS,
        wasFull: this.fullAtMs >= turn.beganAtMs,
      });
      return result;
    } catch (error) {
      if (error instanceof VorpalOverloadedError || error instanceof VorpalTimeoutError) {
        this.window.refused(turn.beganAtMs);
      }
      throw error;
    } finally {
      this.end(turn);
    }
  }

  private get isBesideChats(): boolean {
    return this.load.chatsLastMs > 0;
  }

  private async turnFor(request: ScoringRequest): Promise<GrantedTurn> {
    const { signal, isUrgent = false } = request;
    if (signal?.aborted) throw new CallAbortedError();
    if (this.waiting.length >= QUEUE_LIMIT) {
      throw new VorpalOverloadedError('Too many texts wait to be scored; try again later.');
    }
    const { promise, resolve, reject } = Promise.withResolvers<GrantedTurn>();
    const waiter: Waiter = { ...request, grant: resolve };
    const listener =
      signal &&
      addAbortListener(signal, () => {
        this.leave(waiter);
        reject(new CallAbortedError());
      });
    const firstOfOthers = isUrgent ? this.waiting.findIndex((other) => !other.isUrgent) : -1;
    this.waiting.splice(firstOfOthers < 0 ? this.waiting.length : firstOfOthers, 0, waiter);
    this.dispatch();
    try {
      return await promise;
    } finally {
      listener?.[Symbol.dispose]();
    }
  }

  private leave(waiter: Waiter): void {
    const place = this.waiting.indexOf(waiter);
    if (place < 0) return;
    this.waiting.splice(place, 1);
    this.dispatch();
  }

  private end({ tokens }: Turn): void {
    this.requests -= 1;
    this.tokens -= tokens;
    this.dispatch();
  }

  private get restMs(): number {
    return Math.min(this.restUntilMs - performance.now(), this.load.chatsLastMs);
  }

  private hasRoomFor({ tokens }: Turn): boolean {
    if (this.requests === 0) return true;
    if (this.requests >= this.limits.requests) return false;
    return this.isBesideChats
      ? this.burst.tokens + tokens <= this.burst.mostTokens
      : this.tokens + tokens <= this.window.size;
  }

  private get share(): number {
    return Math.max(MIN_WINDOW_TOKENS, this.window.size * LARGEST_SHARE);
  }

  private cut(sizes: readonly number[]): Turn {
    const most = Math.min(this.share, this.limits.tokensPerRequest);
    const beganAtMs = performance.now();
    let [prompts, tokens] = [0, 0];
    for (const size of sizes) {
      if (prompts > 0 && tokens + size > most) {
        this.fullAtMs = beganAtMs;
        break;
      }
      prompts += 1;
      tokens += size;
    }
    return { prompts, tokens, beganAtMs };
  }

  private beginsToPoll(): boolean {
    if (this.isBesideChats || performance.now() < this.pollsAgainAtMs) return false;
    this.isPolling = true;
    void this.load.poll().finally(() => {
      this.isPolling = false;
      this.pollsAgainAtMs = performance.now() + POLL_MS;
      this.dispatch();
    });
    return true;
  }
}
