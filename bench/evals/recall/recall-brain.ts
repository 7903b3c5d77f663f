import type { INestApplication } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { createApp } from '../../../src/create-app.js';
import { type ContextBounds, contextOf, type Turn } from '../../../src/sessions/index.js';
import { estimateTokens, newId } from '../../../src/shared/index.js';
import { InputStream, type StreamEntry } from '../../../src/stream/index.js';
import { VorpalClient, waitForVorpal } from '../../../src/vorpal/index.js';
import type { ChatStandIn } from '../../load/chat-stand-in.js';
import { type MemoryTask, turnKey } from './memory-task.js';
import { chatSettings } from '../../../src/chat/index.js';
import { readSettings } from '../../../src/settings.js';

const POLL_MS = 250;
const START_LIMIT_MS = 120_000;
const MEMORY_LINES = /<memories>\n(?<lines>[\s\S]*)\n<\/memories>/;
const promptSchema = z.object({ messages: z.array(z.object({ content: z.string() })).min(1) });

const foundSchema = z.object({ memories: z.array(z.object({ id: z.string() })) });
const keptSchema = z.object({ id: z.string() });
const supersededSchema = z.object({ superseded_by: z.string().nullable() });

// As with the local Vorpal that the brain starts itself: a busy machine must change how long a recall takes, not its
// result.
const LIKE_EMBEDDED = {
  WORKER_MAX_BATCHES: '1',
  SCORING_CONCURRENCY: '2',
  VORPAL_CONNECT_TIMEOUT_MS: '30000',
  RECALL_TIMEOUT_MS: '30000',
};

export type SearchMode = 'hybrid' | 'dense' | 'lexical';

/** What a chat's prompt had of the memory. */
export interface Recalled {
  /** Best first. */
  readonly ids: readonly string[];
  /** Tokens of the lines with memories, by the product's estimate. */
  readonly tokens: number;
}

/** What remembering cost. */
export interface IngestCost {
  readonly messages: number;
  readonly scoredTokens: number;
  readonly seconds: number;
}

/** The brain as it is shipped, in this process, on a folder of its own and with a stand-in for its Vorpal's chats. */
export class RecallBrain {
  private constructor(
    private readonly app: INestApplication,
    private readonly url: string,
    private readonly standIn: ChatStandIn,
  ) {}

  /** @param settings what differs from the settings as shipped */
  static async start(folder: string, standIn: ChatStandIn, settings: NodeJS.ProcessEnv): Promise<RecallBrain> {
    const app = await createApp(
      readSettings({
        LOG_LEVEL: 'warn',
        ...LIKE_EMBEDDED,
        ...process.env,
        REDIS_URL: '',
        HOST: '127.0.0.1',
        PORT: '0',
        BRAIN_DATA_DIR: folder,
        VORPAL_URL: standIn.url,
        // A Vorpal that somebody named may not embed.
        ...(process.env.VORPAL_URL === undefined && { EMBEDDINGS_URL: standIn.url }),
        ...settings,
      }),
    );
    await app.listen(0, '127.0.0.1');
    await waitForVorpal(app.get(VorpalClient, { strict: false }));
    const brain = new RecallBrain(app, await app.getUrl(), standIn);
    await brain.untilItEmbeds();
    return brain;
  }

  stop(): Promise<void> {
    return this.app.close();
  }

  /**
   * Appends the captured turns of all tasks to the stream, each with the turns of its session before it, and waits
   * until the worker has decided about all of them.
   * @returns the turn that each memory was, by the memory's id
   */
  async ingest(tasks: readonly MemoryTask[], onDone: (messages: number) => void) {
    const stream = this.app.get(InputStream, { strict: false });
    const vorpal = this.app.get(VorpalClient, { strict: false });
    const turnOf = new Map<string, string>();
    const startedAt = performance.now();
    for (const task of tasks) {
      for (const { turn, entry } of this.entriesOf(task)) {
        turnOf.set(entry.id, turn);
        await stream.append(entry);
      }
    }
    let left = turnOf.size;
    while (left > 0) {
      await delay(POLL_MS);
      const { lag, pending, deadLetters } = await stream.statistics();
      if (deadLetters > 0) throw new Error(`The worker gave up ${deadLetters} messages.`);
      onDone(left - lag - pending);
      left = lag + pending;
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const cost: IngestCost = { messages: turnOf.size, scoredTokens: vorpal.scoringTokens, seconds };
    return { turnOf, cost };
  }

  /** What a chat recalls for a question that begins a session. */
  async ask(userId: string, message: string): Promise<Recalled> {
    const { memories } = foundSchema.parse(await this.post('/chat', { user_id: userId, message }));
    const asked = promptSchema.parse(this.standIn.lastChat).messages.at(-1);
    const lines = MEMORY_LINES.exec(asked?.content ?? '')?.groups?.lines ?? '';
    const quoted = lines === '' ? 0 : lines.split('\n').length;
    if (quoted !== memories.length) {
      throw new Error(`The answer names ${memories.length} memories, and the prompt has ${quoted}.`);
    }
    return { ids: memories.map(({ id }) => id), tokens: estimateTokens(lines) };
  }

  /** Ids of memories, best first. */
  async search(userId: string, query: string, mode: SearchMode, limit: number): Promise<string[]> {
    const { memories } = foundSchema.parse(
      await this.post('/memories/search', { user_id: userId, query, mode, limit }),
    );
    return memories.map(({ id }) => id);
  }

  /** Adds a memory that is worth nothing, which makes room by the limits as they are now. */
  async makeRoom(userId: string): Promise<void> {
    keptSchema.parse(await this.post('/memories', { user_id: userId, text: '.' }));
  }

  async delete(userId: string, id: string): Promise<void> {
    const query = `user_id=${encodeURIComponent(userId)}`;
    const response = await fetch(`${this.url}/memories/${id}?${query}`, { method: 'DELETE' });
    if (!response.ok) throw new Error(`DELETE answered ${response.status}: ${await response.text()}`);
  }

  /** The id of the memory that changed what this one says. */
  async supersededBy(userId: string, id: string): Promise<string | null> {
    const response = await fetch(`${this.url}/memories/${id}?user_id=${encodeURIComponent(userId)}`);
    if (!response.ok) throw new Error(`GET answered ${response.status}: ${await response.text()}`);
    return supersededSchema.parse(await response.json()).superseded_by;
  }

  /** An embedder of the brain's own may take some seconds to start, and until then chats recall by words alone. */
  private async untilItEmbeds(): Promise<void> {
    const limit = AbortSignal.timeout(START_LIMIT_MS);
    for (;;) {
      try {
        await this.search('nobody', 'Anything?', 'dense', 1);
        return;
      } catch (error) {
        if (limit.aborted) throw error;
        await delay(POLL_MS);
      }
    }
  }

  private *entriesOf(task: MemoryTask): Generator<{ readonly turn: string; readonly entry: StreamEntry }> {
    const bounds = this.app.get<ContextBounds>(chatSettings.KEY, { strict: false });
    const said = Map.groupBy(task.turns, ({ session }) => session);
    for (const turn of task.turns.filter(({ isCaptured }) => isCaptured)) {
      const { id, session, role, text, atMs } = turn;
      const ofSession = said.get(session) ?? [];
      const before = ofSession.slice(0, ofSession.indexOf(turn)).map((one): Turn => {
        return { role: one.role, text: one.words, atMs: one.atMs, isPrivate: false };
      });
      const context = contextOf(before, role, bounds);
      const entry = {
        id: newId(),
        message: text,
        timestampMs: atMs,
        userId: task.userId,
        sessionId: session,
        role,
        context,
      };
      yield { turn: turnKey(task, id), entry };
    }
  }

  private async post(path: string, body: object): Promise<unknown> {
    const response = await fetch(this.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${await response.text()}`);
    return response.json();
  }
}
